from datetime import timedelta
import pandas as pd, time
from flows.stages import Context
from flows.stages.bid import bid, Asked
from flows.stages.check import check
from flows.stages.ingest import ingest
from optimize.market.bids.products import products
from tests.flows.conftest import *
from tests.flows.test_expected import lived
from tests.flows.test_forecast_stage import prices
def test_x(depot):
    first = DAY - timedelta(days=71)
    nights = pd.concat([lived(first, 70, f"car-{one}") for one in (1, 2)])
    for name, rows in (("sessions", nights), ("prices", prices(first, 71))):
        file = depot.root.parent / f"{name}x.csv"
        rows.to_csv(file, index=False)
        ingest(Context.of(depot, AS_OF), name, [file], received="event")
    r=check(Context.of(depot, AS_OF)); print(r.message)
    for t in (None, open('/tmp/own.toml').read()):
        t0=time.time()
        r = bid(Context.of(depot, AS_OF), DAY, Asked(known=products(t)), lambda *a: None)
        print(r.message, r.exit_code, r.files, time.time()-t0)
        for k,v in r.tables.items():
            print(pd.DataFrame(v).to_string())
        for f in r.files: print(open(f).read()[:600])
    assert 0

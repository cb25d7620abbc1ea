"""The stages of the daily run as plain functions: data in, rows written once, a StageResult out.

ladder     their order, and how a day goes on where one fails
aside      a plan while another process holds the warehouse     spooled  its rows, once the file is free
ingest     a file → raw_…             check     raw_… → core_… + core_quarantine + out_check
fetch_day  providers → raw_…
calibrate  core_… → out_calibration…  plan      core_… + calibrations → out_plan…
forecast   core_… → out_forecast          forecast_report  out_forecast + core_… → out_forecast_score
bid        core_… + calibrations → out_bid, out_bid_curve, files to hand in
settle     out_realised… → out_settlement, out_ledger    bill core_metering → lines to look at
realise    core_… + out_plan… → out_realised…
ledger     out_ledger → exports, and what they prove
statement  out_ledger, out_realised_car, out_calibration → an owner's month
shares     core_… → lines to look at
invest     out_realised… or out_backtest → lines to look at
erase      every table and file less an owner's cars     release  out_private_release, one answer a question
pseudonymous  tables → Parquet under pseudonyms           federate sums of ageing, to and from other sites
acceptance out_realised_car, out_settlement + out_calibration → lines to look at
publish    out_… → reports and exports  quarantine  core_quarantine → to look at, or into core_… after all
They know neither Prefect nor the command line; each takes its `Context`, reads what was known once, maps,
writes once, and leaves one row in out_run; what reads and maps for them is in `flows.mapping`.
"""

from flows.context import Context, new_run_id
from flows.stages.record import StageResult

__all__ = ["Context", "StageResult", "new_run_id"]

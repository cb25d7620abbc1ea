"""Where the public data lie that some benchmarks and tests read; what every benchmark's command shares.

They are not part of the project. Under the folder named by ``--data DIR`` or $PUBLIC_DATA, or else next to
the checkout in ../shared/data, each set has a folder of its own (`SETS`).
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "PUBLIC_DATA"
_BESIDE = Path(__file__).parents[3] / "shared" / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSet:
    """Files of a folder, and where they come from."""

    folder: str
    files: tuple[str, ...]
    origin: str


_MJ1 = tuple(f"LG_INR18650MJ1_closs_{what}_aging.csv" for what in ("cycling", "calendar"))
SETS = {
    "prices": PublicSet(
        folder="prices/smard_de_lu_2020",
        files=("2020-hour-price.csv",),
        origin="costs/ of github.com/fritzthekid/smard-utils (SMARD, CC BY 4.0)",
    ),
    "finland": PublicSet(
        folder="prices/fi_sahkotin_2023_2024",
        files=("sahkotin_spot_price_vat.csv",),
        origin="data/create/30_spot_price_with_vat/ of github.com/vividfog/nordpool-predict-fi (MIT)",
    ),
    "sessions": PublicSet(
        folder="sessions/acn_caltech_event_queue_2019_03",
        files=("sessions_2019-03.csv",),
        origin="made of the March 2019 event queue of github.com/caltech-netlab/acnportal-experiments, "
        "one row a session",
    ),
    "drivers": PublicSet(
        folder="study/sessions/acn_caltech_2018_09_2019_12",
        files=("sessions.csv.gz",),
        origin="ACN-Data (Lee, Li, Low 2019), columns reduced in github.com/timosturm/acn-experiments",
    ),
    "regulation": PublicSet(
        folder="grid/caiso_regulation_laafb_4s",
        files=("FrequencyRegulationData.csv",),
        origin="data/ of github.com/LBNL-ETA/SynAS (Gehbauer, Stosic, Black 2020), the first 72 days",
    ),
    "market": PublicSet(
        folder="study/prices/epftoolbox_de_2012_2017",
        files=("prices_and_forecasts.csv.gz", "published_forecasts.csv.gz"),
        origin="github.com/jeslago/epftoolbox (Lago, Marcjasz, De Schutter, Weron 2021, data CC BY 4.0)",
    ),
    "quarters": PublicSet(
        folder="study/prices/cz_15min_2025_q4",
        files=("prices.csv.gz",),
        origin="github.com/pvyleta/cz-electricity-spot-prices-history (OTE; no licence stated), put into UTC",
    ),
    "mj1": PublicSet(
        folder="ageing/simses_lg_mj1_molicel_lto",
        files=_MJ1,
        origin="simses/data/lithium_ion/cell/ of github.com/mhmd-masri/freq_voltage_simses",
    ),
    "cycled": PublicSet(
        folder="study/ageing/cycled_cells_tju_xjtu_nasa",
        files=("capacity_by_cycle.csv",),
        origin="made of mirrors at github.com/wang-fujin/PINN4SOH and github.com/XiuzeZhou/RUL: capacity by "
        "cycle of 70 cells with chemistry, temperature, C-rates and depth",
    ),
    "sanyo": PublicSet(
        folder="ageing/baumhofer_2014",
        files=("capacity_by_cycle.csv",),
        origin="made of examples/data/Baumhofer2014/ of github.com/pybop-team/PyBOP: "
        "columns cell, cycle, capacity_Ah",
    ),
}


def data_folder() -> Path:
    """The folder of public data where none is named."""
    return Path(os.environ.get(VARIABLE) or _BESIDE)


def file_of(data: Path, name: str, file: str | None = None) -> Path:
    """The file of a set; its first if none is named."""
    one = SETS[name]
    return data / one.folder / (file or one.files[0])


def benchmark_parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """The parser of a benchmark's command; its help is the benchmark's docstring."""
    return argparse.ArgumentParser(
        prog=f"python -m tests.benchmarks.{name}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Tell a command where the public data lie."""
    parser.add_argument(
        "--data",
        type=Path,
        default=data_folder(),
        metavar="DIR",
        help=f"folder of the public data (default: ${VARIABLE}, else ../shared/data next to the checkout)",
    )


def require(parser: argparse.ArgumentParser, data: Path, *names: str) -> None:
    """Leave with exit code 2 and a line that says what is missing and where to get it."""
    for name in names:
        one = SETS[name]
        if gone := [file for file in one.files if not (data / one.folder / file).is_file()]:
            print(
                f"{parser.prog}: no {', '.join(gone)} in {data / one.folder}; get it from {one.origin}, "
                f"and name the folder above {one.folder} by --data DIR or ${VARIABLE}",
                file=sys.stderr,
            )
            raise SystemExit(2)

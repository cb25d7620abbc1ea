"""From core rows to what the twin is asked: one request a battery, known by the hash of all it rests on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from flows.context import Context
from flows.mapping.calibrations import oldest_first
from flows.mapping.disputes import DISPUTED
from flows.mapping.hashing import hash_frame, hash_values
from flows.mapping.used import files_used
from flows.version import model_hash, source_hash
from twin.prior import CHEMISTRY_PRIOR, AgeingPrior
from twin.types import BatterySpec, Calibration, CalibrationRequest, FleetContext
from warehouse.contracts.outputs import QUALITIES
from warehouse.known import Known

_log = logging.getLogger(__name__)
_RECENT, _AHEAD = pd.Timedelta(days=30), pd.Timedelta(days=7)


def battery_spec(row: pd.Series) -> BatterySpec:
    """The twin's view of a row of core_battery."""
    return BatterySpec(
        battery_id=row["battery_id"],
        chemistry=row["chemistry"],
        nominal_capacity_ah=float(row["nominal_capacity_ah"]),
        nominal_energy_kwh=float(row["nominal_energy_kwh"]),
        cells_series=int(row["cells_series"]),
        cells_parallel=int(row["cells_parallel"]),
        commissioned_utc=row["commissioned_utc"],
        charge_limit_kw=float(row["charge_limit_kw"]),
        replacement_value_eur=float(row["replacement_value_eur"]),
        scrap_value_eur=float(row["scrap_value_eur"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """A request to the twin, and the files that its rows came from (columns of `files_used`)."""

    request: CalibrationRequest
    files: pd.DataFrame


def calibration_requests(
    context: Context,
    battery_ids: Sequence[str],
    mates: Mapping[str, FleetContext],
    priors: Mapping[str, AgeingPrior],
) -> list[Asked]:
    """The requests of some batteries: what was known at `as_of`, the newest calibration by then.

    For the ordinary day of now the last 30 days of telemetry count, and sessions from then to a week ahead;
    of check-ups all, of sessions all, for what it lived through, and of temperature all months. ``mates``:
    what the other cars of a battery's site show; ``priors``: of their ageing.
    """
    known, end, settings = context.known, pd.Timestamp(context.as_of), context.workspace.settings.calibrate
    where = {"battery_id": list(battery_ids)}
    batteries = known.read("core_battery", where=where)
    rows_of = {
        "telemetry": "telemetry",
        "soc_power": "soc_power",
        "checkup": "checkups",
        "session": "sessions",
    }
    spans = {
        "telemetry": (end - _RECENT, end),
        "soc_power": (end - _RECENT, end),
        "checkup": (None, end),
        "session": (None, end + _AHEAD),
    }
    tables = {
        name: _by_battery(known.read(f"core_{name}", where=where, start=first, end=last))
        for name, (first, last) in spans.items()
    }
    months = _by_battery(known.monthly_temperature(battery_ids))
    previous = newest_calibrations(known, battery_ids, disputed=False)
    asked = []
    for at, row in batteries.iterrows():
        with_files = {name: groups.get(row["battery_id"], groups[""]) for name, groups in tables.items()}
        files = files_used(
            {rows_of[name]: frame for name, frame in with_files.items()} | {"fleet": batteries.loc[[at]]}
        )
        own = {name: frame.drop(columns=list(_LINEAGE)) for name, frame in with_files.items()}
        climate = months.get(row["battery_id"], months[""]).drop(columns="battery_id")
        parts = {name: hash_frame(frame) for name, frame in own.items()} | {"climate": hash_frame(climate)}
        parts["battery"] = hash_values({key: str(row[key]) for key in row.index if key not in _LINEAGE})
        parts["twin"], parts["model"] = source_hash("twin"), model_hash()
        parts["as_of_utc"] = f"{end:%Y-%m-%d}"  # a battery ages, and telemetry grows old, without a new row
        parts["settings"] = hash_values(
            [settings.end_of_life_soh, settings.full_every_days, settings.state_model]
        )
        prior = priors.get(row["battery_id"], CHEMISTRY_PRIOR)
        figures = (*prior.mean, *prior.sd, prior.discrepancy, prior.capacity_sd)
        believed = (*figures, *prior.structures.figures())
        parts["prior"] = hash_values([f"{value:.6g}" for value in believed])
        request = CalibrationRequest(
            battery=battery_spec(row),
            telemetry=own["telemetry"],
            coarse=own["soc_power"],
            checkups=own["checkup"],
            sessions=own["session"],
            as_of_utc=end,
            previous=previous.get(row["battery_id"]),
            input_hash=hash_values(parts),
            end_of_life_soh=settings.end_of_life_soh,
            full_every_days=settings.full_every_days,
            fleet=mates.get(row["battery_id"]),
            electrolyte=settings.state_model == "spme",
            prior=prior,
            climate=climate,
            model_hash=model_hash(),
        )
        asked.append(Asked(request=request, files=files))
    return asked


def newest_calibrations(
    known: Known, battery_ids: Sequence[str], *, disputed: bool = True
) -> dict[str, Calibration]:
    """The newest calibration of each battery that was known.

    ``disputed`` False: the newest that is not in dispute. A record that cannot be read is reported in the
    log, and the one before it stands.
    """
    where: dict[str, list[str]] = {"battery_id": list(battery_ids)}
    if not disputed:
        where["quality"] = [quality for quality in QUALITIES if quality != DISPUTED]
    found = _readable(known.newest("out_calibration", by=["battery_id"], where=where))
    if left := [battery_id for battery_id in battery_ids if battery_id not in found]:
        # Nothing to read of these, or nothing that can be read: whatever they have is looked through.
        found |= _readable(known.read("out_calibration", where=where | {"battery_id": left}))
    return found


def _readable(rows: pd.DataFrame) -> dict[str, Calibration]:
    """The last of each battery's calibrations that can be read."""
    rows, found = oldest_first(rows), dict[str, Calibration]()
    while not (rows := rows[~rows["battery_id"].isin(found)]).empty:
        newest = ~rows.duplicated("battery_id", keep="last")
        for row in rows[newest].to_dict("records"):
            record = {str(key): value for key, value in row.items()}
            try:
                found[record["battery_id"]] = Calibration.from_record(record)
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                own = record["battery_id"]
                _log.warning(
                    "%s: calibration %s cannot be read (%s)",
                    own, record["calibration_id"], error, extra={"battery_id": own},
                )  # fmt: skip
        rows = rows[~newest]
    return found


_LINEAGE = ("source_id", "received_utc", "source_row")


def _by_battery(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows by battery; "" holds the empty frame of a battery without rows."""
    groups = {str(key): group.reset_index(drop=True) for key, group in rows.groupby("battery_id", sort=False)}
    return {"": rows.iloc[:0], **groups}

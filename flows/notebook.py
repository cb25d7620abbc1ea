"""For notebooks: a calibrated battery of a workspace, in the hand.

from flows.notebook import load_calibration
battery = load_calibration("car-001", "depot")
battery.parameters, battery.covariance, battery.residuals
battery.simulation(soc=0.9).solve([0, 3600])
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flows import clock
from flows.errors import UsageError
from flows.workspace import Workspace

if TYPE_CHECKING:
    from twin.handle import BatteryHandle


def load_calibration(
    battery_id: str, workspace: str | Path = ".", *, as_of: datetime | None = None
) -> BatteryHandle:
    """The newest calibration of a battery as of a moment (tz-aware; now if None).

    Raises UsageError for a battery that is unknown or not calibrated by then, WorkspaceError.
    """
    opened = Workspace.open(Path(workspace))
    opened.enter()
    return handle_of(opened, battery_id, as_of or clock.now())


def handle_of(workspace: Workspace, battery_id: str, as_of: datetime) -> BatteryHandle:
    """`load_calibration` of a workspace that is open."""
    from flows.mapping.requests import battery_spec, newest_calibrations
    from twin.handle import BatteryHandle
    from twin.restore import restorable
    from warehouse.known import Known

    known = Known(workspace.warehouse, as_of)
    rows = known.read("core_battery", where={"battery_id": [battery_id]})
    if rows.empty:
        fleet = ", ".join(sorted(known.read("core_battery", columns=["battery_id"])["battery_id"])[:12])
        raise UsageError(f"no battery {battery_id!r} in the fleet", hint=f"There are {fleet or 'none'}.")
    calibration = newest_calibrations(known, [battery_id]).get(battery_id)
    if calibration is None:
        raise UsageError(
            f"battery {battery_id} is not calibrated by {as_of:%Y-%m-%d %H:%M} UTC", hint="`v2g calibrate`."
        )
    if not restorable(calibration):
        raise UsageError(
            f"battery {battery_id}: calibration {calibration.calibration_id} is of an earlier version",
            hint="`v2g calibrate` makes a new one.",
        )
    residuals = known.read(
        "out_twin_residual", where={"calibration_id": [calibration.calibration_id]}
    ).sort_values("time_utc")
    residuals = residuals[["time_utc", "voltage_v", "model_voltage_v", "used"]].reset_index(drop=True)
    return BatteryHandle(
        battery=battery_spec(rows.iloc[0]),
        calibration=calibration,
        residuals=residuals.assign(error_v=residuals["voltage_v"] - residuals["model_voltage_v"]),
    )

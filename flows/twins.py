"""What is shown and exported of a battery's twin: tables, and files that other tools read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from flows.errors import UsageError
from flows.filenames import file_stem
from flows.plain import plain
from flows.workspace import Workspace
from warehouse.files import make_folder, write_whole

if TYPE_CHECKING:
    from twin.handle import BatteryHandle
    from twin.types import Calibration
    from warehouse.known import Known

_STATE = (
    ("usable_capacity_ah", "usable_capacity_sd_ah"),
    ("soh", None),
    ("resistance_ohm", "resistance_sd_ohm"),
    ("current_bias_a", None),
    ("chi2_per_n", None),
)
_LIFE = ("l0_days", "alpha_day_per_efc", "beta_day_per_efc")
Tables = dict[str, list[dict[str, Any]]]


def shown(handle: BatteryHandle) -> Tables:
    """State, life and what its intervals hold besides the posterior (`twin.intervals`), what is not reported
    and what data would narrow it, ageing unknowns with their spread and correlations, and the fit's
    residuals."""
    from twin.identifiable import not_identified, would_narrow

    found, parameters = handle.calibration, handle.parameters
    spread = np.sqrt(np.diag(handle.covariance.to_numpy()))
    correlation = handle.covariance.to_numpy() / np.outer(spread, spread)
    return {
        f"battery {found.battery_id}": [
            {
                "calibration_id": found.calibration_id,
                "chemistry": found.chemistry,
                "quality": found.quality,
                "reason": found.reason,
                "dispute": found.dispute,
                "sensor_fault": found.sensor_fault,
                "sensor_evidence": found.sensor_evidence,
                **_federated(found),
            }
        ],
        "state": _state(handle),
        "life": [
            {
                "what": name,
                "value": getattr(found, name),
                "low": getattr(found, _bound(name, "low")),
                "high": getattr(found, _bound(name, "high")),
            }
            for name in _LIFE
        ],
        "warnings": [{"warning": one} for one in not_identified(found)],
        "would narrow it": [
            {"data": data, "less_doubt_of_l0": round(l0, 3), "less_doubt_of_beta": round(beta, 3)}
            for data, l0, beta in would_narrow(found)
        ],
        "wear price over that of the medians": _wear_price(handle),
        "intervals": [
            {"what": what, "part": part, "relative_sd": round(float(sd), 4)}
            for what, parts in _parts(handle).items()
            for part, sd in parts.items()
        ],
        "ageing": [
            {"unknown": name, "mean": mean, "sd": float(sd)}
            | {other: round(float(value), 3) for other, value in zip(parameters, row, strict=True)}
            for (name, mean), sd, row in zip(parameters.items(), spread, correlation, strict=True)
        ],
        "pack in the cold": _in_the_cold(handle),
        "structures": _structures(handle),
        "identifiable": [{"verdict": part} for part in found.identifiability.split("; ")],
        "fit": _fit(handle),
    }


def _federated(found: Calibration) -> dict[str, str]:
    """Whose batteries elsewhere its prior of ageing began with, where it did."""
    prior = found.record.prior
    return {"federated_prior": prior.federated} if prior is not None and prior.federated else {}


def compared(first: BatteryHandle, second: BatteryHandle) -> Tables:
    """Two batteries side by side; ``apart`` is the difference over its standard deviation, where known."""
    names = (first.calibration.battery_id, second.calibration.battery_id)
    if names[0] == names[1]:
        names = (f"{names[0]} (1)", f"{names[1]} (2)")
    rows = []
    for one, other in zip(_state(first), _state(second), strict=True):
        rows.append(_pair(str(one["what"]), names, one["value"], other["value"], one["sd"], other["sd"]))
    for name in _LIFE:
        one_value, other_value = getattr(first.calibration, name), getattr(second.calibration, name)
        sds = [
            (getattr(held.calibration, _bound(name, "high")) - getattr(held.calibration, _bound(name, "low")))
            / 3.29
            for held in (first, second)
        ]
        rows.append(_pair(name, names, one_value, other_value, *sds))
    for name, value in first.parameters.items():
        if name in second.parameters:
            sds = [_sd(held, name) for held in (first, second)]
            rows.append(_pair(name, names, value, second.parameters[name], *sds))
    return {"twins": rows}


def exported(workspace: Workspace, handle: BatteryHandle, folder: Path) -> list[Path]:
    """Write a battery's twin into ``folder``: JSON, the telemetry window with the model's voltage as BDF csv,
    and the battery as a parameter set of PyBaMM, full and on its ordinary day.

    The csv holds the labels of the Battery Data Format (current + = charge), one row a telemetry sample of
    the window that was fitted, and the model's voltage at it; it is left out where there was no fit.
    """
    make_folder(folder)
    found = handle.calibration
    document = {
        "calibration": found.to_record() | {"parameters_json": None},
        "parameters": found.record.to_document(),
        "unknowns": dict(handle.parameters),
        "covariance": handle.covariance.to_dict(),
    }
    stem = file_stem(found.battery_id)
    target, telemetry = folder / f"{stem}.json", folder / f"{stem}.bdf.csv"
    parameters = folder / f"{stem}.pybamm.json"
    for path in (target, telemetry, parameters):
        require_own(path, found.battery_id)
    files = [write_whole(target, _as_json(document))]
    if len(handle.residuals):
        frame = _window(workspace, handle)
        files.append(write_whole(telemetry, frame.to_csv(index=False)))
    return [*files, write_whole(parameters, _as_json(handle.parameter_set()))]


def replayed(known: Known, handle: BatteryHandle, days: int) -> Tables:
    """How today's state follows the last days of telemetry: a row a day, errors in mV a cell."""
    spec, end = handle.battery, known.as_of
    rows = known.read(
        "core_telemetry",
        where={"battery_id": [spec.battery_id]},
        start=end - pd.Timedelta(days=days),
        end=end,
    )
    if rows.empty:
        raise UsageError(f"no telemetry of battery {spec.battery_id} in the {days} days before {end}")
    stated = _asked(lambda: handle.replay(rows))
    stated["error_mv"] = stated["error_v"] / spec.cells_series * 1000
    table = []
    for day, own in stated.groupby(stated["time_utc"].dt.strftime("%Y-%m-%d")):
        error = own["error_mv"].dropna()
        table.append(
            {
                "day": day,
                "from_utc": own["time_utc"].iloc[0],
                "samples": len(own),
                "rms_mv_per_cell": float(np.sqrt((error**2).mean())) if len(error) else None,
                "mean_mv_per_cell": float(error.mean()) if len(error) else None,
                "largest_mv_per_cell": float(error.abs().max()) if len(error) else None,
            }
        )
    return {f"replay of {spec.battery_id}": table}


def hindcasted(known: Known, handle: BatteryHandle) -> Tables:
    """What each past check-up would have foretold of those after it."""
    battery_id = handle.battery.battery_id
    rows = known.read("core_checkup", where={"battery_id": [battery_id]})
    stated = _asked(lambda: handle.hindcast(rows))
    records = [dict(zip(stated.columns, row, strict=True)) for row in stated.itertuples(index=False)]
    return {f"hindcast of {battery_id}": records}


def _asked(answer: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The answer, or UsageError where the battery's record holds too little for it."""
    from twin.errors import TwinError

    try:
        return answer()
    except TwinError as error:
        raise UsageError(str(error)) from error


def _as_json(document: Mapping[str, Any]) -> str:
    return json.dumps(plain(document), indent=2, sort_keys=True, allow_nan=False) + "\n"


def _window(workspace: Workspace, handle: BatteryHandle) -> pd.DataFrame:
    residuals = handle.residuals
    begin, end = residuals["time_utc"].iloc[0], residuals["time_utc"].iloc[-1] + pd.Timedelta(minutes=5)
    rows = workspace.warehouse.read(
        "core_telemetry", where={"battery_id": [handle.battery.battery_id]}, start=begin, end=end
    )
    seconds = (rows["time_utc"] - begin).dt.total_seconds().to_numpy()
    fitted = (residuals["time_utc"] - begin).dt.total_seconds().to_numpy()
    return pd.DataFrame(
        {
            "Test Time / s": seconds,
            "Unix Time / s": (rows["time_utc"] - pd.Timestamp(0, tz="UTC")).dt.total_seconds(),
            "Voltage / V": rows["voltage_v"],
            "Current / A": rows["current_a"],
            "Surface Temperature / degC": rows["temperature_degc"],
            "Model Voltage / V": np.interp(seconds, fitted, residuals["model_voltage_v"]).round(4),
        }
    )


def _state(handle: BatteryHandle) -> list[dict[str, Any]]:
    found = handle.calibration
    return [
        {"what": name, "value": getattr(found, name), "sd": getattr(found, sd) if sd else None}
        for name, sd in _STATE
    ]


def _parts(handle: BatteryHandle) -> Mapping[str, Mapping[str, float]]:
    parts = handle.calibration.record.interval_parts
    return {} if parts is None else parts.by_name()


def _wear_price(handle: BatteryHandle) -> list[dict[str, Any]]:
    """What `[plan] wear_risk` chooses from."""
    from twin.ensemble.price import PRICES, Risk, price_multiple

    ensemble = handle.calibration.record.ensemble
    chosen: dict[str, Risk] = {"mean": "mean", "0.05": 0.05, "0.5": 0.5, "0.95": 0.95}
    return [
        {"price": of} | {name: price_multiple(handle.calibration, of, risk) for name, risk in chosen.items()}
        for of in PRICES
        if ensemble is not None and of in ensemble.price
    ]


def _in_the_cold(handle: BatteryHandle) -> list[dict[str, Any]]:
    """Resistance by temperature and SoC, and what charging at the car's limit loses more than warm, as
    today's plan reckons in the middle of its charge."""
    losses = handle.calibration.record.losses
    if losses is None:
        return []
    measured = () if losses.today_degc is None else (losses.today_degc,)
    return [
        {"temperature_degc": round(degc, 1), "today": degc in measured}
        | {f"ohm_at_{100 * soc:.0f}_percent": round(losses.ohm_at(degc, soc), 4) for soc in losses.soc}
        | {"lost_more": round(1.0 - losses.kept_charging(handle.battery.charge_limit_kw, 0.5, degc), 4)}
        for degc in sorted({*losses.temperature_degc, *measured})
    ]


def _structures(handle: BatteryHandle) -> list[dict[str, Any]]:
    """Each structure's own answer and its weight in what is published, the weightiest first."""
    ensemble = handle.calibration.record.ensemble
    if ensemble is None:
        return []
    return [
        {
            "structure": one.name,
            "weight": round(one.weight, 3),
            "foretold": one.score,
            "l0_days": one.l0_days,
            "alpha_day_per_efc": one.alpha_day_per_efc,
            "beta_day_per_efc": one.beta_day_per_efc,
            "calendar_share": one.calendar_share,
        }
        for one in sorted(ensemble.members, key=lambda one: -one.weight)
    ]


def _fit(handle: BatteryHandle) -> list[dict[str, Any]]:
    errors = handle.residuals
    if errors.empty:
        return []
    per_cell = errors["error_v"] / handle.battery.cells_series * 1000
    return [
        {
            "window_from_utc": errors["time_utc"].iloc[0],
            "samples": len(errors),
            "set_aside": int((~errors["used"].astype(bool)).sum()),
            "rms_mv_per_cell": float(np.sqrt((per_cell**2).mean())),
            "largest_mv_per_cell": float(per_cell.abs().max()),
        }
    ]


def _pair(
    what: str,
    names: tuple[str, str],
    one: float | None,
    other: float | None,
    one_sd: float | None,
    other_sd: float | None,
) -> dict[str, Any]:
    apart = None
    if one is not None and other is not None and one_sd is not None and other_sd is not None:
        spread = float(np.hypot(one_sd, other_sd))
        apart = (other - one) / spread if spread > 0 else None
    return {"what": what, names[0]: one, names[1]: other, "apart": apart}


def _sd(handle: BatteryHandle, name: str) -> float:
    at = handle.covariance.columns.get_loc(name)
    return float(np.sqrt(handle.covariance.to_numpy()[at, at]))


def _bound(name: str, end: str) -> str:
    stem, _, unit = name.partition("_")
    return f"{stem}_{end}_{unit}"


def require_own(path: Path, battery_id: str) -> None:
    """Raise UsageError for a file that is there and no earlier export of the battery's twin or passport."""
    if not os.path.lexists(path):
        return
    own = False
    if path.is_file() and not path.is_symlink():
        text = path.read_text(encoding="utf-8", errors="replace")
        own = text.startswith("Test Time / s,") if path.suffix == ".csv" else _names(text) == battery_id
    if not own:
        raise UsageError(f"{path} is there and no export of {battery_id}: only an earlier one is replaced")


def _names(text: str) -> object:
    """Which battery a document is of; None where it is of none."""
    from twin.handle import TWIN_OF

    try:
        document = json.loads(text)
        named = [key.removeprefix(TWIN_OF) for key in document if key.startswith(TWIN_OF)]
        return named[0] if named else document.get("battery_id") or document["calibration"]["battery_id"]
    except (ValueError, KeyError, TypeError):
        return None

"""How well the days of a record tell the ordinary day: the standard error of a mean of few, unlike days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from twin.course import Course
from twin.duty import course_through, use_of
from twin.health import Array

_WHOLE_DAY_H = 20.0
_BELIEVED_DAYS = 1.0  # that what is believed of their spread is worth: days tell it themselves
_DRIVING_SD = 0.5  # of a day's driving, relative to the mean
_WEATHER_SD_K, _WEATHER_LAG = 3.0, 0.75  # of a day's mean temperature; weather lasts some days
_UNKNOWN = (0.4, 6.0)  # of driving and temperature between cars of which no day is known


@dataclass(frozen=True, slots=True, kw_only=True)
class DutySpread:
    """Standard errors of the ordinary day: of its driving, relative, and of its temperature [K]."""

    driving: float
    temperature_k: float


def duty_spread(
    telemetry: pd.DataFrame, sessions: pd.DataFrame, *, nominal_ah: float, flow: Course | None = None
) -> DutySpread:
    """The spread of the mean over the whole days of ``telemetry`` (arguments as of `twin.duty.derive_duty`).

    Days of driving are taken for independent, those of weather for alike. Where there are few, the scatter
    that is believed counts besides what was seen (mean of a scaled inverse χ²).
    """
    if not len(telemetry):
        days = sessions["arrival_utc"].dt.floor("D").nunique() if len(sessions) else 0
        driving = _DRIVING_SD / float(np.sqrt(days)) if days else _UNKNOWN[0]
        return DutySpread(driving=min(driving, _UNKNOWN[0]), temperature_k=_UNKNOWN[1])
    driven, degc = _by_day(telemetry, sessions, flow or course_through(telemetry, nominal_ah))
    if not len(driven) or not len(degc) or driven.mean() <= 0:
        return DutySpread(driving=_UNKNOWN[0], temperature_k=_UNKNOWN[1])
    mean = float(driven.mean())
    independent = max(1.0, len(degc) * (1 - _WEATHER_LAG) / (1 + _WEATHER_LAG))
    return DutySpread(
        driving=_scatter(driven / mean, _DRIVING_SD) / float(np.sqrt(len(driven))),
        temperature_k=_scatter(degc, _WEATHER_SD_K) / float(np.sqrt(independent)),
    )


def _by_day(telemetry: pd.DataFrame, sessions: pd.DataFrame, flow: Course) -> tuple[Array, Array]:
    """Charge driven [of nominal] and mean temperature [°C] of each whole day, silence included."""
    use = use_of(flow.by_day(), sessions)
    table = pd.DataFrame(
        {"hours": use.step_h, "driven": np.where(use.driving, -use.charge, 0.0)},
        index=pd.to_datetime(use.begin_s, unit="s", utc=True).floor("D"),
    )
    days = table.groupby(level=0).sum()
    degc = telemetry.groupby(telemetry["time_utc"].dt.floor("D"))["temperature_degc"].mean()
    days["degc"] = degc.reindex(days.index)
    whole = days[days["hours"] >= _WHOLE_DAY_H]
    return whole["driven"].to_numpy(), whole["degc"].dropna().to_numpy()


def _scatter(values: Array, believed: float) -> float:
    squares = _BELIEVED_DAYS * believed**2 + float(((values - values.mean()) ** 2).sum())
    return float(np.sqrt(squares / (_BELIEVED_DAYS + len(values) - 1)))

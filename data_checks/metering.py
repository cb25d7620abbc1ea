"""Written checks of what the meters at the plugs counted: quarter-hours that are over, what a plug can pass.

Both ways may count within one quarter-hour: a car can charge in its first minutes and discharge in its last.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_checks.owners import Owners
from data_checks.packs import Floats, Packs
from data_checks.telemetry import CLOCK_SKEW, arrived
from data_checks.types import CheckContext, Positions, RowFinding

QUARTER = pd.Timedelta(minutes=15)
TOLERANCE = 1.25
"""A charger's rated power is a round number, its meter of a class, its clock some seconds off."""
COUNT_KWH = 0.01
"""What a meter may count where nothing can flow: its last digit."""
FAR_BEYOND = 10.0
"""Times what a plug can pass from which the unit is doubted: Wh are 1000 times as many."""
_FEWEST_FAR, _SHARE_FAR = 3, 0.05
"""So many, and such a share of a battery's rows in a file, are no slip of single rows."""
_WH = "Wh, not kWh?"


def off_grid(frame: pd.DataFrame) -> RowFinding:
    """Find intervals that do not begin on a quarter-hour; no zone's clock is next to UTC's quarter-hours."""
    starts = frame["interval_start_utc"]
    return RowFinding(
        rule="grid",
        column="interval_start_utc",
        reason="interval_start_utc is not on a quarter-hour; is it the middle or the end of the interval?",
        positions=np.flatnonzero((starts.notna() & (starts != starts.dt.floor(QUARTER))).to_numpy()),
    )


def not_over(frame: pd.DataFrame, context: CheckContext) -> RowFinding:
    """Find quarter-hours that ended more than 5 minutes after their file arrived, or after `as_of_utc`."""
    ends = frame["interval_start_utc"] + QUARTER
    return RowFinding(
        rule="future",
        column="interval_start_utc",
        reason="the quarter-hour from interval_start_utc was not over when the file arrived: none of it, or "
        "not all of it, can have been counted",
        positions=np.flatnonzero((ends > arrived(frame, context) + CLOCK_SKEW).to_numpy()),
    )


def signature(frame: pd.DataFrame) -> RowFinding:
    """Find signed values that were changed since, or are not of the meter that counts there."""
    positions = np.flatnonzero((frame["signature"] == "refused").to_numpy(dtype=bool, na_value=False))
    return RowFinding(
        rule="signature",
        column="signature",
        reason="the signed value is refused",
        positions=positions,
        details=tuple(str(note) for note in frame["signature_note"].iloc[positions]),
    )


def other_unit(frame: pd.DataFrame, owners: Owners, packs: Packs) -> Iterator[RowFinding]:
    """Find all rows of a battery in a file of which more than single ones are 10 times beyond its plug.

    Of a file in Wh those of an idle car would pass for kWh: none is believed, and none is scaled.
    """
    every = np.ones(len(frame), dtype=bool)
    either_kwh = np.fmax(*(way.passes_kwh(packs) for way in _WAYS))
    for way in _WAYS:
        counted = way.counted_kwh(frame)
        far = np.isfinite(counted) & (counted > FAR_BEYOND * either_kwh)
        number = owners.count(far)
        wrong = (number >= _FEWEST_FAR) & (number >= _SHARE_FAR * owners.count(every))
        positions = owners.rows_of(wrong)
        most = pd.Series(np.where(far, counted, 0.0)).groupby(owners.group).transform("max").to_numpy()
        yield RowFinding(
            rule="unit",
            column=way.column,
            reason=f"{way.column} of this file cannot be what was counted in a quarter-hour, in kWh "
            f"({_WH} Readings of the meter?)",
            positions=positions,
            whole=True,
            details=_stated(owners, positions, most, either_kwh, "up to "),
        )


def beyond_plug(frame: pd.DataFrame, owners: Owners, packs: Packs) -> Iterator[RowFinding]:
    """Find rows that count more than 125 % of what the battery's charger can pass in a quarter-hour."""
    for way in _WAYS:
        counted, limit = way.counted_kwh(frame), way.passes_kwh(packs)
        positions = np.flatnonzero(counted > np.maximum(TOLERANCE * limit, COUNT_KWH))
        yield RowFinding(
            rule="plug",
            column=way.column,
            reason=f"{way.column} is over {100 * TOLERANCE:g} % of what the plug can pass in a quarter-hour",
            positions=positions,
            details=_stated(owners, positions, counted, limit),
        )


def _stated(
    owners: Owners, positions: Positions, counted: Floats, limit: Floats, before: str = ""
) -> tuple[str, ...]:
    """Return battery, value and limit of each row, and what single values so large speak of."""
    doubt = np.where(counted > FAR_BEYOND * limit, "" if before else f" ({_WH})", "")
    return tuple(
        f"{owners.names[owners.codes[row]]} counted {before}{counted[row]:g} kWh, its plug passes "
        f"{limit[row]:.3g} kWh{doubt[row]}"
        for row in positions
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """Into the car or out of it: what counts it, and what limits it on the battery's side of the charger."""

    column: str
    limit_kw: str
    efficiency: str
    power: int  # of the efficiency: what is drawn is more than what arrives, what is fed back is less

    def counted_kwh(self, frame: pd.DataFrame) -> Floats:
        return frame[self.column].to_numpy(dtype="float64", na_value=np.nan)

    def passes_kwh(self, packs: Packs) -> Floats:
        """Return the most that the plug can pass in a quarter-hour, by row; NaN where it is not known."""
        at_the_plug_kw = packs.figure(self.limit_kw) * packs.figure(self.efficiency) ** self.power
        return np.asarray(at_the_plug_kw * (QUARTER / pd.Timedelta(hours=1)))


_WAYS = (
    _Way(column="import_kwh", limit_kw="charge_limit_kw", efficiency="efficiency_charge", power=-1),
    _Way(column="export_kwh", limit_kw="discharge_limit_kw", efficiency="efficiency_discharge", power=1),
)

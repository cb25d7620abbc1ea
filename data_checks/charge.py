"""Written checks of telemetry: the charge that flowed against the charge that the car reports.

Where the car reports its charge, the current can be held against it: stretch by stretch (a sign that does not
fit) and over a battery's whole file (every sign turned, or a unit that cannot be right).
"""

import numpy as np
import pandas as pd

from data_checks.owners import Owners
from data_checks.packs import Floats, Packs
from data_checks.series import Series
from data_checks.types import EVERYTHING, Mask, Positions, RowFinding, ScopeFinding

FLOWING_C_RATE = 1 / 50
LEG_CHARGE, LEG_SOC = 0.03, 0.02
"""A stretch of one sign counts from this share of the capacity on, contradicts from this change of SoC on."""
LEG_SAMPLES = 5
"""And from so many samples on: one taken in regeneration, or a few, say nothing of the minutes between."""
STEADY = 0.1
"""Samples are of one steady current if they differ by less than this share of it."""
FINE = 4.0
LARGEST_STEP = 0.6
"""Share of the change that one step may have: a car that corrects its reckoning jumps, and is not wrong."""
WINDOW_MINUTES, WINDOW_SOC = 120.0, 0.05
WINDOWS, MOVED_SOC = 4, 0.3
"""Evidence that a verdict on a whole battery needs: windows of 2 h with ≥ 0.05 of change, and their sum."""
SCALE = 8.0


def against_soc(frame: pd.DataFrame, owners: Owners, packs: Packs, series: Series) -> list[RowFinding]:
    """Find stretches and whole batteries whose current_a cannot be with soc_reported.

    Only samples with a reported charge are evidence.
    """
    series = series.only(frame["soc_reported"].notna().to_numpy())
    c_rate = series.values(frame["current_a"]) / series.values(packs.figure("nominal_capacity_ah"))
    soc = series.values(frame["soc_reported"])
    groups, ratio = judged(series, np.nan_to_num(c_rate), soc)
    turned, unfit = groups[ratio < -1 / SCALE], groups[(np.abs(ratio) <= 1 / SCALE) | (ratio > SCALE)]
    whole = np.union1d(turned, unfit)
    legs = _contradicting(series, np.nan_to_num(c_rate), soc) | _mirrored(series, np.nan_to_num(c_rate), soc)
    legs &= ~np.isin(series.group, whole)
    return [
        RowFinding(
            rule="current_sign", column="current_a", reason="current_a flows against soc_reported",
            positions=np.sort(series.positions[legs]),
        ),
        _whole(owners, "current_sign", turned, "current_a has the wrong sign in the whole file: + is charge"),
        _whole(
            owners, "coulomb", unfit,
            f"current_a moves under 1/{SCALE:g} or over {SCALE:g} times the charge that soc_reported tells: "
            "wrong unit or dead sensor",
        ),
    ]  # fmt: skip


def _contradicting(series: Series, c_rate: Floats, soc: Floats) -> Mask:
    """Return the samples of stretches of one sign over which the reported charge moves the other way."""
    sign = np.where(np.abs(c_rate) > FLOWING_C_RATE, np.sign(c_rate), 0.0)
    onward, step = np.zeros(soc.size, dtype=bool), np.zeros(soc.size)
    onward[1:] = (sign[1:] == sign[:-1]) & (sign[1:] != 0.0)
    step[1:] = np.diff(soc)
    runs = series.runs(onward)
    if runs.first.size == 0:
        return np.zeros(0, dtype=bool)
    charge, change = runs.sums(series.charge(c_rate)), soc[runs.last] - soc[runs.first]
    step[runs.first] = 0.0
    largest = np.maximum.reduceat(np.abs(step), runs.first)
    against = (
        (runs.size >= LEG_SAMPLES) & (np.abs(charge) >= LEG_CHARGE) & (np.sign(charge) * change <= -LEG_SOC)
    )
    return runs.spread(against & (largest <= LARGEST_STEP * np.abs(change)))


def _mirrored(series: Series, c_rate: Floats, soc: Floats) -> Mask:
    """Return single samples of the other sign, over which the charge goes on as if it were their neighbours'.

    Only in a steady current, since a car that drives has samples of both signs, and only where it tells its
    charge finely enough to see a sample: to a quarter of what flowed.
    """
    found = np.zeros(soc.size, dtype=bool)
    if soc.size < 3:
        return found
    before, own, after = c_rate[:-2], c_rate[1:-1], c_rate[2:]
    way = np.sign(before)
    odd = (way == np.sign(after)) & (way == -np.sign(own)) & series.linked[1:-1] & series.linked[2:]
    odd &= np.minimum(np.abs(before), np.abs(after)) > FLOWING_C_RATE
    size = np.abs(before)
    odd &= (np.abs(size - np.abs(after)) < STEADY * size) & (np.abs(size - np.abs(own)) < STEADY * size)
    hours = series.hours
    if_reported = 0.5 * ((before + own) * hours[1:-1] + (own + after) * hours[2:]) * way
    if_turned = 0.5 * ((before - own) * hours[1:-1] + (after - own) * hours[2:]) * way
    change = (soc[2:] - soc[:-2]) * way
    finest = _finest_step(series, soc)[series.group[1:-1]]
    odd &= (if_turned - if_reported > FINE * finest) & (change > 0.5 * (if_reported + if_turned))
    found[1:-1] = odd & (change < 1.5 * if_turned)
    return found


def _finest_step(series: Series, soc: Floats) -> Floats:
    """Return by group the digit of the reported charge: the smallest step, or difference of two steps."""
    finest = np.full(int(series.group.max(initial=0)) + 1, np.inf)
    step = np.where(series.linked[1:], np.diff(soc), np.nan)
    for group, size in ((series.group[1:], np.abs(step)), (series.group[2:], np.abs(np.diff(step)))):
        moved = size > 1e-9  # less is rounding of the last bit
        np.minimum.at(finest, group[moved], size[moved])
    return finest


def judged(series: Series, c_rate: Floats, soc: Floats) -> tuple[Positions, Floats]:
    """Return groups with enough evidence and charge that flowed over charge reported, signed."""
    if soc.size == 0:
        return np.empty(0, dtype=np.intp), np.empty(0)
    onward = np.zeros(soc.size, dtype=bool)
    onward[1:] = np.diff(np.floor(series.minutes / WINDOW_MINUTES)) == 0
    runs = series.runs(onward)
    flowed, change = runs.sums(series.charge(c_rate)), soc[runs.last] - soc[runs.first]
    telling = np.abs(change) >= WINDOW_SOC
    groups, of = np.unique(series.group[runs.first[telling]], return_inverse=True)
    moved = np.bincount(of, np.abs(change[telling]), groups.size)
    ratio = np.bincount(of, (np.sign(change) * flowed)[telling], groups.size) / moved
    enough = (np.bincount(of, minlength=groups.size) >= WINDOWS) & (moved >= MOVED_SOC)
    return groups[enough], ratio[enough]


def too_coarse(rule: str, owners: Owners, series: Series, c_rate: Floats, soc: Floats) -> list[ScopeFinding]:
    """Tell of batteries that report their charge, of which a file shows too little to judge the whole of it.

    Nothing is wrong with them, and nothing was checked, which is not the same as passed: the rows checked are
    those of the others.
    """
    stated = np.unique(series.group[np.isfinite(soc)])
    stated = stated[stated >= 0]
    open_groups = np.setdiff1d(stated, judged(series, c_rate, soc)[0])
    rows = np.isin(owners.group, open_groups)
    why = (
        f"too coarse to be checked, not passed: fewer than {WINDOWS} windows of {WINDOW_MINUTES / 60:g} h in "
        f"which the charge reported moves by {WINDOW_SOC:g} ({MOVED_SOC:g} in all)"
    )
    names = {owners.names[code]: code for code in np.unique(owners.codes[rows])}
    stated_of = [(EVERYTHING, int(owners.codes.size - rows.sum()), why if names else "")]
    stated_of += [(name, int((owners.codes[~rows] == code).sum()), why) for name, code in names.items()]
    return [
        ScopeFinding(
            rule=f"{rule}_unseen", severity="info", scope=scope, rows_checked=checked, rows_failed=0,
            message=message,
        )
        for scope, checked, message in stated_of
    ]  # fmt: skip


def unseen(frame: pd.DataFrame, owners: Owners, packs: Packs, series: Series) -> list[ScopeFinding]:
    """`too_coarse` of the current's sign and unit."""
    series = series.only(frame["soc_reported"].notna().to_numpy())
    c_rate = series.values(frame["current_a"]) / series.values(packs.figure("nominal_capacity_ah"))
    soc = series.values(frame["soc_reported"])
    return too_coarse("current_sign", owners, series, np.nan_to_num(c_rate), soc)


def _whole(owners: Owners, rule: str, groups: Positions, reason: str) -> RowFinding:
    rows = np.flatnonzero(np.isin(owners.group, groups))
    return RowFinding(rule=rule, column="current_a", reason=reason, positions=rows, whole=True)

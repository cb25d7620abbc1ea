"""Written checks of sessions: a car is plugged in at one place at a time, and what is asked can be done."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_checks.emptied import CellFinding
from data_checks.owners import Owners
from data_checks.packs import Packs
from data_checks.types import EVERYTHING, CheckContext, Mask, RowFinding, ScopeFinding
from data_checks.verdict import check_rows, examples

LONGEST_SESSION = pd.Timedelta(days=90)
_REACH_TOLERANCE = 0.02
"""Of the pack's energy: rounded states of charge ask for a little more than there is time for."""
_SAME_MINUTES, _SAME_SHARE, _SAME_LEAST_MINUTES = 5.0, 0.05, 1.0
"""Two records tell one session if both ends differ by no more than 5 % of it, 1 to 5 minutes."""
_SAME_SOC = 0.02
_ALL_BUT_EMPTY, _MUCH = 0.02, 0.1
"""States of charge, and metered energy over the pack's, that do not go together."""
_METERED_SPARE = 1.25
"""Over what a pack and its charger can take: meters, losses and packs larger than they are sold as."""
_REPLACED = "replaced by a session of the same car that was received later and overlaps"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """One usable row: where it stands in the frame, whose it is, when (minutes) and with what charge."""

    position: int
    group: int
    name: str
    arrival: float
    departure: float
    arrival_soc: float
    departure_soc: float

    def same(self, other: "_Session") -> bool:
        """Whether both tell of one session, to what clocks and rounding differ by."""
        shorter = min(self.departure - self.arrival, other.departure - other.arrival)
        minutes = min(_SAME_MINUTES, max(_SAME_LEAST_MINUTES, _SAME_SHARE * shorter))
        return (
            abs(self.arrival - other.arrival) <= minutes
            and abs(self.departure - other.departure) <= minutes
            and abs(self.arrival_soc - other.arrival_soc) <= _SAME_SOC
            and abs(self.departure_soc - other.departure_soc) <= _SAME_SOC
        )


def endless(frame: pd.DataFrame) -> RowFinding:
    """Find sessions of more than 90 days: a date mistyped, or a plug-out that was never reported."""
    session = frame["departure_utc"] - frame["arrival_utc"]
    return RowFinding(
        rule="stay",
        column="departure_utc",
        reason=f"departure_utc is more than {LONGEST_SESSION.days} days after arrival_utc",
        positions=np.flatnonzero((session > LONGEST_SESSION).to_numpy()),
    )


def impossible_bands(frame: pd.DataFrame) -> Iterator[CellFinding]:
    """Find bounds of a V2X band that cannot be, as of one in per cent.

    Without a band all could be fed back: so nothing is.
    """
    for column, closed in (("v2x_min_soc", 1.0), ("v2x_max_soc", 0.0)):
        values = frame[column].to_numpy(dtype="float64", na_value=np.nan)
        yield CellFinding(
            rule="v2x_band",
            column=column,
            reason=f"{column} is outside 0 to 1 (is it in per cent?), so that the V2X band is not known",
            positions=np.flatnonzero(~np.isnan(values) & ~((values >= 0.0) & (values <= 1.0))),
            instead=closed,
            done="nothing is fed back",
        )


def metered_beyond(frame: pd.DataFrame, packs: Packs) -> CellFinding:
    """Find energies that neither the pack can take nor its charge limit bring in the time of the session."""
    hours = (frame["departure_utc"] - frame["arrival_utc"]).dt.total_seconds().to_numpy() / 3600.0
    held = np.fmax(packs.figure("charge_limit_kw") * hours, packs.figure("nominal_energy_kwh"))
    most = _METERED_SPARE * held / packs.figure("efficiency_charge")
    return CellFinding(
        rule="metered",
        column="energy_kwh",
        reason="energy_kwh is more than the pack holds and its charge limit brings in the time of the "
        "session",
        positions=np.flatnonzero(frame["energy_kwh"].to_numpy(dtype="float64", na_value=np.nan) > most),
    )


def stated_twice(frame: pd.DataFrame, owners: Owners, usable: Mask) -> RowFinding:
    """Find sessions that tell of a session which the file tells of under another id: the first id counts."""
    again: dict[int, str] = {}
    recent: list[_Session] = []
    for session in _sessions(frame, owners, usable):
        recent = [
            other
            for other in recent
            if other.group == session.group and session.arrival - other.arrival <= _SAME_MINUTES
        ]
        twin = next((other for other in recent if session.same(other)), None)
        if twin is None:
            recent.append(session)
            continue
        first, second = sorted((twin, session), key=lambda one: (one.name, one.position))
        again[second.position] = f"{second.name!r} is {first.name!r}"
        recent[recent.index(twin)] = first
    return RowFinding(
        rule="same_stay",
        column="session_id",
        severity="warning",
        reason="the file tells of one session twice, under two ids: the first id counts",
        positions=np.array(sorted(again), dtype=np.intp),
        details=tuple(again[position] for position in sorted(again)),
    )


def overlapping(frame: pd.DataFrame, owners: Owners, usable: Mask) -> RowFinding:
    """Find sessions that overlap another one of their battery and file; nobody can say which is right."""
    against: dict[int, str] = {}
    latest: _Session | None = None  # the session of this battery that ends last, so far
    for session in _sessions(frame, owners, usable):
        if latest is None or session.group != latest.group:
            latest = session
            continue
        if session.arrival < latest.departure:
            against[session.position] = f"{session.name!r} and {latest.name!r}"
            against.setdefault(latest.position, f"{latest.name!r} and {session.name!r}")
        if session.departure > latest.departure:
            latest = session
    return RowFinding(
        rule="overlap",
        column="arrival_utc",
        reason="the session overlaps another one of this battery in the file",
        positions=np.array(sorted(against), dtype=np.intp),
        details=tuple(against[position] for position in sorted(against)),
    )


def _sessions(frame: pd.DataFrame, owners: Owners, usable: Mask) -> list[_Session]:
    """Return the usable rows by battery, file and moment of receipt, in order of arrival.

    What was received at another moment says nothing against a row: the later received one holds.
    """
    owners = owners.apart(pd.factorize(frame["received_utc"], sort=True)[0])
    positions = np.flatnonzero(usable)
    arrival, departure = (
        frame[name].astype("int64").to_numpy()[positions] / 60e6 for name in ("arrival_utc", "departure_utc")
    )
    group = owners.group[positions]
    names, arrival_soc, departure_soc = (
        frame[name].to_numpy()[positions] for name in ("session_id", "arrival_soc", "departure_soc")
    )
    order = np.lexsort((positions, names.astype(str), departure, arrival, group))
    return [
        _Session(
            position=int(positions[i]), group=int(group[i]), name=str(names[i]), arrival=float(arrival[i]),
            departure=float(departure[i]), arrival_soc=float(arrival_soc[i]),
            departure_soc=float(departure_soc[i]),
        )
        for i in order
    ]  # fmt: skip


def replaced(superseded: pd.DataFrame, rows: int, context: CheckContext) -> pd.DataFrame:
    """Return rows of out_check on sessions that later ones of their car replaced: one for all, one a car.

    superseded: rows of core_session_superseded that the check of `rows` rows brought about.
    """
    pairs = superseded.assign(
        pair=[
            f"{old!r} by {new!r}"
            for old, new in zip(superseded["session_id"], superseded["by_session_id"], strict=True)
        ]
    )
    stated = [(EVERYTHING, pairs), *((str(car), own) for car, own in pairs.groupby("battery_id"))]
    findings = [
        ScopeFinding(
            rule="superseded",
            severity="warning",
            scope=scope,
            rows_checked=max(rows, len(own)),
            rows_failed=len(own),
            message=f"{_REPLACED}: {examples(list(own['pair']))}" if len(own) else "",
        )
        for scope, own in stated
    ]
    return check_rows("sessions", findings, context)


def placeholders(frame: pd.DataFrame, owners: Owners, usable: Mask) -> list[ScopeFinding]:
    """Warn of states of charge of exactly 0, which cars and chargers send where they know none."""
    zero = (frame["arrival_soc"] == 0.0).to_numpy() | (frame["departure_soc"] == 0.0).to_numpy()
    return owners.outcomes(
        "soc_zero", "warning", np.flatnonzero(zero & usable),
        "a state of charge of exactly 0 was taken as given; is it a placeholder for none?",
    )  # fmt: skip


def shares_of_per_cent(frame: pd.DataFrame, owners: Owners, packs: Packs, usable: Mask) -> list[ScopeFinding]:
    """Warn of sessions that begin and end all but empty next to much energy: shares where per cent were
    meant."""
    empty = (frame[["arrival_soc", "departure_soc"]].max(axis=1) < _ALL_BUT_EMPTY).to_numpy()
    metered = frame["energy_kwh"].to_numpy(dtype="float64", na_value=np.nan)
    much = metered > _MUCH * packs.figure("nominal_energy_kwh")
    return owners.outcomes(
        "soc_share", "warning", np.flatnonzero(empty & much & usable),
        "states of charge all but 0 next to much metered energy: are they shares where per cent are meant?",
    )  # fmt: skip


def ids_again(
    frame: pd.DataFrame, owners: Owners, usable: Mask, known: pd.DataFrame | None
) -> list[ScopeFinding]:
    """Warn of ids that were those of another session, over by then: what is reported of an id later replaces
    it.

    known: sessions in the core table under these ids; None for none.
    """
    names = ["session_id", "battery_id", "arrival_utc", "departure_utc", "received_utc"]
    rows = frame.loc[usable, names].assign(position=np.flatnonzero(usable))
    before = rows[names] if known is None else pd.concat([known[names], rows[names]], ignore_index=True)
    both = rows.merge(before, on="session_id", suffixes=("", "_before"))
    apart = (both["arrival_utc"] >= both["departure_utc_before"]) | (
        both["departure_utc"] <= both["arrival_utc_before"]
    )
    other = apart | (both["battery_id"] != both["battery_id_before"])
    was_over = both["departure_utc_before"] <= both["received_utc"]
    again = both[other & was_over & (both["received_utc_before"] < both["received_utc"])]
    again = again.drop_duplicates("position", keep="last")
    shown = [
        f"{one.session_id!r} of {one.battery_id_before} on {one.arrival_utc_before:%Y-%m-%d}"
        for one in again.itertuples()
    ]
    return owners.outcomes(
        "id_again", "warning", again["position"].to_numpy(dtype=np.intp),
        f"the id was that of another session, which no longer counts (are ids given anew?): "
        f"{examples(shown)}",
    )  # fmt: skip


def beyond_reach(frame: pd.DataFrame, owners: Owners, packs: Packs, usable: Mask) -> list[ScopeFinding]:
    """Warn of departures with more charge than the pack may hold or the charger can bring in the time."""
    hours = (frame["departure_utc"] - frame["arrival_utc"]).dt.total_seconds().to_numpy() / 3600.0
    asked = frame["departure_soc"].to_numpy() - frame["arrival_soc"].to_numpy()
    speed = packs.figure("charge_limit_kw") / packs.figure("nominal_energy_kwh")
    above = frame["departure_soc"].to_numpy() > packs.figure("soc_max")
    late = asked > speed * hours + _REACH_TOLERANCE
    return [
        *owners.outcomes(
            "above_soc_max", "warning", np.flatnonzero(above & usable),
            "departure_soc is above soc_max, which the plan does not go beyond",
        ),
        *owners.outcomes(
            "reach", "warning", np.flatnonzero(late & usable),
            "departure_soc is out of reach of the charger in the time of the session",
        ),
    ]  # fmt: skip

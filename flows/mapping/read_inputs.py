"""Read all that a plan depends on, as known, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pandas as pd

from flows.context import Context
from flows.errors import NoPlanError
from flows.mapping.awards import Awards
from flows.mapping.carry import carried
from flows.mapping.contracted import Contracted
from flows.mapping.expected import Expected, expected_stays
from flows.mapping.horizon import Horizon
from flows.mapping.inputs import PlanInputs
from flows.mapping.left_out import in_words, quarantined_sessions, strangers
from flows.mapping.measured import words_of
from flows.mapping.missing import why_missing
from flows.mapping.open_sessions import taken_as_over
from flows.mapping.past import Past
from flows.mapping.plannable import plan_inputs
from flows.mapping.prices import plan_prices
from warehouse.at_once import at_once
from warehouse.known import Known
from warehouse.zones import market_day_bounds

_AHEAD = pd.Timedelta(days=7)
"""So far after its end a plan looks for sessions that are too short for what they are to leave with."""


def read_inputs(context: Context, day: date) -> PlanInputs:
    """Read the inputs of a market day as known; raises NoPlanError that says which is missing.

    Cars that cannot be planned are left out, and named in what is returned.
    """
    known, zone = context.known, context.workspace.zone
    market_day_bounds(day, zone)  # refuses what is no market day, whatever else is missing
    settings = context.workspace.settings
    with at_once(known.warehouse):
        all_sites, all_batteries = known.read("core_site"), known.read("core_battery")
    sites = all_sites[all_sites["zone"] == zone]
    batteries = all_batteries[all_batteries["site_id"].isin(sites["site_id"])]
    if batteries.empty:
        raise NoPlanError(
            f"no plan for {day}: no battery at a site of zone {zone}: "
            f"{_why_none(context, all_batteries, sites)}",
            hint="`v2g ingest sites FILE`, `v2g ingest fleet FILE`, then `v2g check`.",
        )
    fleet, names = batteries, [str(name) for name in batteries["battery_id"]]
    expected: list[Expected] = []

    def departures(horizon: Horizon) -> pd.Series:
        expected.append(expected_stays(known, horizon, names, settings.plan))
        known_rows = known.sessions(horizon.start, horizon.end)
        departs = [
            *known_rows.loc[known_rows["battery_id"].isin(names), "departure_utc"],
            *expected[0].sessions["departure_utc"],
        ]
        return pd.Series(departs, dtype="datetime64[us, UTC]")

    prices = plan_prices(context, day, departures)
    start, end = prices.horizon.start, prices.horizon.end
    # A session announced the wrong way round is seen as well: it must not let its car vanish from the day.
    plugged = known.sessions(start, end)
    others = all_batteries[all_batteries["site_id"].isin(all_sites.loc[all_sites["zone"] != zone, "site_id"])]
    elsewhere = frozenset(others["battery_id"].astype(str))
    likely = expected[0].sessions
    begun = likely[likely["session_id"].isin(list(expected[0].begun))]
    there = pd.concat([plugged, begun.astype(dict(plugged.dtypes))]) if len(begun) else plugged
    quarantined = quarantined_sessions(known, start, end, there, elsewhere)
    contracts = Contracted.by(context.workspace.contracts, known, prices.horizon, names)
    sessions = plugged[plugged["battery_id"].isin(names)]
    # What is known to be wrong is reported, and not guessed anew; what is expected at other times is planned.
    likely = quarantined.apart_from(likely)
    over = taken_as_over(known, start, names)
    stated_of = replace(expected[0], unforeseen=over | dict(expected[0].unforeseen))
    left_out = strangers(plugged, all_batteries, all_sites) | quarantined.announced_instead(likely)
    if len(likely):
        sessions = pd.concat([sessions, likely.astype(dict(sessions.dtypes))], ignore_index=True)
    if sessions.empty:
        raise NoPlanError(
            f"no plan for {day}: no car is plugged in on that day in zone {zone}: "
            f"{why_missing(known, 'sessions', span=(start, end))}{_unless(left_out | over)}",
            hint="`v2g ingest sessions FILE`, then `v2g check`.",
        )
    disputed = sessions["battery_id"].isin(list(contracts.twice))
    left_out |= {name: contracts.twice[name] for name in map(str, sessions["battery_id"][disputed])}
    sessions = sessions[~disputed]
    batteries = batteries[batteries["battery_id"].isin(sessions["battery_id"])]
    inputs = plan_inputs(
        known,
        settings,
        prices,
        batteries,
        sessions,
        sites,
        calibrated=known,
        left_out=left_out,
        contracts=contracts,
        expected=stated_of,
        later=_later_sessions(known, end, sessions),
    )
    if inputs.batteries.empty:
        raise NoPlanError(f"no plan for {day}: no car can be planned{_unless(inputs.left_out)}")
    words = words_of(known, start, inputs.sessions)
    past = Past.of(known, zone, prices.horizon, inputs.capacity_kwh)
    return replace(
        inputs,
        carried=carried(past, start, inputs.sessions, inputs.batteries, inputs.capacity_kwh, words),
        v2g_used_kwh=past.used_kwh,
        awards=Awards.of(known, prices.horizon, fleet),
    )


def _later_sessions(known: Known, end: pd.Timestamp, sessions: pd.DataFrame) -> pd.DataFrame:
    """The sessions of each car that are reported and begin after a plan's end."""
    known_rows = known.sessions(end, end + _AHEAD)
    return known_rows[
        (known_rows["arrival_utc"] >= end) & known_rows["battery_id"].isin(sessions["battery_id"])
    ]


def _why_none(context: Context, batteries: pd.DataFrame, sites: pd.DataFrame) -> str:
    if batteries.empty:
        return why_missing(context.known, "fleet")
    if sites.empty:
        return why_missing(context.known, "sites", where={"zone": [context.workspace.zone]})
    return "all of them are at other sites"


def _unless(left_out: Mapping[str, str]) -> str:
    return f"; left out: {in_words(left_out)}" if left_out else ""

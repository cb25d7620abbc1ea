"""A stored plan as messages of S2: of its cars' sessions, or of a site."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from flows.context import Context
from flows.dispatch.plan_file import PlanFile
from flows.dispatch.planned import plan_file
from flows.dispatch.s2 import Message, NoMessageError, Resource, Socket, messages, of_session, of_site
from flows.errors import UsageError
from flows.mapping.chargers import VOLTAGE_V
from flows.mapping.in_force import Plan, followed_mode
from flows.plain import records
from warehouse.known import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMessages:
    """messages: in order of time and car. left_out: why there are none, by car and session."""

    messages: list[Message]
    left_out: dict[str, str]


def plan_messages(
    context: Context, plan: Plan, now: datetime, *, car: str | None = None, site: str | None = None
) -> PlanMessages:
    """Return the messages of a plan from a moment on, of all sessions, a car's, or a site.

    Sessions that are over by then have none, and are not told of. Raises UsageError for a car or site that
    the plan does not know, NoPlanError as `plan_file`.
    """
    stated = plan_file(context, plan)
    if site is not None:
        try:
            return PlanMessages(messages=messages(_site(context, plan, stated, site, now)), left_out={})
        except NoMessageError as error:
            return PlanMessages(messages=[], left_out={f"site {site}": str(error)})
    if car is not None and car not in {one.battery_id for one in stated.stays}:
        raise UsageError(f"plan {stated.plan_id} has no session of {car!r}")
    found: list[Message] = []
    left_out: dict[str, str] = {}
    plugs = _plugs(Known(context.workspace.warehouse, plan["as_of_utc"]))
    for session in stated.stays:
        if session.end <= now or car not in (None, session.battery_id):
            continue
        try:
            at = plugs.get(str(session.charger_id))
            found += messages(of_session(stated.plan_id, session, at, now))
        except NoMessageError as error:
            left_out[session.name] = str(error)
    return PlanMessages(messages=found, left_out=left_out)


def _plugs(known: Known) -> dict[str, Socket]:
    found = {}
    for row in records(known.read("core_charger")):
        kw_of_ampere = int(row["phases"]) * float(row["voltage_v"] or VOLTAGE_V) / 1000.0
        found[str(row["charger_id"])] = Socket(
            phases=int(row["phases"]), most_kw=float(row["max_current_a"]) * kw_of_ampere,
            feeds_kw=float(row["max_discharge_current_a"] or 0.0) * kw_of_ampere,
        )  # fmt: skip
    return found


def _site(context: Context, plan: Plan, stated: PlanFile, site_id: str, now: datetime) -> Resource:
    known = Known(context.workspace.warehouse, plan["as_of_utc"])
    where = {"plan_id": plan["plan_id"], "mode": followed_mode(plan), "site_id": site_id}
    slots = known.read("out_plan_site_slot", where=where).sort_values("interval_start_utc")
    own = next((one for one in stated.sites if one.site_id == site_id), None)
    if own is None or slots.empty:
        raise UsageError(f"plan {stated.plan_id} has no site {site_id!r}")
    net = (slots["power_kw"] + slots["base_load_kw"].fillna(0.0)).to_numpy(dtype=np.float64)
    first = slots["interval_start_utc"].iloc[0].to_pydatetime()
    return of_site(stated.plan_id, site_id, (own.import_limit_kw, own.export_limit_kw), first, net, now)

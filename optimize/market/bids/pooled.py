"""The day that bids are made for: net benefit alone, one place above all sites, no session carrying on."""

from __future__ import annotations

import math
from dataclasses import replace

from optimize.types import DayProblem, Site

_ABOVE_ALL = "all sites"


def pooled(problem: DayProblem) -> tuple[DayProblem, str]:
    """The day, and the site that every car hangs on; without limits of its own where it was put there.

    Reserve is not known next to sessions that carry on: each comes with the charge that is said of it.
    """
    sessions = tuple(
        replace(session, carries=False)
        for session in problem.sessions
        if session.arrival_utc < problem.end_utc
    )
    day = replace(problem, sessions=sessions, objective="net_benefit", peak_slots=())
    roots = [site.site_id for site in problem.sites if site.parent_id is None]
    if len(roots) == 1:
        return day, roots[0]
    above = Site(site_id=_ABOVE_ALL, import_limit_kw=math.inf, export_limit_kw=math.inf)
    sites = [site if site.parent_id else replace(site, parent_id=_ABOVE_ALL) for site in problem.sites]
    return replace(day, sites=(*sites, above)), _ABOVE_ALL

"""The sites of a plan: where its cars plug in, and all that those hang on."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd


def sites_of(batteries: pd.DataFrame, sessions: pd.DataFrame, sites: pd.DataFrame) -> pd.DataFrame:
    """The sites where cars plug in, at home or at the charger of a session, and all that those hang on."""
    parents = _parents(sites)
    plugs = {*batteries["site_id"].astype(str), *sessions["plug_site_id"].dropna().astype(str)}
    wanted = plugs | {above for site in plugs for above in _above(site, parents)}
    return sites[sites["site_id"].isin(wanted)]


def broken_sites(sites: pd.DataFrame) -> dict[str, str]:
    """Sites that cannot be planned, and why: they hang on one that is not known, in a ring, or two meters.

    sites: all rows of core_site of a zone.
    """
    parents = _parents(sites)
    behind_one_meter = set(sites.loc[sites["metering"] == "site", "site_id"].astype(str))
    found = {}
    for site in parents:
        why = _fault(site, parents, behind_one_meter)
        if why:
            found[site] = why
    return found


def billed_sites(sites: pd.DataFrame) -> frozenset[str]:
    """Sites that have a bill of their own: those behind one meter, else the topmost of their tree."""
    parents = _parents(sites)
    metered = set(sites.loc[sites["metering"] == "site", "site_id"].astype(str))
    above = {parent for site in metered for parent in _above(site, parents)}
    roots = {site for site, parent in parents.items() if parent is None}
    return frozenset(metered | (roots - above))


def sites_below(site: str, sites: pd.DataFrame) -> frozenset[str]:
    """A site and all that hang on it, however far below."""
    parents = _parents(sites)
    return frozenset({site} | {one for one in parents if site in _above(one, parents)})


def _above(site: str, parents: Mapping[str, str | None]) -> list[str]:
    """What a site hangs on, the nearest first, each once."""
    found: list[str] = []
    above = parents.get(site)
    while above is not None and above not in (site, *found):
        found.append(above)
        above = parents.get(above)
    return found


def misplaced(batteries: pd.DataFrame, sessions: pd.DataFrame, sites: pd.DataFrame) -> dict[str, str]:
    """Cars that plug in where nothing can be planned, and why; sites: all rows of core_site of a zone."""
    broken, known_sites = broken_sites(sites), set(sites["site_id"].astype(str))
    found = {}
    plugs = pd.concat(
        [
            batteries[["battery_id", "site_id"]],
            sessions[["battery_id", "plug_site_id"]].dropna().rename(columns={"plug_site_id": "site_id"}),
        ]
    )
    for battery, site in zip(plugs["battery_id"].astype(str), plugs["site_id"].astype(str), strict=True):
        if site not in known_sites:
            found[battery] = f"its charger's site {site!r} is not known in this zone"
        elif site in broken:
            found[battery] = broken[site]
    return found


def _fault(site: str, parents: Mapping[str, str | None], behind_one_meter: Collection[str]) -> str:
    chain = [site, *_above(site, parents)]
    if chain[-1] not in parents:
        return f"site {chain[-2]!r} hangs on {chain[-1]!r}, which is not known in this zone"
    again = parents[chain[-1]]
    if again is not None:
        return f"sites {', '.join(map(repr, [*chain, again]))} hang on each other in a ring"
    meters = [one for one in chain if one in behind_one_meter]
    return f"site {meters[0]!r} has a meter behind that of site {meters[1]!r}" if len(meters) > 1 else ""


def _parents(sites: pd.DataFrame) -> dict[str, str | None]:
    """What each site hangs on, None for nothing."""
    return {
        str(site): None if pd.isna(parent) else str(parent)
        for site, parent in zip(sites["site_id"], sites["parent_id"], strict=True)
    }

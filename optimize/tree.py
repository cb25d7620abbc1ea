"""The sites as a tree: what hangs below each and what its limits leave to the cars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimize.types import DayProblem, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteTree:
    """paths: for each site its own number and those of the sites above it, upwards.

    base_kw, import_kw, export_kw [S, T], metered: uncontrolled load of the subtree; what the limits leave to
    its cars together, ≥ 0.
    """

    paths: tuple[tuple[int, ...], ...]
    base_kw: FloatArray
    import_kw: FloatArray
    export_kw: FloatArray

    def total_kw(self, own_kw: FloatArray) -> FloatArray:
        """Sums over subtrees [S, T] of what each site has directly [S, T]."""
        total: FloatArray = np.zeros_like(own_kw)
        for own, path in zip(own_kw, self.paths, strict=True):
            for j in path:
                total[j] += own
        return total


def site_tree(problem: DayProblem) -> SiteTree:
    """The tree of a problem's sites."""
    number = {site.site_id: j for j, site in enumerate(problem.sites)}
    paths = []
    for site in problem.sites:
        path = [number[site.site_id]]
        while (parent := problem.sites[path[-1]].parent_id) is not None:
            path.append(number[parent])
        paths.append(tuple(path))
    shape = (len(problem.sites), len(problem.slots))
    base: FloatArray = np.zeros(shape)
    for site, way in zip(problem.sites, paths, strict=True):
        if site.base_load_kw is not None:
            for j in way:
                base[j] += site.base_load_kw
    intake = np.array([site.import_limit_kw for site in problem.sites]).reshape(-1, 1)
    feed_in = np.array([site.export_limit_kw for site in problem.sites]).reshape(-1, 1)
    return SiteTree(
        paths=tuple(paths),
        base_kw=base,
        import_kw=np.maximum(intake - base, 0.0),
        export_kw=np.maximum(feed_in + base, 0.0),
    )

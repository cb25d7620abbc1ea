"""What further data would tell of a life and of wear, before they are had: by the ensemble's own draws.

Each structure's draw says what it would have a check-up show, how long the battery lives, and what cycling
takes of it. The draws that would show alike tell what is left of the doubt once a check-up is observed; of
that the mean is taken over all that may be seen (preposterior analysis: Raiffa and Schlaifer, Applied
Statistical Decision Theory, 1961). Nothing is assumed of structures but what they say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from twin.ensemble.mixture import Draws, capacity_at
from twin.ensemble.siblings import CELL_SD
from twin.health import Array
from twin.law import fit_beta

SEASON_DAYS, HALF_YEAR_DAYS = 91.0, 182.6
_EITHER = 5  # siblings on either side
_LEAST_CALENDAR = 0.02
WOULD_TELL = {
    "checkup": "a check-up now",
    "ordinary": "two check-ups, now and in half a year of ordinary days",
    "rest": "two check-ups, now and after three months of rest",
    "v2g": "two check-ups, now and after three months of the most V2G that was simulated",
    "siblings": f"{_EITHER} siblings that hardly drive and {_EITHER} that drive twice as far, with check-ups",
}
_DRAWS = 400
_LEAST = 1e-4


def doubt_left(
    drawn: Sequence[Draws], weights: Array, x: Array, checkup_sd: float
) -> dict[str, tuple[float, float]]:
    """By name of `WOULD_TELL`: standard deviations of ln L0 and of ln β once it is had, over those of today.

    ``weights``: of the structures; ``x``: V2G [efc/d] of the columns of ``log_ratio``; ``checkup_sd``: of a
    check-up's capacity over nominal.
    """
    weight = np.concatenate(
        [np.full(len(one.l0), w / len(one.l0)) for one, w in zip(drawn, weights, strict=True)]
    )
    own = _alike(weight)
    path, calendar, ratio, l0 = (
        np.concatenate([getattr(one, name) for one in drawn])[own]
        for name in ("path", "calendar", "log_ratio", "l0")
    )
    season, half = (capacity_at(path, at) for at in (SEASON_DAYS, HALF_YEAR_DAYS))
    now, lost = path[:, 0], path[:, 0] - season
    # What those that drive twice as far lose, over what those that rest do. Each cell differs from the next,
    # and so does this one from them.
    rest = np.clip(calendar, _LEAST_CALENDAR, 1.0)
    contrast, apart = np.log((2 - rest) / rest), CELL_SD * float(np.sqrt(1 + 2 / _EITHER))
    shown: dict[str, tuple[Sequence[Array], float]] = {
        "checkup": ([now], checkup_sd),
        "ordinary": ([now, half], checkup_sd),
        "rest": ([now, now - calendar * lost], checkup_sd),
        "v2g": ([now, now - np.exp(-ratio[:, np.argmax(x)]) * lost], checkup_sd),
        "siblings": ([contrast], apart),
    }
    wanted = np.log(np.column_stack([l0, np.maximum(fit_beta(x, ratio), _LEAST)]))
    fields = {}
    for name, (observed, sd) in shown.items():
        left = _left(np.column_stack(observed) / sd, wanted)
        fields[name] = (float(left[0]), float(left[1]))
    return fields


def _alike(weight: Array) -> npt.NDArray[np.intp]:
    """Indices of draws of equal weight: evenly along the ladder of the weights."""
    ladder = np.cumsum(weight) / weight.sum()
    return np.asarray(np.searchsorted(ladder, (np.arange(_DRAWS) + 0.5) / _DRAWS).clip(0, len(weight) - 1))


def _left(observed: Array, wanted: Array) -> Array:
    """Root of the mean variance of each column of ``wanted`` once it is ``observed``, over that of today.

    ``observed``: in standard deviations of what is measured; a draw's own outcome is judged by the others.
    """
    today = wanted.var(axis=0)
    noise = np.random.default_rng(5).normal(size=observed.shape)
    apart = ((observed + noise)[:, None, :] - observed[None, :, :]) ** 2
    log_likelihood = -0.5 * apart.sum(axis=-1)
    np.fill_diagonal(log_likelihood, -np.inf)
    weight = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    mean = weight @ wanted
    variance = np.maximum(weight @ wanted**2 - mean**2, 0.0).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(today > 0, np.sqrt(np.minimum(variance / today, 1.0)), 1.0)

"""All structures together: what each says of a battery's life and wear, and what the mixture says.

Weights are prior times how well each structure foretold the later half of the check-ups, of the battery's own
and of its siblings'. Intervals are those of the mixture, so they hold what no single structure can show: how
much of the loss is rest and how much cycling, and whether a knee lies ahead. Check-ups of one duty do not
tell the two apart, whatever a fit of one structure says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from twin.chemistry import CHEMISTRIES
from twin.duty import Profile, StandardDuty
from twin.ensemble.curves import curves
from twin.ensemble.fit import Observed, StructureFit, fit_structure
from twin.ensemble.growth import UNIT_DAYS, LawStructure, Lived, Structure
from twin.ensemble.laws import LAWS, Law
from twin.ensemble.price import multiples
from twin.ensemble.quantiles import quantiles
from twin.ensemble.siblings import NO_SIBLINGS, SIZE_SD, Beliefs, StructureBelief
from twin.ensemble.stress import Stress, stress_of
from twin.health import Array
from twin.law import fit_alpha, fit_beta
from twin.life import HORIZON_DAYS, days_until
from twin.prior import discrepancy_growth

PHYSICS = "pybamm"
_PRIOR = {"physics": 0.2, "laws": 0.45, "curves": 0.35}
_OTHER_FAMILY = 0.5  # of the weight of a law of the battery's own cathode
_CURVES = 6
_EVERY = 2  # draws of a posterior that live their lives: there are many structures
_FLOOR = 0.004  # of capacity, over a forecast as long as the life so far
_WEAR_SD = 0.3  # ln of the added wear, by what no law holds
_CYCLING_LEFT = 0.25  # of what cycling adds, the least that a V2G day adds
_KNEE = (0.05, 0.6)  # probability of one ahead at a wallbox, and what fast charging adds
# Onset and strength as `twin.prior` has them of PyBaMM's own.
_KNEE_FADE, _KNEE_GAIN = (float(np.log(0.15)), 0.45), (float(np.log(4.0)), 0.7)
_REST_STEP = 0.05  # of SoC, to either side
_MOST, _LEAST_LOGIT_SD = (
    4.0,
    1.0,
)  # logit of a calendar share: how far it counts, how well it is known at best
_ANY_SIZE = 0.09  # of five years' loss, where no law is known
_FLOOR_LIVES = 4.0  # times the life so far, after which the floor grows no more
_FIRST_DAY, _GRID_DAYS = 4.0, 42
YEAR_DAYS = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """One structure's answer: draws, one a row, of L0 [d], ln(L/L0) by V2G day, life of a new battery [d],
    change of 1/L with the SoC of rest [1/d], calendar share, capacity over nominal by day of the grid; its
    ``score`` and ``share`` (`twin.ensemble.growth.Structure`)."""

    name: str
    l0: Array
    log_ratio: Array
    when_new: Array
    rest_slope: Array
    calendar: Array
    path: Array
    score: float | None
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """One structure's capacity over nominal at some days: draws, one a row; the rest as of `Draws`."""

    name: str
    path: Array
    score: float | None
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What one structure says alone: medians, and its weight in the whole."""

    name: str
    weight: float
    score: float | None
    l0_days: float
    alpha_day_per_efc: float
    beta_day_per_efc: float
    calendar_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Capacity over nominal by day from now: 5 %, 50 % and 95 % of the mixture.

    Read the other way it is when capacity falls to a level: the same curves.
    """

    days: Array
    low: Array
    median: Array
    high: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """The mixture's figures, each as 5 %, 50 % and 95 % quantile, and who made it.

    ``price``: by kind the `twin.ensemble.price.multiples` of the price that the medians make; ``year_loss``:
    capacity over nominal lost in the year from now, of each draw against its own capacity today, so that the
    doubt about today's is none of it.
    """

    members: tuple[Member, ...]
    l0: tuple[float, float, float]
    alpha: tuple[float, float, float]
    beta: tuple[float, float, float]
    log_ratio: Array
    remaining: float
    rest_slope: float
    calendar: tuple[float, float, float]
    band: Band
    price: Mapping[str, tuple[float, ...]]
    year_loss: tuple[float, float, float]


def grid_days() -> Array:
    """Days of the paths: 0, then evenly in their logarithm; capacity is nearly straight in √t between two."""
    return np.concatenate([[0.0], np.geomspace(_FIRST_DAY, HORIZON_DAYS, _GRID_DAYS)])


def capacity_at(path: Array, at: float) -> Array:
    """Capacity over nominal of each draw [draws, `grid_days`] a number of days from now."""
    days = grid_days()
    return np.array([np.interp(at, days, row) for row in path])


def v2g_days(duty: StandardDuty, dod: Array, cycles: Array, soh: float) -> list[Profile]:
    """The ordinary day, then those with V2G."""
    made = [duty.profile()]
    for depth, count in zip(dod, cycles, strict=True):
        made.append(duty.profile(v2g_ah_share=float(depth) * soh, cycles=int(count)))
    return made


def structures(
    past: Stress, age_days: float, beliefs: Beliefs = NO_SIBLINGS, laws: Mapping[str, Law] | None = None
) -> list[Structure]:
    """Laws and curves as they are believed on the lived duty of ``past``."""
    known = LAWS if laws is None else laws
    stated = [LawStructure.of(name, law, past, beliefs.of(name)) for name, law in known.items()]
    return [*stated, *curves(age_days, _size(stated), _calendar_logit(stated))]


def _size(stated: Sequence[LawStructure]) -> tuple[float, float]:
    """What laws say of the loss in all: mean and sd of its logarithm, with that of cells about a law."""
    logs = np.log([float(np.exp(one.mean[1:3]).sum()) for one in stated] or [_ANY_SIZE])
    return float(logs.mean()), float(np.hypot(logs.std(), SIZE_SD))


def _calendar_logit(stated: Sequence[LawStructure]) -> tuple[float, float]:
    """What laws say of the share of rest: mean and sd of its logit, each by what siblings say of it."""
    if not stated:
        return 1.0, _LEAST_LOGIT_SD
    logits = np.clip([one.mean[1] - one.mean[2] for one in stated], -_MOST, _MOST)
    log_weight = np.array([one.belief.log_weight for one in stated])
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = float(weight @ logits)
    # Laws that siblings say nothing of differ from one another by as much as any may be off.
    within = np.array([_difference_sd(one.belief) for one in stated])
    own = _LEAST_LOGIT_SD * np.minimum(within / _difference_sd(StructureBelief()), 1.0)
    variance = max(float(weight @ (logits - mean) ** 2), float(weight @ own**2))
    return mean, float(np.sqrt(variance))


def _difference_sd(belief: StructureBelief) -> float:
    (rest, mixed), (_, cycled) = belief.covariance
    return float(np.sqrt(max(rest + cycled - 2 * mixed, 0.0)))


def fit_all(
    past: Stress,
    observed: Observed,
    checkups: int,
    beliefs: Beliefs = NO_SIBLINGS,
    laws: Mapping[str, Law] | None = None,
) -> list[StructureFit]:
    """Every structure's posterior; the first ``checkups`` of ``observed`` are such."""
    known = structures(past, observed.last_days, beliefs, laws)
    return [fit_structure(one, observed, checkups) for one in known]


def answers(
    fits: Sequence[StructureFit],
    past: Stress,
    profiles: Sequence[Profile],
    duty: StandardDuty,
    *,
    age_days: float,
    end_soh: float,
    fast: float,
    discrepancy: float,
) -> list[Draws]:
    """What laws and curves say of the lives to come.

    ``fast``: how much of a knee the charging brings; ``discrepancy``: of the fade to come, relative, by how
    forecasts of siblings fared (`twin.prior`).
    """
    low, high = (replace(duty, target_soc=soc).profile() for soc in _rests(duty))
    lived = Lived(past=past, days=[stress_of(one) for one in (*profiles, low, high)])
    width = _rests(duty)[1] - _rests(duty)[0]
    rng, grid = np.random.default_rng(17), grid_days()
    made = []
    for fit in fits:
        structure, theta = fit.structure, fit.sample[::_EVERY]
        pace = structure.pace(theta, lived)
        now = np.full((len(theta), pace.shape[1]), age_days / UNIT_DAYS)
        knee = _knee(rng, len(theta), fast)
        stray = rng.normal(0.0, discrepancy, len(theta)), rng.normal(0.0, _FLOOR, len(theta))
        path = _paths(structure, theta, now, pace, knee, stray, grid)
        lives = days_until(grid, np.moveaxis(path, -1, 0), end_soh)
        fresh = _paths(structure, theta, 0 * now, pace[..., :1], knee, stray, grid)
        whole = days_until(grid, np.moveaxis(fresh, -1, 0), end_soh)[:, 0]
        l0 = np.maximum(lives[:, 0], 1.0)
        count = len(profiles)
        wear = np.exp(rng.normal(0.0, _WEAR_SD, (len(theta), 1)))
        slope = (1 / np.maximum(lives[:, count + 1], 1.0) - 1 / np.maximum(lives[:, count], 1.0)) / width
        later = now + pace[..., 0] * l0[:, None] / UNIT_DAYS
        calendar = structure.calendar(theta, now, later)
        # A day with V2G may rest at less charge. That is priced by itself, and not to make cycling free.
        cycled = structure.cycled(theta, lived)[:, 1:count] - 1
        least = _CYCLING_LEFT * (1 - calendar[:, None]) * np.maximum(cycled, 0.0)
        added = np.maximum(l0[:, None] / np.maximum(lives[:, 1:count], 0.1) - 1, least)
        made.append(
            Draws(
                name=structure.name,
                l0=l0,
                log_ratio=-np.log1p(added * wear),
                when_new=np.maximum(whole, l0),
                rest_slope=slope,
                calendar=calendar,
                path=path[:, 0],
                score=fit.score,
                share=structure.share,
            )
        )
    return made


def foretell(
    fits: Sequence[StructureFit],
    past: Stress,
    days: Array,
    *,
    age_days: float,
    fast: float,
    discrepancy: float,
) -> list[Foretold]:
    """Capacity ``days`` ahead [d, ascending] if every day is as those so far; arguments as of `answers`."""
    rng, noted = np.random.default_rng(17), []
    for fit in fits:
        count = len(fit.sample)
        pace = fit.structure.pace(fit.sample, Lived(past=past, days=[past]))
        now = np.full((count, pace.shape[1]), age_days / UNIT_DAYS)
        knee = _knee(rng, count, fast)
        stray = rng.normal(0.0, discrepancy, count), rng.normal(0.0, _FLOOR, count)
        path = _paths(fit.structure, fit.sample, now, pace, knee, stray, np.append(0.0, days))
        noted.append(
            Foretold(name=fit.structure.name, path=path[:, 0, 1:], score=fit.score, share=fit.structure.share)
        )
    return noted


def mix(
    chemistry: str,
    drawn: Sequence[Draws],
    x: Array,
    beliefs: Beliefs = NO_SIBLINGS,
) -> Ensemble:
    """The mixture of ``drawn``; ``x``: V2G [efc/d] of the columns of ``log_ratio``."""
    weights = weigh(chemistry, drawn, beliefs)
    each = np.concatenate(
        [np.full(len(one.l0), w / len(one.l0)) for one, w in zip(drawn, weights, strict=True)]
    )

    def whole(name: str) -> Array:
        return np.concatenate([getattr(one, name) for one in drawn])

    def report(values: Array) -> tuple[float, float, float]:
        low, middle, high = (float(v) for v in quantiles(values, each))
        return low, middle, high

    ratio = whole("log_ratio")
    alphas, betas = fit_alpha(x, ratio), fit_beta(x, ratio)
    days = grid_days()
    path = whole("path")
    band = np.array([quantiles(column, each) for column in path.T]).T
    # A battery does not mend: floors of the band must not make it seem to.
    band = np.minimum.accumulate(band, axis=1)
    starts = np.cumsum([0, *(len(one.l0) for one in drawn)])
    l0, alpha, beta = report(whole("l0")), report(alphas), report(betas)
    remaining = report(whole("l0") / whole("when_new"))[1]
    rest_slope = max(0.0, report(whole("rest_slope"))[1])
    new = whole("when_new")
    priced = {
        "law": (alphas / new, alpha[1] * remaining / l0[1]),
        "rate": (betas / new, beta[1] * remaining / l0[1]),
        "rest": (whole("l0") / new * whole("rest_slope"), remaining * rest_slope),
    }
    spread = {of: multiples(values, each, published) for of, (values, published) in priced.items()}
    return Ensemble(
        members=tuple(
            Member(
                name=one.name,
                weight=float(w),
                score=one.score,
                l0_days=float(np.median(one.l0)),
                alpha_day_per_efc=float(np.median(alphas[begin:end])),
                beta_day_per_efc=float(np.median(betas[begin:end])),
                calendar_share=float(np.median(one.calendar)),
            )
            for one, w, begin, end in zip(drawn, weights, starts, starts[1:], strict=False)
        ),
        l0=l0,
        alpha=alpha,
        beta=beta,
        log_ratio=np.array([report(column)[1] for column in ratio.T]),
        remaining=remaining,
        rest_slope=rest_slope,
        calendar=report(whole("calendar")),
        band=Band(days=days, low=band[0], median=band[1], high=band[2]),
        price={of: one for of, one in spread.items() if one is not None},
        year_loss=report(np.maximum(path[:, 0] - capacity_at(path, YEAR_DAYS), 0.0)),
    )


def weigh(chemistry: str, drawn: Sequence[Draws | Foretold], beliefs: Beliefs = NO_SIBLINGS) -> Array:
    """Weights that add up to 1."""
    prior = np.array([one.share * _prior(chemistry, one.name) for one in drawn])
    score = np.array([0.0 if one.score is None else one.score for one in drawn])
    score += [beliefs.of(one.name).log_weight for one in drawn]
    weight = prior * np.exp(score - score.max())
    return np.asarray(weight / weight.sum())


def _prior(chemistry: str, name: str) -> float:
    if name == PHYSICS:
        return _PRIOR["physics"]
    if name not in LAWS:
        return _PRIOR["curves"] / _CURVES
    own = CHEMISTRIES[chemistry].family
    share = [1.0 if law.family == own else _OTHER_FAMILY for law in LAWS.values()]
    return _PRIOR["laws"] * (1.0 if LAWS[name].family == own else _OTHER_FAMILY) / sum(share)


def _rests(duty: StandardDuty) -> tuple[float, float]:
    high = min(1.0, duty.target_soc + _REST_STEP)
    return max(high - 2 * _REST_STEP, duty.trip_efc + 1e-6), high


def _knee(rng: np.random.Generator, count: int, fast: float) -> tuple[Array, Array]:
    """Fade at which one sets in (never where there is none), and how many times faster fade is then."""
    onset = np.exp(rng.normal(*_KNEE_FADE, count))
    none = rng.random(count) > _KNEE[0] + _KNEE[1] * fast
    return np.where(none, np.inf, onset), np.exp(rng.normal(*_KNEE_GAIN, count))


def _paths(
    structure: Structure,
    theta: Array,
    now: Array,
    pace: Array,
    knee: tuple[Array, Array],
    stray: tuple[Array, Array],
    days: Array,
) -> Array:
    """Capacity by row, kind of day and day, the first of ``days`` being now."""
    u = now[:, :, None, None] + pace[..., None] * days / UNIT_DAYS
    loss = structure.loss(theta, u)
    begin = loss[:, :1, :1]
    ahead = loss - begin
    off, floor = (one[:, None, None] for one in stray)
    ahead = ahead * np.maximum(1 + off * discrepancy_growth(begin, ahead), 0.05)
    onset = np.maximum(knee[0][:, None, None], begin + 0.01) - begin
    ahead = ahead + np.where(ahead > onset, (knee[1][:, None, None] - 1) * (ahead - onset), 0.0)
    age = max(float(now.max()) * UNIT_DAYS, 365.25)
    return np.asarray(
        theta[:, :1, None] - begin - ahead + floor * np.sqrt(np.minimum(days / age, _FLOOR_LIVES))
    )

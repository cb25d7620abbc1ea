"""Random days dressed with any of the formulation's features, for whoever plans only some of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count, pairwise
from typing import Any

import numpy as np
import pandas as pd

from optimize.types import (
    OBJECTIVES,
    Car,
    DayProblem,
    LinearConstraint,
    ReserveBlock,
    Session,
    Site,
    Taper,
)
from tests.optimize.fleets import random_day

FEATURES = (
    "taper",
    "charger",
    "minimum",
    "rest",
    "contract",
    "tree",
    "base",
    "peak",
    "meter",
    "reserve",
    "bid_minimum",
    "co2",
    "follow",
    "objective",
    "horizon",
    "carry",
    "own",
)
"""What `mixed_day` can add to a random day."""


def drawn_days(
    always: str, others: Sequence[str], share: float, salt: int
) -> Iterator[tuple[int, DayProblem]]:
    """Yield seeds and days of a few cars with one feature, and each of the others at a chance; endless."""
    for seed in count():
        rng = np.random.default_rng([seed, salt])
        features = [always, *(feature for feature in others if rng.random() < share)]
        cars, slots = int(rng.integers(1, 5)), int(rng.integers(6, 17))
        hard = bool(seed % 2)
        yield seed, mixed_day(seed, features=features, cars=cars, slots=slots, hours=1.0, hard=hard)


def mixed_day(
    seed: int,
    *,
    features: Iterable[str] = FEATURES,
    cars: int | None = None,
    slots: int | None = None,
    hours: float = 0.25,
    hard: bool = True,
) -> DayProblem:
    """A random day dressed with the features asked for; each is drawn alike whatever else is asked for."""
    problem = random_day(seed, cars=cars, slots=slots, hours=hours, hard=hard)
    for number, feature in enumerate(FEATURES):
        if feature in features:
            problem = _DRESS[feature](problem, np.random.default_rng([seed, number]))
    return problem


def _with_cars(problem: DayProblem, changes: Callable[[Car], dict[str, Any]]) -> DayProblem:
    return replace(problem, cars=tuple(replace(one, **changes(one)) for one in problem.cars))


def _taper(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    def changes(_: Car) -> dict[str, Any]:
        taper = Taper(
            from_soc=float(rng.choice([0.5, 0.7, 0.8])), full_share=float(rng.choice([0.0, 0.2, 0.5]))
        )
        return {"charge_taper": taper if rng.random() < 0.7 else None}

    return _with_cars(problem, changes)


def _minimum(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    return _with_cars(
        problem,
        lambda one: {
            "min_charge_kw": one.charge_limit_kw * float(rng.choice([0.0, 0.2, 0.4])),
            "min_discharge_kw": one.discharge_limit_kw * float(rng.choice([0.0, 0.3])),
        },
    )


def _rest(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    return _with_cars(problem, lambda _: {"rest_price_eur_per_kwh_h": float(rng.choice([0.0, 2e-4, 2e-3]))})


def _contract(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    problem = _with_cars(
        problem, lambda _: {"v2g_limit_kwh": float(rng.choice([0.0, 3.0, 10.0, np.inf, np.inf]))}
    )
    bounds = [(None, None), (0.3, 0.6), (0.5, 0.85), (0.8, None)]
    least = {car.battery_id: car.soc_min for car in problem.cars}
    sessions = tuple(
        _between(s, *bounds[int(rng.integers(4))], least[s.battery_id]) for s in problem.sessions
    )
    return replace(problem, sessions=sessions)


def _between(session: Session, low: float | None, high: float | None, least: float) -> Session:
    """A session with bounds of its own, the upper one unless its car may not hold less."""
    return replace(session, min_soc=low, max_soc=None if high is not None and high < least else high)


def _charger(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    def changes() -> dict[str, Any]:
        drawn = {
            "charge_limit_kw": float(rng.choice([3.7, 7.4, 50.0])),
            "discharge_limit_kw": float(rng.choice([0.0, 5.0, 10.0])),
            "efficiency_charge": float(rng.choice([0.8, 0.95])),
            "efficiency_discharge": float(rng.choice([0.8, 0.95])),
            "site_id": str(rng.choice([site.site_id for site in problem.sites])),
        }
        return {name: value for name, value in drawn.items() if rng.random() < 0.5}

    return replace(problem, sessions=tuple(replace(s, **changes()) for s in problem.sessions))


def _tree(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    above = Site(
        site_id="feeder",
        import_limit_kw=float(rng.choice([5.0, 12.0, 30.0])),
        export_limit_kw=float(rng.choice([0.0, 8.0, np.inf])),
    )
    first, second = problem.sites
    first = replace(first, parent_id="feeder")
    second = replace(second, parent_id=str(rng.choice(["feeder", first.site_id])))
    return replace(problem, sites=(first, second, above))


def _base(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    count = len(problem.slots)
    sun = np.maximum(0.0, np.sin(np.linspace(-np.pi / 2, 3 * np.pi / 2, count)))

    def load() -> np.ndarray | None:
        drawn = rng.choice([2.0, 8.0, 25.0]) * (1.0 + 0.3 * rng.normal(size=count))
        made = rng.choice([0.0, 10.0, 40.0]) * sun
        return drawn - made if rng.random() < 0.7 else None

    return replace(problem, sites=tuple(replace(site, base_load_kw=load()) for site in problem.sites))


def _peak(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    return replace(
        problem,
        sites=tuple(
            replace(
                site,
                peak_price_eur_per_kw=float(rng.choice([0.0, 0.1, 2.0])),
                peak_so_far_kw=float(rng.choice([0.0, 6.0])),
            )
            for site in problem.sites
        ),
    )


def _meter(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    """One meter that nothing else lies behind: at the top, or at the first leaf."""
    parents = {site.parent_id for site in problem.sites}
    roots = [site.site_id for site in problem.sites if site.parent_id is None]
    leaves = [site.site_id for site in problem.sites if site.site_id not in parents]
    chosen = str(rng.choice([roots[-1], leaves[0]]))
    sites = [replace(s, metering="site") if s.site_id == chosen else s for s in problem.sites]
    return replace(problem, sites=tuple(sites))


def _reserve(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    count, places = len(problem.slots), [site.site_id for site in problem.sites]
    blocks = []
    for product, direction in (("FCR", "symmetric"), ("aFRR+", "up"), ("aFRR-", "down")):
        place = str(rng.choice(places))
        edges = sorted({0, count, int(rng.integers(0, count + 1))})
        for first, end in pairwise(edges):
            if rng.random() < 0.8:
                block = ReserveBlock(
                    product_id=product,
                    direction=direction,  # type: ignore[arg-type]
                    site_id=place,
                    first_slot=first,
                    end_slot=end,
                    price_eur_per_kw_h=float(rng.choice([-0.001, 0.004, 0.02, 0.1])),
                    sustain_hours=float(rng.choice([0.0, 0.25, 1.0])),
                    activation_share=float(rng.choice([0.0, 0.05, 0.3])),
                    max_kw=float(rng.choice([3.0, np.inf])),
                )
                blocks.append(block)
    return replace(problem, reserves=tuple(blocks))


def _bid_minimum(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    blocks = [replace(block, min_kw=float(rng.choice([0.0, 1.0, 3.0]))) for block in problem.reserves]
    return replace(problem, reserves=tuple(blocks))


def _co2(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    return replace(
        problem,
        co2_kg_per_kwh=rng.uniform(0.05, 0.7, len(problem.slots)),
        co2_price_eur_per_kg=float(rng.choice([0.0, 0.08, 0.3])),
    )


def _follow(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    previous = rng.uniform(-8.0, 8.0, (len(problem.cars), len(problem.slots)))
    previous[rng.random(previous.shape) < 0.3] = np.nan
    return replace(
        problem, previous_kw=previous, change_price_eur_per_kwh=float(rng.choice([0.0, 0.01, 0.2]))
    )


def _objective(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    count = len(problem.slots)
    slots = sorted(rng.choice(count, size=max(1, count // 4), replace=False).tolist())
    return replace(problem, objective=OBJECTIVES[int(rng.integers(4))], peak_slots=tuple(slots))


def _horizon(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    """More or less than a day: laws of each day, slots without feeding in, own worth of what is left."""
    count = len(problem.slots)
    starts = sorted({0, *rng.integers(0, count, size=int(rng.integers(0, 3))).tolist()})
    worth = [float(rng.choice([-0.05, 0.0, 0.15, 0.5])) for _ in problem.sessions]
    holes = np.random.default_rng([count, *starts])
    problem = _with_cars(problem, lambda _: {"v2g_used_kwh": float(rng.choice([0.0, 1.0, 50.0]))})
    return replace(
        problem,
        duty_days=float(rng.choice([0.3, 1.5, 2.0])),
        day_starts=tuple(starts),
        may_discharge=(np.arange(count) < int(rng.integers(0, count + 1))) & (holes.random(count) > 0.15),
        sessions=tuple(
            replace(session, value_eur_per_kwh=value) if rng.random() < 0.7 else session
            for session, value in zip(problem.sessions, worth, strict=True)
        ),
    )


def _carry(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    """Stays that come with what the one before left above its target; with reserves there are none."""
    if problem.reserves:
        return problem
    brief = pd.Timedelta(hours=0.4 * problem.slot_hours)
    problem = replace(  # some hold no whole slot: what comes with them goes on with the next
        problem,
        sessions=tuple(
            replace(s, departure_utc=s.arrival_utc + brief)
            if rng.random() < 0.25 and problem.slots[0] <= s.arrival_utc < s.departure_utc - brief
            else s
            for s in problem.sessions
        ),
    )
    of_car: dict[str, list[Session]] = {}
    for session in sorted(problem.sessions, key=lambda session: session.arrival_utc):
        of_car.setdefault(session.battery_id, []).append(session)
    after = _after(problem, [sessions[-1] for sessions in of_car.values()])
    for session in after:
        of_car[session.battery_id].append(session)
    carrying = {session.session_id for session in after}
    changed: dict[str, Session] = {}
    for sessions in of_car.values():
        value = sessions[-1].value_eur_per_kwh
        for before, session in pairwise(sessions):
            if session.session_id in carrying or rng.random() < 0.8:
                carrying.add(session.session_id)
                least = min(session.arrival_soc, before.departure_soc)
                changed[session.session_id] = replace(session, arrival_soc=least)
        for session in sessions if {one.session_id for one in sessions} & carrying else ():
            changed[session.session_id] = replace(
                changed.get(session.session_id, session), value_eur_per_kwh=value
            )
    problem = replace(problem, sessions=tuple(changed.get(s.session_id, s) for s in problem.sessions))
    price = max(problem.departure_price_eur_per_kwh, 1.05 * problem.most_gain_eur_per_kwh())
    return replace(
        problem,
        departure_price_eur_per_kwh=price if carrying else problem.departure_price_eur_per_kwh,
        sessions=tuple(
            replace(s, carries=s.session_id in carrying)
            for s in (*problem.sessions, *(changed[s.session_id] for s in after))
        ),
    )


def _after(problem: DayProblem, last: Sequence[Session]) -> list[Session]:
    """Of some cars that leave within the day the next session, after it: half a slot to four long."""
    rng = np.random.default_rng([len(problem.sessions), len(problem.slots)])
    hour = pd.Timedelta(hours=problem.slot_hours)
    found = []
    for session in last:
        if session.departure_utc <= problem.end_utc and rng.random() < 0.5:
            comes = problem.end_utc + float(rng.choice([0.0, 0.3, 9.5])) * hour
            leaves = comes + float(rng.choice([0.5, 1.2, 4.0])) * hour
            name = f"{session.session_id} after"
            wants = float(rng.uniform(0.3, 1.0))
            found.append(
                replace(
                    session, session_id=name, arrival_utc=comes, departure_utc=leaves, departure_soc=wants
                )
            )
    return found


def _own(problem: DayProblem, rng: np.random.Generator) -> DayProblem:
    """Constraints of a user that idling keeps; sessions that carry on know none next to them."""
    if any(session.carries for session in problem.sessions):
        if rng.random() < 0.5:
            return problem
        touching = [s for s in problem.sessions if s.arrival_utc < problem.end_utc]
        problem = replace(problem, sessions=tuple(replace(s, carries=False) for s in touching))
    shape = (len(problem.cars), len(problem.slots))
    own = []
    for name in ("ceiling", "balance", "ratio")[: int(rng.integers(0, 4))]:
        chosen = rng.random(shape) < rng.choice([0.2, 0.6, 1.0])
        chosen[rng.random(shape[0]) < 0.4] = False
        chosen[rng.integers(shape[0]), rng.integers(shape[1])] = True
        drawn = chosen * rng.choice([1.0, -1.0, 0.5] if name == "ratio" else [1.0], shape)
        fed = None if name == "ceiling" else -drawn * float(rng.choice([0.5, 1.0, 2.0]))
        own.append(
            LinearConstraint(
                name=name,
                import_coefficients=drawn,
                export_coefficients=fed,
                lower=float(rng.choice([-np.inf, 0.0, -5.0])) if name != "ceiling" else -np.inf,
                upper=float(rng.choice([2.0, 8.0, 30.0])),
            )
        )
    return replace(problem, constraints=tuple(own))


_DRESS: dict[str, Callable[[DayProblem, np.random.Generator], DayProblem]] = {
    "taper": _taper,
    "charger": _charger,
    "minimum": _minimum,
    "rest": _rest,
    "contract": _contract,
    "tree": _tree,
    "base": _base,
    "peak": _peak,
    "meter": _meter,
    "reserve": _reserve,
    "bid_minimum": _bid_minimum,
    "co2": _co2,
    "follow": _follow,
    "objective": _objective,
    "horizon": _horizon,
    "carry": _carry,
    "own": _own,
}

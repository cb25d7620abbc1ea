"""A user's own constraints: linear rules over what the cars draw and feed back at their plugs."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimize.arrays import BoolArray, FloatArray, IntArray, checked_array
from optimize.errors import ProblemError
from optimize.validation import require_unique

LEAST_SHARE = 1e-9
"""Of the largest coefficient; what is smaller would be lost in the solver's rounding."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearConstraint:
    """lower ≤ Σ over cars and slots of (import_coefficients·p⁺ + export_coefficients·p⁻) ≤ upper.

    p⁺ = charge_kw/η_ch is what a car draws and p⁻ = η_dis·discharge_kw what it feeds back at its plug, both
    metered kW ≥ 0, and 0 where it is away. Coefficients: [n, T], cars and slots in the problem's order; None
    is 0 everywhere. lower and upper are in kW times the coefficients' own unit: with 1 they are kW, with
    slot_hours kWh; inf is no bound. It holds in modes "ordered" and "v2g"; "uncontrolled" is what
    happens without planning. Raises ProblemError for what cannot be meant.
    """

    name: str
    import_coefficients: FloatArray | None = None
    export_coefficients: FloatArray | None = None
    lower: float = -math.inf
    upper: float = math.inf

    def __post_init__(self) -> None:
        for field in ("import_coefficients", "export_coefficients"):
            value = getattr(self, field)
            if value is not None:
                checked = checked_array(self.subject, field, value, np.shape(value))
                object.__setattr__(self, field, checked)
        sizes = np.abs(np.concatenate([part.ravel() for part in self._given] or [np.zeros(0)]))
        largest = float(sizes.max(initial=0.0))
        if largest == 0.0:
            raise ProblemError(self.subject, "coefficients", "0", "must not all be 0")
        least = float(sizes[sizes > 0.0].min())
        if least < LEAST_SHARE * largest:
            rule = f"must be 0 or at least {LEAST_SHARE:g} of the largest ({largest:g})"
            raise ProblemError(self.subject, "coefficient", least, rule)
        if math.isnan(self.lower) or self.lower == math.inf:
            raise ProblemError(self.subject, "lower", self.lower, "must be a number or -inf")
        if math.isnan(self.upper) or self.upper == -math.inf:
            raise ProblemError(self.subject, "upper", self.upper, "must be a number or inf")
        if math.isinf(self.lower) and math.isinf(self.upper):
            raise ProblemError(self.subject, "lower and upper", "no bounds", "must hold at least one")
        if self.lower > self.upper:
            raise ProblemError(self.subject, "lower", self.lower, f"must be <= upper ({self.upper})")

    @property
    def subject(self) -> str:
        """How errors name it."""
        return f"own constraint {self.name!r}"

    @property
    def largest(self) -> float:
        """The largest coefficient, without its sign: by it bounds and sums become kW."""
        return max(float(np.abs(part).max()) for part in self._given)

    @property
    def excludes_idling(self) -> bool:
        """Whether a plan that moves nothing breaks it."""
        return self.lower > 0.0 or self.upper < 0.0

    def coefficients(self) -> tuple[FloatArray, FloatArray]:
        """Of import and of export, both [n, T]."""
        none = np.zeros(self._given[0].shape)
        given = (self.import_coefficients, self.export_coefficients)
        return none if given[0] is None else given[0], none if given[1] is None else given[1]

    def weighs(self) -> BoolArray:
        """The cars and slots that it is about, [n, T]."""
        of_import, of_export = self.coefficients()
        found: BoolArray = (of_import != 0.0) | (of_export != 0.0)
        return found

    def cars(self) -> IntArray:
        """The numbers of the cars that it is about."""
        return np.flatnonzero(self.weighs().any(axis=1))

    def of_cars(self, cars: Sequence[int]) -> LinearConstraint:
        """The same of some cars, in their order; all that it is about must be among them."""
        rows = list(cars)
        own, export = (
            None if part is None else part[rows]
            for part in (self.import_coefficients, self.export_coefficients)
        )
        return replace(self, import_coefficients=own, export_coefficients=export)

    @property
    def _given(self) -> list[FloatArray]:
        both = (self.import_coefficients, self.export_coefficients)
        return [part for part in both if part is not None]


def check_constraints(constraints: Sequence[LinearConstraint], cars: int, slots: int) -> None:
    """Refuse a name twice and coefficients of another day."""
    require_unique("day", "name of own constraint", [one.name for one in constraints])
    for one in constraints:
        for field in ("import_coefficients", "export_coefficients"):
            part = getattr(one, field)
            if part is not None and part.shape != (cars, slots):
                rule = f"must be ({cars}, {slots}), cars and slots"
                raise ProblemError(one.subject, f"shape of {field}", part.shape, rule)


def of_cars(constraints: Sequence[LinearConstraint], cars: Sequence[int]) -> tuple[LinearConstraint, ...]:
    """The constraints about some cars. Raises ProblemError for one that is also about others."""
    found = []
    for one in constraints:
        inside = np.isin(one.cars(), cars)
        if not inside.any():
            continue
        if not inside.all():
            some = f"{int(inside.sum())} of {inside.size}"
            raise ProblemError(one.subject, "cars", some, "must all be planned together")
        found.append(one.of_cars(cars))
    return tuple(found)


def at_bounds(
    constraints: Sequence[LinearConstraint], drawn_kw: FloatArray, fed_kw: FloatArray, close_kw: float
) -> list[tuple[LinearConstraint, float]]:
    """Those that stand at a bound at metered powers [n, T], with 1.0 for the upper and -1.0 for the lower."""
    found = []
    for one in constraints:
        of_import, of_export = one.coefficients()
        total = float((of_import * drawn_kw).sum() + (of_export * fed_kw).sum())
        for room, sign in ((one.upper - total, 1.0), (total - one.lower, -1.0)):
            if room <= close_kw * one.largest:
                found.append((one, sign))
    return found


def excludes_idling(constraints: Collection[LinearConstraint]) -> bool:
    """Whether a plan that moves nothing breaks any of them."""
    return any(one.excludes_idling for one in constraints)


def named(constraints: Sequence[LinearConstraint]) -> str:
    """Constraints by name, for an error."""
    word = "constraint" if len(constraints) == 1 else "constraints"
    return f"own {word} {', '.join(repr(one.name) for one in constraints)}"

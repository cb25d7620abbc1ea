"""Which of some offers owners would choose, or none: a multinomial logit with published coefficients.

    utility V_j = Σ β·attribute, of no choice β_none      share P_j = exp(V_j)/Σ exp(V)      (McFadden 1974)

Money is in dollars, as it was asked in; euros are never taken for them. A unit of an attribute is worth
β_attribute/β_money dollars, per event or once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from optimize.arrays import FloatArray
from optimize.errors import ProblemError
from optimize.market.contract import Contract
from optimize.validation import require_finite, require_not_negative, require_unique

NO_CHOICE = "no choice"
_POINTS = ("lower_soc_points", "guaranteed_soc_points")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is offered for V2G, as the survey asked it.

    enrol_usd once; per_event_usd for each of events_per_month; lower_soc_points: the charge that an event
    leaves at least, guaranteed_soc_points: that the car is recharged to, in points (30 for 30 %).
    """

    name: str
    enrol_usd: float
    per_event_usd: float
    events_per_month: float
    lower_soc_points: float
    guaranteed_soc_points: float

    def __post_init__(self) -> None:
        subject = f"offer {self.name!r}"
        for field in ATTRIBUTES:
            require_not_negative(subject, field, getattr(self, field))
        for field in _POINTS:
            points = getattr(self, field)
            if 0.0 < points <= 1.0 or points > 100.0:
                raise ProblemError(subject, field, points, "must be in points, 0 to 100: 30 for 30 %")
        if self.guaranteed_soc_points < self.lower_soc_points:
            lower = f"must not be below lower_soc_points {self.lower_soc_points:g}"
            raise ProblemError(subject, "guaranteed_soc_points", self.guaranteed_soc_points, lower)
        if self.name in ("", NO_CHOICE):
            raise ProblemError(subject, "name", repr(self.name), f"must be a name other than {NO_CHOICE!r}")


ATTRIBUTES = tuple(field.name for field in fields(Offer) if field.name != "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """Utility of a unit, its standard error as printed, and the levels between which it was asked."""

    utility: float
    standard_error: float
    least: float = 0.0
    most: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceModel:
    """Coefficients by attribute of `Offer`, that of no choice; their source, what they cannot tell."""

    source: str
    respondents: int
    choices: int
    limits: Sequence[str]
    of: Mapping[str, Coefficient]
    no_choice: Coefficient


US_BEV_OWNERS = ChoiceModel(
    source=(
        "github.com/jhelvy/smart-charging-preferences-2025, tables/table_mnl_model_v2g.tex "
        "(Hu, Tarroja, Dean, Forrest, Hittinger, Jenn, Helveston)"
    ),
    respondents=682,
    choices=4092,
    limits=(
        "stated preferences of US owners of battery-electric cars, in dollars: no euros, no other country",
        "programmes of 1 to 4 events a month; a car that is dispatched daily was not asked about",
        "each event was paid, so more of them is liked: 0.1305 is no liking for unpaid ones",
        "linear, no interaction: payment and number of events add up instead of being multiplied",
        "independence of irrelevant alternatives: an offer takes from all others in proportion",
        "enrolment's standard error is printed as 0.0026, ten times what such a design gives",
    ),
    of={
        "enrol_usd": Coefficient(utility=0.0045, standard_error=0.0026, least=50.0, most=300.0),
        "per_event_usd": Coefficient(utility=0.0863, standard_error=0.0040, least=2.0, most=20.0),
        "events_per_month": Coefficient(utility=0.1305, standard_error=0.0217, least=1.0, most=4.0),
        "lower_soc_points": Coefficient(utility=0.0237, standard_error=0.0030, least=20.0, most=40.0),
        "guaranteed_soc_points": Coefficient(utility=0.0278, standard_error=0.0030, least=60.0, most=80.0),
    },
    no_choice=Coefficient(utility=2.8759, standard_error=0.2647),
)
"""Multinomial logit of V2G programmes: two offers or none, six times each."""


def utility(model: ChoiceModel, offer: Offer) -> float:
    """V of an offer."""
    return sum(one.utility * float(getattr(offer, name)) for name, one in model.of.items())


def choice_shares(model: ChoiceModel, offers: Sequence[Offer]) -> dict[str, float]:
    """The share of owners that choose each offer, and none of them (`NO_CHOICE`, last); they sum to 1.

    Raises ProblemError for two offers of one name.
    """
    require_unique("offers", "name", [offer.name for offer in offers])
    of_all = np.array([*(utility(model, offer) for offer in offers), model.no_choice.utility])
    weight: FloatArray = np.exp(of_all - of_all.max())
    names = [*(offer.name for offer in offers), NO_CHOICE]
    return dict(zip(names, (weight / weight.sum()).tolist(), strict=True))


def worth_usd(model: ChoiceModel, attribute: str, units: float, *, money: str = "per_event_usd") -> float:
    """What so many units of an attribute are worth, in $ an event or, by `enrol_usd`, in $ once."""
    require_finite(attribute, "units", units)
    return units * model.of[attribute].utility / model.of[money].utility


def not_asked(model: ChoiceModel, offer: Offer) -> list[str]:
    """The attributes of an offer that lie outside what the survey asked, where its answer is extrapolated."""
    return [name for name, one in model.of.items() if not one.least <= getattr(offer, name) <= one.most]


def stated_in(contract: Contract) -> dict[str, float]:
    """What of an offer a contract states: its least charge. It pays euros, by kWh, hour or share."""
    return {"lower_soc_points": float(contract.min_soc * 100)} if contract.min_soc else {}

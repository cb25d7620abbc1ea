"""All that a plan depends on, read once, and its hash part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pandas as pd

from flows.mapping.awards import NO_AWARDS, Awards
from flows.mapping.carry import Carried
from flows.mapping.contracted import NO_CONTRACTS, Contracted
from flows.mapping.expected import NOTHING_EXPECTED, Expected
from flows.mapping.hashing import hash_frame, hash_values
from flows.mapping.peaks import NO_PEAKS, Peaks
from flows.mapping.prices import PlanPrices
from flows.mapping.surroundings import NO_SURROUNDINGS, Surroundings
from flows.settings import Settings
from flows.version import source_hash
from optimize.types import Tariff
from twin.types import Calibration

_MAKE_NONE = {"gap_warning", "from_snapshot"}
"""Settings under which a plan comes out as it does anyway."""
UNKNOWN_CALIBRATION = "none"
"""calibration_id of a car whose twin has no answer: it is charged, never discharged."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanInputs:
    """Core rows and calibrations that concern a plan's quarter-hours; cars without a session are left out.

    carried: what the batteries hold when the plan begins, mode by mode. v2g_used_kwh: what a car has
    discharged on the first day before that, by battery_id. peaks: what the most that sites draw costs, and
    what it was so far. sites: those where cars plug in, with all that they hang on. sessions: with the
    columns of their chargers; unknown_chargers: those that are named and not known. expected: sessions among
    them that nobody has announced. later: their sessions that begin after the plan, as sessions.
    contracts: what is agreed on with their owners. awards: reserve that was won, to be held.
    left_out: cars that have a session on the day and are not planned, or not whole, and why. unusable: cars
    planned without their calibration, and what is wrong with it.
    """

    zone: str
    market_date: date
    settings: Settings
    prices: PlanPrices
    batteries: pd.DataFrame
    sites: pd.DataFrame
    sessions: pd.DataFrame
    later: pd.DataFrame
    calibrations: Mapping[str, Calibration]
    life_points: pd.DataFrame
    carried: Carried
    v2g_used_kwh: Mapping[str, float]
    left_out: Mapping[str, str]
    peaks: Peaks = NO_PEAKS
    surroundings: Surroundings = NO_SURROUNDINGS
    unknown_chargers: Sequence[str] = ()
    expected: Expected = NOTHING_EXPECTED
    unusable: Mapping[str, str] = field(default_factory=dict)
    contracts: Contracted = NO_CONTRACTS
    awards: Awards = NO_AWARDS
    parts: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        known = {battery: calibration.calibration_id for battery, calibration in self.calibrations.items()}
        options = {
            "tariff": self.settings.tariff.adders,
            "plan": self.settings.plan.model_dump(exclude=_MAKE_NONE),
        }
        parts = {
            "prices": self.prices.digest,
            "tariffs": hash_frame(self.prices.retail_rows),
            "sessions": hash_frame(
                pd.concat([self.sessions, self.later]) if len(self.later) else self.sessions
            ),
            "carried": hash_values([self.carried.digest, sorted(self.v2g_used_kwh.items())]),
            "peaks": self.peaks.digest,
            "fleet": hash_frame(self.batteries),
            "sites": hash_frame(self.sites),
            "surroundings": self.surroundings.digest,
            "left out": hash_values(
                [sorted(one.items()) for one in (self.left_out, self.unusable, self.unforeseen) if one]
            ),
            "calibrations": hash_values(dict(sorted(known.items()))),
            "settings": hash_values(options),
            "code": source_hash("optimize", "twin", "flows/mapping", "flows/stages"),
        }
        if self.contracts.of or self.contracts.unknown:
            parts["contracts"] = self.contracts.digest
        if len(self.awards.rows):
            parts["awards"] = self.awards.digest
        object.__setattr__(self, "parts", parts)

    @property
    def input_hash(self) -> str:
        """Hash of everything: the day, the zone and every part."""
        return hash_values([str(self.market_date), self.zone, dict(self.parts)])

    @property
    def tariff(self) -> Tariff:
        """What the settings add to the market's price, where neither a book nor a retail tariff stands."""
        return Tariff(**self.settings.tariff.adders)

    @property
    def capacity_kwh(self) -> dict[str, float]:
        """Usable energy of each car, kWh: its calibration's, nominal without one."""
        nominal = zip(self.batteries["battery_id"], self.batteries["nominal_energy_kwh"], strict=True)
        return {
            str(name): own.usable_energy_kwh if (own := self.calibrations.get(name)) else float(kwh)
            for name, kwh in nominal
        }

    @property
    def unforeseen(self) -> Mapping[str, str]:
        """Cars that may be there and are not in the plan, since nobody can tell when; and why."""
        known = {*self.sessions["battery_id"].astype(str), *self.left_out}
        return {car: why for car, why in self.expected.unforeseen.items() if car not in known}

    def calibration_id(self, battery_id: str) -> str:
        """The calibration that a car is planned with."""
        calibration = self.calibrations.get(battery_id)
        return calibration.calibration_id if calibration else UNKNOWN_CALIBRATION

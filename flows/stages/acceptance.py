"""What each owner gains over the risk, and which of some offers owners would choose. Writes nothing.

The index of a car is of its own record alone: what is wrong with one is named and costs no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from flows.context import Context
from flows.errors import UsageError
from flows.mapping.contracted import contracts_of
from flows.mapping.owner_benefit import Benefit, owner_benefits
from flows.mapping.requests import newest_calibrations
from flows.stages.record import StageResult
from flows.terms_settings import OwnerSettings
from optimize.errors import ProblemError
from optimize.market.acceptance import UNCALIBRATED, Weights, acceptance, degradation_risk, risk
from optimize.market.choice import (
    ATTRIBUTES,
    NO_CHOICE,
    US_BEV_OWNERS,
    Offer,
    choice_shares,
    not_asked,
    stated_in,
    utility,
    worth_usd,
)
from optimize.market.contract import Contract
from twin.ensemble.stored import year_loss
from twin.errors import RecordError
from twin.record import need
from twin.types import Calibration

Given = Mapping[str, Mapping[str, float]]
"""Offers by name: attributes of `optimize.market.choice.Offer` that were reported."""
_STEPS = {"lower_soc_points": 10.0, "guaranteed_soc_points": 10.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owner:
    """What is known of a car; None where nothing is. why: why it has no contract where several hold it."""

    battery_id: str
    calibration: Calibration | None
    benefit: Benefit | None
    privacy: str
    why: str | None


def acceptance_of(context: Context, first: date, last: date, given: Given) -> StageResult:
    """The index of each car over a period of market days, and the shares of the offers given.

    An offer that has the name of a contract in force on the last day takes from it what it states. Degraded,
    exit code 3, where a car has no index. Raises UsageError for an offer that lacks an attribute or cannot be
    meant.
    """
    settings = context.workspace.settings.owner
    contracts = [one for one in context.workspace.contracts if one.holds_on(last)]
    offers = [_offer(name, stated, contracts) for name, stated in given.items()]
    cars = [_car_row(owner, settings) for owner in _owners(context, first, last)]
    lacking = [f"{row['battery_id']}: {row['reason']}" for row in cars if row["reason"]]
    if not cars:
        lacking = ["no car is known"]
    tables = {
        "cars": context.workspace.money.rows(cars),
        "contracts": _contract_rows(contracts, given),
        "offers": _offer_rows(offers),
        "values": _value_rows(),
        "model": _model_rows(),
    }
    indexed = f"{len(cars) - sum(bool(row['reason']) for row in cars)} of {len(cars)} cars have an index"
    return StageResult(
        stage="acceptance",
        status="degraded" if lacking else "ok",
        message="; ".join([f"{first} to {last}: {indexed}, {UNCALIBRATED}", *lacking]),
        exit_code=3 if lacking else 0,
        tables={name: rows for name, rows in tables.items() if rows},
        details={"from": str(first), "to": str(last), "index": UNCALIBRATED},
    )


def _owners(context: Context, first: date, last: date) -> list[_Owner]:
    benefits = owner_benefits(context, first, last)
    fleet = context.known.read("core_battery", columns=["battery_id"])["battery_id"].astype(str)
    names = sorted({*fleet, *benefits})
    twins = newest_calibrations(context.known, names)
    held, twice = contracts_of(context.workspace.contracts, last, names)
    return [
        _Owner(
            battery_id=name,
            calibration=twins.get(name),
            benefit=benefits.get(name),
            privacy=held[name].privacy if name in held else "full",
            why=twice.get(name),
        )
        for name in names
    ]


def _car_row(owner: _Owner, settings: OwnerSettings) -> dict[str, Any]:
    """A car's index and what it is of; what cannot be determined is None, and `reason` says why."""
    weights = Weights(beta1=settings.beta1, beta2=settings.beta2, k=settings.k, t=settings.t)
    benefit = owner.benefit or Benefit(eur=0.0, days=0, settled=0, unsettled=0)
    reasons = [owner.why] if owner.why else []
    row: dict[str, Any] = {
        "battery_id": owner.battery_id,
        "acceptance": None,
        "index": None,
        "benefit_eur": benefit.eur if benefit.days else None,
        "days": benefit.days,
        "settled_days": benefit.settled,
        "unsettled_days": benefit.unsettled,
        "risk": None,
        "u_deg": None,
        "u_priv": settings.u_priv_totals if owner.privacy == "totals" else settings.u_priv_full,
        "privacy": owner.privacy,
        **dict.fromkeys(("loss_low", "loss_median", "loss_high", "loss_since_utc", "quality")),
    }
    subject = f"car {owner.battery_id!r}"
    try:
        row |= _of_twin(subject, owner.calibration)
        row["risk"] = risk(subject, row["u_deg"], row["u_priv"], weights)
        found = acceptance(subject, benefit.eur, row["risk"], weights)
    except ProblemError as error:
        reasons.append(f"{error.field} is {error.value}, {error.rule}")
    except _MissingError as error:
        reasons.append(str(error))
    if not benefit.days:
        reasons.append(_no_days(benefit.unsettled))
    if not reasons:
        row |= {"acceptance": found, "index": UNCALIBRATED}
    return row | {"reason": "; ".join(reasons) or None}


class _MissingError(Exception):
    """What a car's index needs and is not there."""


def _of_twin(subject: str, calibration: Calibration | None) -> dict[str, Any]:
    """U_deg, the interval of next year's loss that it is of, and the full calibration that reported it."""
    if calibration is None:
        raise _MissingError("no twin was known: `v2g calibrate`")
    try:
        low, median, high = year_loss(calibration)
        since = need(calibration.record.full, "full calibration").as_of_utc
    except RecordError as error:
        raise _MissingError(f"{error}: `v2g calibrate`") from error
    return {
        "loss_low": low,
        "loss_median": median,
        "loss_high": high,
        "loss_since_utc": f"{since:%Y-%m-%dT%H:%MZ}",
        "quality": calibration.quality,
        "u_deg": degradation_risk(subject, low, median, high),
    }


def _no_days(unsettled: int) -> str:
    if unsettled:
        return f"none of {unsettled} realised days under its contract is settled: `v2g settle`"
    return "no realised days in the period: `v2g realise`"


def _offer(name: str, stated: Mapping[str, float], contracts: Sequence[Contract]) -> Offer:
    named = [one for one in contracts if one.contract_id == name]
    if len(named) > 1:
        files = ", ".join(one.file for one in named)
        raise UsageError(f"--offer {name}: {len(named)} contracts in force have that id ({files})")
    values = {**(stated_in(named[0]) if named else {}), **stated}
    if missing := [one for one in ATTRIBUTES if one not in values]:
        raise UsageError(f"--offer {name}: lacks {', '.join(missing)}")
    try:
        return Offer(name=name, **values)
    except ProblemError as error:
        raise UsageError(f"--offer: {error}") from error


def _contract_rows(contracts: Sequence[Contract], given: Given) -> list[dict[str, Any]]:
    """What of an offer each contract in force states, and what an offer of its name has to add."""
    rows = []
    for contract in contracts:
        stated = stated_in(contract)
        rows.append(
            {
                "contract_id": contract.contract_id,
                "lower_soc_points": stated.get("lower_soc_points"),
                "not_stated": ", ".join(one for one in ATTRIBUTES if one not in stated),
                "among_offers": contract.contract_id in given,
            }
        )
    return rows


def _offer_rows(offers: Sequence[Offer]) -> list[dict[str, Any]]:
    """Each offer and no choice with its share, and which attributes lie outside what was asked."""
    if not offers:
        return []
    shares = choice_shares(US_BEV_OWNERS, offers)
    rows: list[dict[str, Any]] = [
        {
            "offer": offer.name,
            **{name: getattr(offer, name) for name in ATTRIBUTES},
            "utility": utility(US_BEV_OWNERS, offer),
            "share": shares[offer.name],
            "extrapolated": ", ".join(not_asked(US_BEV_OWNERS, offer)) or None,
        }
        for offer in offers
    ]
    none = {"utility": US_BEV_OWNERS.no_choice.utility, "share": shares[NO_CHOICE], "extrapolated": None}
    return [*rows, {"offer": NO_CHOICE, **dict.fromkeys(ATTRIBUTES), **none}]


def _value_rows() -> list[dict[str, Any]]:
    """What a step of each attribute is worth."""
    return [
        {
            "attribute": name,
            "step": (step := _STEPS.get(name, 1.0)),
            "usd_per_event": worth_usd(US_BEV_OWNERS, name, step),
            "usd_on_enrolment": worth_usd(US_BEV_OWNERS, name, step, money="enrol_usd"),
            "coefficient": one.utility,
            "standard_error": one.standard_error,
            "asked_from": one.least,
            "asked_to": one.most,
        }
        for name, one in US_BEV_OWNERS.of.items()
    ]


def _model_rows() -> list[dict[str, Any]]:
    """Where the coefficients are from, and a row for each of their limits."""
    model = US_BEV_OWNERS
    counted = f"multinomial logit, {model.respondents} respondents, {model.choices} choices"
    stated = [("source", model.source), ("model", counted), *(("limit", one) for one in model.limits)]
    return [{"of_offers": what, "says": text} for what, text in stated]

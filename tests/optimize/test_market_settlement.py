"""Contracts read, and owner-days settled by them: by hand, and what holds of any."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimize.errors import BillError, TermsError
from optimize.market.bill import to_cent
from optimize.market.contract import Contract, contracts_by_battery, read_contract
from optimize.market.opening import Counted, disagreements, opening
from optimize.market.settlement import OwnerDay, Settlement, in_cents, settle
from optimize.market.statement import owner_month
from tests.optimize.market_books import shipped_contract as shipped

HEAD = 'format = 1\nid = "x"\nversion = 3\ncurrency = "EUR"\nfrom = 2026-01-01\nbatteries = ["A", "B"]\n'
FIXED = HEAD + '[share]\nrule = "fixed"\ntheta = 0.6\n'
NOTHING = Decimal(0)


def contract(text: str) -> Contract:
    return read_contract(text, "a contract.toml")


def a_day(**changes: Any) -> OwnerDay:
    names = ("import_kwh", "export_kwh", "energy_cost_eur", "wear_eur", "other_energy_cost_eur")
    names += ("other_wear_eur", "hours", "hours_before")
    values = {name: Decimal(str(changes.pop(name, 0))) for name in names}
    return OwnerDay(**values, missed=int(changes.pop("missed", 0)), **changes)


def month(terms: Contract, hours: list[float]) -> list[Settlement]:
    before = [sum(hours[:number]) for number in range(len(hours))]
    return [settle(terms, a_day(hours=h, hours_before=b)) for h, b in zip(hours, before, strict=True)]


def test_a_day_is_settled_as_by_hand() -> None:
    # Π = 2.005 − 0.50 = 1.505 → 1.51 (half up); C_deg = 0.40 − 0.09 = 0.31; owner 0.6·1.51 = 0.906,
    # operator 0.604: floors 0.90 and 0.60, the cent left goes to the larger remainder, the owner's.
    one = settle(
        contract(FIXED),
        a_day(energy_cost_eur="0.50", other_energy_cost_eur="2.005", wear_eur="0.40", other_wear_eur="0.09"),
    )
    assert [one.total_eur, one.owner_share_eur, one.grid_share_eur] == [
        *map(Decimal, ("1.51", "0.91", "0.60"))
    ]
    assert (one.owner_eur, one.grid_eur, one.theta) == (Decimal("0.60"), Decimal("0.60"), Decimal("0.6"))


def test_a_rule_finds_theta_after_wear() -> None:
    # C_deg 0.50, Π 2.00: the owner gets 0.50 + 0.25·1.50 = 0.875, θ = 0.4375; in cents
    # 0.88 and 1.12 of 0.875 and 1.125.
    terms = contract(HEAD + '[share]\nrule = "after_wear"\ntheta = 0.25\n')
    one = settle(terms, a_day(other_energy_cost_eur="2", wear_eur="0.5"))
    assert (one.theta, one.owner_share_eur, one.grid_share_eur) == (
        Decimal("0.4375"), Decimal("0.88"), Decimal("1.12"),
    )  # fmt: skip


def test_wear_that_was_spared_is_the_owners_gain() -> None:
    one = settle(contract(FIXED), a_day(wear_eur="0.10", other_wear_eur="0.32"))
    assert (one.total_eur, one.owner_eur, one.grid_eur) == (0, Decimal("0.22"), 0)


def test_a_loss_is_shared_and_the_wear_floor_keeps_the_owner_whole() -> None:
    loss = a_day(energy_cost_eur="1.00", wear_eur="0.30")
    assert settle(contract(FIXED), loss).owner_eur == Decimal("-0.90")
    kept = settle(contract(FIXED + "wear_floor = true\n"), loss)
    assert (kept.floor_eur, kept.owner_eur, kept.grid_eur) == (Decimal("0.90"), 0, Decimal("-1.30"))


def test_the_hours_of_a_month_are_paid_to_the_cap_and_no_further() -> None:
    paid = [one.bonus_eur for one in month(shipped("plugged_hours.toml"), [13.5] * 30)]
    assert paid[0] == Decimal("3.24")  # 13.5·0.24
    assert sum(paid) == Decimal("60.00") and paid[-1] == 0  # 405 h would be 97.20
    assert 12 * sum(paid) == 720
    assert sum(one.bonus_eur for one in month(shipped("plugged_hours.toml"), [5.0] * 30)) == 36


def test_a_monthly_bonus_is_earned_on_the_day_that_reaches_its_hours() -> None:
    paid = [one.bonus_eur for one in month(shipped("monthly_bonus.toml"), [12.0] * 30)]
    assert [number for number, eur in enumerate(paid, start=1) if eur] == [25]
    assert sum(paid) == 30
    assert sum(one.bonus_eur for one in month(shipped("monthly_bonus.toml"), [9.99] * 30)) == 0


def test_charging_is_free_on_days_plugged_in_long_enough() -> None:
    terms = shipped("free_charging.toml")
    assert settle(terms, a_day(import_kwh="21.4", hours="5.99")).free_eur == 0
    assert settle(terms, a_day(import_kwh="21.4", hours="6")).free_eur == Decimal("5.99")  # 21.4·0.28 = 5.992
    assert settle(terms, a_day(import_kwh="44", hours="6")).free_eur == Decimal("8.40")


def test_energy_fed_back_and_missed_departures_are_paid() -> None:
    terms = contract(FIXED + "[pay]\neur_per_kwh_fed_back = 0.05\n[guarantee]\ncompensation_eur = 5\n")
    one = settle(terms, a_day(export_kwh="7.3", missed=2))
    assert (one.fed_back_eur, one.compensation_eur, one.owner_eur, one.grid_eur) == (
        Decimal("0.37"), 10, Decimal("10.37"), Decimal("-10.37"),
    )  # fmt: skip


def test_a_share_of_the_day_ahead_price_is_paid_with_the_price_by_the_kwh() -> None:
    # 7.3 kWh · 0.05 = 0.365; 0.4 · 1.4563 (Σ kWh·price) = 0.58252: together 0.94752 → 0.95.
    terms = contract(FIXED + "[pay]\neur_per_kwh_fed_back = 0.05\nshare_of_price_fed_back = 0.4\n")
    one = settle(terms, a_day(export_kwh="7.3", fed_back_price_eur=Decimal("1.4563")))
    assert (one.fed_back_eur, one.owner_eur, one.grid_eur) == (
        Decimal("0.95"), Decimal("0.95"), Decimal("-0.95"),
    )  # fmt: skip
    assert settle(contract(FIXED), a_day(fed_back_price_eur=Decimal(9))).fed_back_eur == 0
    with pytest.raises(BillError, match="fed_back_price_eur is -1, below 0"):
        settle(terms, a_day(fed_back_price_eur=Decimal(-1)))


def test_imbalance_is_the_operators_unless_the_contract_shares_it() -> None:
    day = a_day(other_energy_cost_eur="2", imbalance_eur=Decimal("-0.335"))
    alone = settle(contract(FIXED), day)  # −0.335 → −0.34; Π 2.00: 1.20 and 0.80
    assert (alone.owner_eur, alone.grid_eur, alone.imbalance_eur) == (
        Decimal("1.20"), Decimal("0.46"), Decimal("-0.34"),
    )  # fmt: skip
    # 0.25 of −0.34 is −0.085, the rest −0.255: floors −0.09 and −0.26, the cent to the owner.
    shared = settle(contract(FIXED + "[imbalance]\nowner_share = 0.25\n"), day)
    assert (shared.owner_imbalance_eur, shared.grid_imbalance_eur) == (Decimal("-0.08"), Decimal("-0.26"))
    # The wear floor holds against it as against all else.
    floor = FIXED + "wear_floor = true\n[imbalance]\nowner_share = 1.0\n"
    kept = settle(contract(floor), a_day(wear_eur="0.10", imbalance_eur=Decimal("-3")))
    assert (kept.owner_eur, kept.floor_eur, kept.grid_eur) == (0, Decimal("3.10"), Decimal("-3.10"))
    unknown = settle(contract(floor), a_day(wear_eur="0.10"))
    assert unknown.imbalance_eur is None and unknown.owner_imbalance_eur == unknown.grid_imbalance_eur == 0


def random_day(rng: np.random.Generator) -> tuple[Contract, OwnerDay]:
    theta = f"{rng.uniform(0, 1):.{int(rng.integers(0, 5))}f}"
    text = HEAD + f'[share]\nrule = "{rng.choice(["fixed", "after_wear"])}"\ntheta = {theta}\n'
    text += f"wear_floor = {str(rng.random() < 0.5).lower()}\n"
    if rng.random() < 0.5:
        text += f"[bonus]\neur_per_hour = {rng.uniform(0.01, 1):.3f}\n"
        text += f"cap_eur_per_month = {rng.uniform(0, 90):.2f}\n"
    if rng.random() < 0.5:
        text += f"[pay]\neur_per_kwh_fed_back = {rng.uniform(0, 0.3):.4f}\n"
        text += f"share_of_price_fed_back = {rng.uniform(0, 1):.3f}\n" if rng.random() < 0.5 else ""
    if rng.random() < 0.5:
        text += f"[imbalance]\nowner_share = {rng.uniform(0, 1):.3f}\n"
    if rng.random() < 0.5:
        text += f"[reserve]\nowner_share = {rng.uniform(0, 1):.3f}\n"
    money = {
        name: repr(float(rng.normal(0, 3)))
        for name in ("energy_cost_eur", "wear_eur", "other_energy_cost_eur", "other_wear_eur")
    }
    amounts = {
        name: repr(float(rng.uniform(0, most)))
        for name, most in (("import_kwh", 60), ("export_kwh", 40), ("hours", 24), ("hours_before", 700))
    }
    known = rng.random() < 0.8
    terms: dict[str, Any] = {
        "fed_back_price_eur": Decimal(repr(float(rng.uniform(0, 8)))),
        "imbalance_eur": Decimal(repr(float(rng.normal(0, 2)))) if known else None,
        "reserve_eur": Decimal(repr(float(rng.normal(1, 2)))) if rng.random() < 0.8 else None,
    }
    return contract(text), a_day(**money, **amounts, **terms, missed=int(rng.integers(0, 3)))


def test_shares_of_ten_thousand_owner_days_sum_to_the_cent() -> None:
    rng, cent = np.random.default_rng(21), Decimal("0.01")
    for _ in range(10_000):
        terms, day = random_day(rng)
        one = settle(terms, day)
        assert one.owner_share_eur + one.grid_share_eur == one.total_eur
        imbalance = one.imbalance_eur or NOTHING
        assert one.owner_imbalance_eur + one.grid_imbalance_eur == imbalance
        assert (one.imbalance_eur is None) == (day.imbalance_eur is None)
        assert abs(imbalance - (day.imbalance_eur or NOTHING)) <= cent / 2
        reserve = one.reserve_eur or NOTHING
        assert one.owner_reserve_eur + one.grid_reserve_eur == reserve
        assert (one.reserve_eur is None) == (day.reserve_eur is None)
        assert abs(reserve - (day.reserve_eur or NOTHING)) <= cent / 2
        assert one.owner_eur + one.grid_eur == one.total_eur + imbalance + reserve - one.wear_eur
        assert one.total_eur == to_cent(day.other_energy_cost_eur - day.energy_cost_eur)
        if one.theta is not None:
            assert abs(one.owner_share_eur - one.theta * one.total_eur) <= cent
        money = (one.owner_eur, one.grid_eur, one.owner_share_eur, one.grid_share_eur, one.paid_eur)
        assert all(eur == eur.quantize(cent) for eur in money)
        if terms.wear_floor:
            assert one.owner_eur >= 0


@pytest.mark.parametrize("privacy", ["full", "totals"])
def test_an_opening_of_before_imbalance_and_reserve_were_settled_still_follows_from_its_inputs(
    privacy: str,
) -> None:
    terms = contract(FIXED + f'[privacy]\nmode = "{privacy}"\n')
    day = a_day(other_energy_cost_eur="2", export_kwh="3", missed=1)
    said = json.loads(opening({}, Counted(contract=terms, day=day, settled=settle(terms, day))))
    assert disagreements(said, terms) == []
    for names in (("reserve_eur",), ("fed_back_price_eur", "imbalance_eur")):
        for name in names:
            del said["inputs"][name]
        for name in names[-1:]:
            del said["figures"][f"owner_{name}"], said["figures"][f"grid_{name}"]
        assert disagreements(said, terms) == []
    assert disagreements(said, terms) == []
    said["figures"]["owner_eur"] = "1.21"
    assert disagreements(said, terms) == ["owner_eur is 1.21, not 1.20"]


def test_a_month_of_before_imbalance_was_settled_is_summed_as_it_was() -> None:
    terms = contract(FIXED + "[imbalance]\nowner_share = 0.5\n")
    head: dict[str, Any] = {"battery_id": "A", "zone": "DE-LU", "sequence": 1, "realised_id": "r"}
    head |= {
        "counted_against": "uncontrolled",
        "contract_id": "x",
        "contract_version": 3,
        "contract_digest": "d",
    }
    said = []
    for number, eur in enumerate(("0.50", None, "-1.00"), start=1):
        day = a_day(other_energy_cost_eur="2", imbalance_eur=None if eur is None else Decimal(eur))
        stated = Counted(contract=terms, day=day, settled=settle(terms, day))
        said.append(json.loads(opening({**head, "market_date": f"2026-01-0{number}"}, stated)))
    asked: dict[str, Any] = {"battery_id": "A", "zone": "DE-LU", "month": date(2026, 1, 1)}
    month = owner_month(said, **asked)
    assert month["without_imbalance"] == ["2026-01-02"]
    assert (month["money"]["owner_imbalance_eur"], month["money"]["received_eur"]) == ("-0.25", "3.35")
    assert month["without_reserve"] == [] and month["money"]["owner_reserve_eur"] == "0.00"
    for one in said:
        del one["figures"]["owner_reserve_eur"], one["figures"]["grid_reserve_eur"]
        del one["inputs"]["reserve_eur"]
    before = owner_month(said, **asked)
    assert not any(
        "reserve" in name for part in (before, before["money"], before["days"][0]) for name in part
    )
    assert before["money"]["received_eur"] == month["money"]["received_eur"]
    for one in said:
        del one["figures"]["owner_imbalance_eur"], one["figures"]["grid_imbalance_eur"]
        del one["inputs"]["imbalance_eur"], one["inputs"]["fed_back_price_eur"]
    before = owner_month(said, **asked)
    assert not any(
        "imbalance" in name for part in (before, before["money"], before["days"][0]) for name in part
    )


def test_reserve_is_the_operators_unless_the_contract_shares_it() -> None:
    # 1.005 → 1.01, 0.3333 and 0.6767 of it: 0.33 and 0.68, the cent left goes to the larger remainder.
    day = a_day(other_energy_cost_eur="2", wear_eur="0.9", reserve_eur=Decimal("1.005"))
    alone = settle(contract(FIXED), day)
    assert (alone.owner_eur, alone.grid_eur) == (Decimal("0.30"), Decimal("1.81"))
    shared = settle(contract(FIXED + "[reserve]\nowner_share = 0.33\n"), day)
    assert (shared.reserve_eur, shared.owner_reserve_eur, shared.grid_reserve_eur) == (
        Decimal("1.01"), Decimal("0.33"), Decimal("0.68"),
    )  # fmt: skip
    assert (shared.owner_eur, shared.grid_eur) == (Decimal("0.63"), Decimal("1.48"))
    # What reserve pays the owner counts for the floor of wear.
    floor = FIXED + "wear_floor = true\n[reserve]\nowner_share = 1.0\n"
    kept = settle(contract(floor), a_day(wear_eur="2.00", reserve_eur=Decimal("1.50")))
    assert (kept.floor_eur, kept.owner_eur) == (Decimal("0.50"), NOTHING)
    unknown = settle(contract(floor), a_day(reserve_eur=None))
    assert unknown.reserve_eur is None and unknown.owner_reserve_eur == unknown.grid_reserve_eur == 0


@pytest.mark.parametrize("privacy", ["full", "totals"])
def test_an_opening_tells_reserve(privacy: str) -> None:
    terms = contract(FIXED + f'[reserve]\nowner_share = 0.5\n[privacy]\nmode = "{privacy}"\n')
    day = a_day(other_energy_cost_eur="2", reserve_eur=Decimal("0.90"))
    said = json.loads(opening({}, Counted(contract=terms, day=day, settled=settle(terms, day))))
    assert disagreements(said, terms) == [] and said["figures"]["owner_reserve_eur"] == "0.45"
    said["inputs"]["reserve_eur"] = "0.80"
    assert "owner_reserve_eur is 0.45, not 0.40" in disagreements(said, terms)
    said["inputs"]["reserve_eur"] = None
    assert any(one.startswith("owner_reserve_eur is 0.45, not 0") for one in disagreements(said, terms))


def test_an_opening_tells_imbalance_and_what_of_it_cannot_be() -> None:
    terms = contract(FIXED + "[imbalance]\nowner_share = 0.5\n")
    day = a_day(other_energy_cost_eur="2", imbalance_eur=Decimal("0.50"))
    said = json.loads(opening({}, Counted(contract=terms, day=day, settled=settle(terms, day))))
    assert disagreements(said, terms) == []
    said["inputs"]["imbalance_eur"] = None
    assert "owner_imbalance_eur is 0.25, not 0.00" in disagreements(said, terms)
    said["inputs"]["export_kwh"] = None
    with pytest.raises(BillError, match="does not fit the privacy"):
        disagreements(said, terms)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(-(10**6), 10**6),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(lambda parts: sum(parts) > 0),
)
def test_cents_go_by_the_largest_remainder(cents: int, parts: list[int]) -> None:
    total = Decimal(cents) / 100
    shares = [total * part / sum(parts) for part in parts]
    got = in_cents(total, shares)
    assert sum(got) == total
    off = [one - share for one, share in zip(got, shares, strict=True)]
    assert all(abs(one) < Decimal("0.01") for one in off)
    risen = [share % Decimal("0.01") for one, share in zip(off, shares, strict=True) if one > 0]
    fallen = [share % Decimal("0.01") for one, share in zip(off, shares, strict=True) if one < 0]
    if risen and fallen and cents > 0:
        assert min(risen) >= max(fallen)


def test_shares_that_are_not_of_the_total_are_refused() -> None:
    with pytest.raises(BillError, match="2 shares of 3 €, and 2 € to be shared"):
        in_cents(Decimal(2), (Decimal(1), Decimal(2)))
    with pytest.raises(BillError, match="export_kwh is -1, below 0"):
        settle(contract(FIXED), a_day(export_kwh=-1))


WRONG = {
    "an unknown key": ("theta = 0.6", "tetha = 0.6", r"share.theta is absent: is needed"),
    "an unknown table": ("[share]", "[limit]\nmin_soc = 0.1\n[share]",
        r"limit is .*: no such key; did you mean limits\?"),
    "a share in per cent": ("theta = 0.6", "theta = 60", r"share.theta is 60: must lie in 0 … 1"),
    "a charge in per cent": ("[share]", "[limits]\nmin_soc = 30\n[share]",
        r"limits.min_soc is 30: must lie in 0 … 1"),
    "another currency": ('"EUR"', '"SEK"', r"currency is SEK: must be EUR"),
    "a version that is none": ("version = 3", "version = 3.5", r"version is 3.5: must be a whole number"),
    "no cars": ('["A", "B"]', "[]", r"batteries is \[\]: must be \"all\" or a list"),
    "a car twice": ('["A", "B"]', '["A", "A"]', r"batteries is .*: names one twice"),
    "an unknown rule": ('"fixed"', '"fix"',
        r"share.rule is fix: must be one of fixed, after_wear; did you mean fixed\?"),
    "a bonus of nothing": ("[share]", "[bonus]\nmin_hours_per_month = 3\n[share]",
        r"bonus is .*: must hold eur_per_hour"),
    "a month of more hours": ("[share]", "[bonus]\neur_per_month = 30\nmin_hours_per_month = 3000\n[share]",
        r"bonus.min_hours_per_month is 3000: must lie in 0 … 745"),
    "a day of more hours": ("[share]", "[free]\nkwh_per_day = 1\neur_per_kwh = 1\n"
        "min_hours_per_day = 25\n[share]",
        r"free.min_hours_per_day is 25: must lie in 0 … 24"),
    "wear by nobody": ("theta = 0.6", 'theta = 0.6\nwear = "mine"',
        r"share.wear is mine: must be one of price, twin"),
    "a word for a flag": ("theta = 0.6", 'theta = 0.6\nwear_floor = "yes"',
        r"share.wear_floor is yes: must be true or"),
    "pay below nothing": ("[share]", "[pay]\neur_per_kwh_fed_back = -1\n[share]",
        r"pay.eur_per_kwh_fed_back is -1"),
    "pay in ct": ("[share]", "[pay]\neur_per_kwh_fed_back = 12\n[share]",
        r"pay.eur_per_kwh_fed_back is 12: must lie in 0 … 5 €; 8.3 ct are 0.083"),
    "a bonus in ct": ("[share]", "[bonus]\neur_per_hour = 24\n[share]",
        r"bonus.eur_per_hour is 24: must lie in 0"),
    "a share of the price in per cent": ("[share]", "[pay]\nshare_of_price_fed_back = 40\n[share]",
        r"pay.share_of_price_fed_back is 40: must lie in 0 … 1"),
    "imbalance that nobody bears": ("[share]", "[imbalance]\n[share]",
        r"imbalance.owner_share is absent: is needed"),
    "reserve that nobody gets": ("[share]", "[reserve]\nshare = 0.5\n[share]",
        r"reserve.owner_share is absent: is needed"),
    "an end before the start": ("batteries", "until = 2025-12-31\nbatteries",
        r"until is 2025-12-31: must not be"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_reported_with_file_key_and_value(name: str) -> None:
    right, wrong, message = WRONG[name]
    assert right in FIXED
    with pytest.raises(TermsError, match=f"^a contract.toml: {message}"):
        contract(FIXED.replace(right, wrong, 1))


def test_each_car_has_one_contract() -> None:
    own, general = (
        contract(FIXED),
        replace(contract(FIXED), batteries=None, file="all.toml", contract_id="all"),
    )
    of, twice = contracts_by_battery([general, own], ["A", "C"])
    assert {name: one.contract_id for name, one in of.items()} == {"A": "x", "C": "all"} and not twice
    assert contracts_by_battery([own], ["C"]) == ({}, {})
    of, twice = contracts_by_battery([own, replace(own, file="b.toml"), general], ["A", "C"])
    assert (list(of), list(twice)) == (["C"], ["A"])
    assert twice["A"] == "2 contracts hold it (a contract.toml, b.toml): leave it in one of them"
    of, twice = contracts_by_battery([general, replace(general, file="b.toml"), own], ["A", "C"])
    assert (list(of), list(twice)) == (["A"], ["C"])


def test_digest_and_version_tell_contracts_apart() -> None:
    one, other = contract(FIXED), contract(FIXED.replace("version = 3", "version = 4"))
    assert (one.version, other.version) == (3, 4)
    assert one.digest != other.digest and len(one.digest) == 64

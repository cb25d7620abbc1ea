"""The rulebook is whole: each field has one owner, and each rule its model, check, account and tests.

`rule_evidence` names what stands for a rule in the tests; whoever adds a rule is told here what is missing.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args, get_type_hints

import pytest

import optimize.model
from optimize import binding
from optimize.account import Account
from optimize.check import check_plan
from optimize.errors import PlanCheckError
from optimize.fleet.arrays import unsupported
from optimize.plan import check_account, with_primary
from optimize.rulebook import BINDINGS, GEOMETRY, IDENTITY, RULES, Rule, indifferent
from optimize.types import Car, DayProblem, LinearConstraint, ModePlan, ReserveBlock, Session, Site
from tests.optimize import reference
from tests.optimize.fleets import day
from tests.optimize.mixed import FEATURES, mixed_day
from tests.optimize.reference import _Rows as Second
from tests.optimize.rule_evidence import EVIDENCE, base

OWNERS = (Car, Session, Site, DayProblem, ReserveBlock, LinearConstraint)
READ_AS = {"direction": "up"}
"""What the second formulation asks of a block in place of a field."""

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


def test_every_field_has_exactly_one_owner() -> None:
    owned = [*IDENTITY, *GEOMETRY, *(field for rule in RULES for field in rule.owns)]
    assert sorted(owned) == sorted(f"{one.__name__}.{field.name}" for one in OWNERS for field in fields(one))


def test_whatever_a_day_holds_many_of_has_owners_of_its_fields() -> None:
    held = [get_args(hint)[0] for hint in get_type_hints(DayProblem).values() if get_args(hint)]
    assert {one for one in held if is_dataclass(one)} | {DayProblem} == set(OWNERS)


def test_every_rule_has_its_evidence_and_no_other_has() -> None:
    names = [rule.name for rule in RULES]
    assert sorted(names) == sorted(EVIDENCE)
    assert len(set(names)) == len(names)


def test_model_rows_words_and_accounts_are_those_of_the_rules() -> None:
    said = {name for rule in RULES for name in rule.model}
    assert said == model_names()
    counted = {name for rule in RULES for name in rule.account}
    assert counted == {field.name for field in fields(Account)}
    tree = ast.parse(inspect.getsource(binding.bindings))
    keys = [node.keys for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    stated = [ast.literal_eval(key) for key in keys[0] if key is not None]
    assert sorted([*stated, "free"]) == sorted(BINDINGS)


def model_names() -> set[str]:
    """Variables, constraints and benefits of all patterns."""
    names = set[str]()
    for file in Path(optimize.model.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
                continue
            made = ast.unparse(node.value.func)
            if made in ("pyo.Var", "pyo.Constraint", "pyo.Objective"):
                names |= {one.attr for one in node.targets if isinstance(one, ast.Attribute)}
    return names


@each_rule
def test_a_table_by_hand_stands_for_the_rule(rule: Rule) -> None:
    tables = EVIDENCE[rule.name].golden
    assert tables and all(table.__name__.startswith("test_") for table in tables)
    written = "".join(inspect.getsource(inspect.getmodule(table)) for table in tables)  # type: ignore[arg-type]
    assert [name for name in names_of(rule) if name not in written and not set_by_helpers(name)] == []


def names_of(rule: Rule) -> list[str]:
    return [field.partition(".")[2] for field in rule.owns]


def set_by_helpers(name: str) -> bool:
    """Whether `day`, `car` or `stay` set a field, under a name of their own."""
    return name in inspect.getsource(inspect.getmodule(day))  # type: ignore[arg-type]


@each_rule
def test_the_second_formulation_reads_what_the_rule_owns(rule: Rule) -> None:
    methods = EVIDENCE[rule.name].second
    assert methods and all(getattr(Second, method.__name__) is method for method in methods)
    read = set[str]()
    shared = [node for node in ast.parse(inspect.getsource(reference)).body if isinstance(node, ast.Assign)]
    for tree in (*shared, *(ast.parse(dedent(inspect.getsource(method))) for method in methods)):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                read.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                read.add(node.value)
    assert {READ_AS.get(name, name) for name in names_of(rule)} - read == set()


def parts_of(problem: DayProblem) -> list[Any]:
    """The problem and every row of its fields: cars, sessions and whatever else it holds many of."""
    held = [getattr(problem, field.name) for field in fields(problem)]
    rows = [one for many in held if isinstance(many, tuple) for one in many if is_dataclass(one)]
    return [problem, *rows]


@cache
def days_of(mixed: tuple[str, ...]) -> list[DayProblem]:
    return [mixed_day(seed, features=mixed, cars=3, slots=8, hours=1.0) for seed in range(60)]


@each_rule
def test_mixed_days_vary_what_the_rule_owns(rule: Rule) -> None:
    mixed = EVIDENCE[rule.name].mixed
    assert set(mixed) <= set(FEATURES)
    wanted = {field: set[str]() for field in rule.owns}
    for problem in days_of(mixed):
        for one in parts_of(problem):
            for field in fields(one):
                name = f"{type(one).__name__}.{field.name}"
                if name in wanted:
                    wanted[name].add(repr(getattr(one, field.name)))
    assert [name for name, values in wanted.items() if len(values) < 2] == []


@each_rule
def test_a_plan_that_breaks_the_rule_is_refused(rule: Rule) -> None:
    evidence = EVIDENCE[rule.name]
    assert any(evidence.check.startswith(check) or check.startswith(evidence.check) for check in rule.checks)
    with pytest.raises(PlanCheckError) as refused:
        refuse(*evidence.breaks())
    assert refused.value.rule.startswith(evidence.check)


def refuse(problem: DayProblem, plan: ModePlan) -> None:
    check_plan(problem, plan)
    check_account(problem, plan)
    with_primary(problem, plan)


def test_the_plan_that_the_breaks_begin_with_breaks_nothing() -> None:
    refuse(*base())


@each_rule
def test_the_fleet_engine_does_with_it_what_the_rule_says(rule: Rule) -> None:
    days = days_of(EVIDENCE[rule.name].mixed)
    declined = [problem for problem in days if rule.declines is not None and rule.declines(problem)]
    assert all(rule.declines is not None and rule.declines(day) in unsupported(day) for day in declined)
    assert bool(declined) == (rule.declines is not None)
    assert rule.fleet != "declined" or declined


@each_rule
def test_powers_are_levelled_where_no_rule_minds(rule: Rule) -> None:
    days = days_of(EVIDENCE[rule.name].mixed)
    minded = [rule.uneven is not None and rule.uneven(problem) for problem in days]
    assert any(minded) == (rule.uneven is not None)
    assert not any(indifferent(problem) for problem, minds in zip(days, minded, strict=True) if minds)

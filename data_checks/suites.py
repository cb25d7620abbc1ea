"""Great Expectations suites from the contracts: not null, finite, range, allowed, id, known, order; unique.

Run on pandas frames with an ephemeral context. `BETWEEN` passes null and, with one bound only, infinity:
therefore every float column is first held against both ends of the float range, and a cell that is not finite
is not reported a second time as out of range.
"""

import os
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from data_checks.errors import SuiteError
from data_checks.types import CheckContext, RowFinding
from warehouse.contracts import Column, Kind, TableContract, reference

if TYPE_CHECKING:
    import great_expectations as gx

_FLOAT_MAX = sys.float_info.max
_thread = threading.local()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One expectation to be: its class in Great Expectations, its arguments, what it is called here."""

    name: str
    expectation: str
    arguments: Mapping[str, Any]
    column: str | None
    reason: str


def rules_for(dataset: str, contract: TableContract, context: CheckContext) -> list[Rule]:
    """Return the rules that a dataset's contract and the context imply, finiteness first."""
    rules = [rule for column in contract for rule in _column_rules(column)]
    rules += _known_rules(dataset, context)
    for low, high in contract.less_than:
        arguments = {"column_A": high, "column_B": low, "ignore_row_if": "either_value_is_missing"}
        rules.append(
            Rule(
                name="order", expectation="ExpectColumnPairValuesAToBeGreaterThanB", arguments=arguments,
                column=high, reason=f"{high} is not {'after' if high.endswith('_utc') else 'above'} {low}",
            )
        )  # fmt: skip
    return rules


def uniqueness(contract: TableContract) -> Rule:
    """Return the rule that a file tells a key once."""
    return Rule(
        name="unique",
        expectation="ExpectCompoundColumnsToBeUnique",
        arguments={"column_list": [*contract.key, "source_id", "received_utc"]},
        column=None,
        reason=f"the file contradicts itself for this {', '.join(contract.key)}: none of the rows is taken",
    )


def run_rules(frame: pd.DataFrame, rules: Iterable[Rule]) -> list[RowFinding]:
    """Evaluate rules on a frame with a 0…n−1 index; SuiteError if an expectation cannot be evaluated.

    Whether each holds is asked first, and only of those that do not the rows as well: Great Expectations
    takes about as long for a rule's rows as for all else, also where there are none.
    """
    wanted = list(rules)
    held = _validate(frame, wanted, range(len(wanted)), "BOOLEAN_ONLY")
    broken = _validate(frame, wanted, [number for number in held if not held[number].success], "COMPLETE")
    findings = []
    for number, rule in enumerate(wanted):
        positions: list[int] | None = []
        if number in broken:
            result = broken[number]
            positions = result.result.get("unexpected_index_list")
            if positions is None:
                fault = _exception_text(result.exception_info)
                raise SuiteError(f"rule {rule.name} on {rule.column}: {fault}")
        findings.append(
            RowFinding(
                rule=rule.name, column=rule.column, reason=rule.reason,
                positions=np.asarray(positions, dtype=np.intp),
            )
        )  # fmt: skip
    return _without_infinite_ranges(findings)


def _column_rules(column: Column) -> list[Rule]:
    name = column.name
    rules = []
    if not column.nullable:
        rules.append(_rule("not_null", "ExpectColumnValuesToNotBeNull", name, "is missing"))
    if column.kind is Kind.FLOAT:
        rules.append(
            _rule("finite", "ExpectColumnValuesToBeBetween", name, "is not finite",
                  min_value=-_FLOAT_MAX, max_value=_FLOAT_MAX)
        )  # fmt: skip
    if column.minimum is not None or column.maximum is not None:
        low, high = column.minimum, column.maximum
        bounds = ["" if bound is None else f"{bound:g}" for bound in (low, high)]
        shown = f"{bounds[0]} to {bounds[1]}{column.after_number}"
        rules.append(
            _rule("range", "ExpectColumnValuesToBeBetween", name, f"is outside {shown.strip()}",
                  min_value=low, max_value=high)
        )  # fmt: skip
    if column.allowed is not None:
        shown = ", ".join(str(value) for value in column.allowed)
        rules.append(
            _rule("allowed", "ExpectColumnValuesToBeInSet", name, f"is none of {shown}",
                  value_set=list(column.allowed))
        )  # fmt: skip
    if column.pattern is not None:
        rules.append(
            _rule("id", "ExpectColumnValuesToMatchRegex", name, f"does not match {column.pattern}",
                  regex=column.pattern)
        )  # fmt: skip
    return rules


def _known_rules(dataset: str, context: CheckContext) -> list[Rule]:
    column, _ = reference(dataset)
    known = {
        "battery_id": context.battery_ids,
        "site_id": context.site_ids,
        "zone": frozenset(context.zones_tz) or None,
    }[column]
    if known is None:
        return []
    return [_rule("known", "ExpectColumnValuesToBeInSet", column, "is not declared", value_set=sorted(known))]


def _rule(name: str, expectation: str, column: str, reason: str, **arguments: object) -> Rule:
    return Rule(
        name=name, expectation=expectation, arguments={"column": column, **arguments}, column=column,
        reason=f"{column} {reason}",
    )  # fmt: skip


def _validate(
    frame: pd.DataFrame, rules: Sequence[Rule], numbers: Sequence[int], result_format: str
) -> "dict[int, gx.ExpectationValidationResult]":
    """Return the results of some of the rules by their number."""
    import great_expectations as gx

    if not numbers:
        return {}
    suite = gx.ExpectationSuite(
        name="contract",
        expectations=[
            _expectation(rule.expectation)(**rule.arguments, severity="critical", meta={"rule": number})
            for number, rule in ((number, rules[number]) for number in numbers)
        ],
    )
    wanted = {"result_format": result_format, "include_unexpected_rows": False}
    batch = _batches().get_batch({"dataframe": frame})
    results = batch.validate(suite, result_format=wanted).results
    return {int(result.expectation_config.meta["rule"]): result for result in results}


@cache
def _expectation(name: str) -> "type[gx.expectations.Expectation]":
    """Return a kind of expectation that makes its configuration once: each is asked for it some 85 times."""
    import great_expectations.expectations as gxe
    from great_expectations.compatibility import pydantic

    base = getattr(gxe, name)

    def configuration(self: Any) -> object:
        if self._configuration is None:
            self._configuration = base.configuration.fget(self)
        return self._configuration

    own = {"_configuration": pydantic.PrivateAttr(None), "configuration": property(configuration)}
    made: type[gx.expectations.Expectation] = type(base)(
        f"{name}OfContract", (base,), {"__module__": __name__, **own}
    )
    return made


def _batches() -> "gx.core.batch_definition.BatchDefinition[Any]":
    """Return this thread's way into Great Expectations; an ephemeral context keeps nothing of the frames."""
    if not hasattr(_thread, "batches"):
        os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
        import great_expectations as gx

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
        _thread.batches = asset.add_batch_definition_whole_dataframe("whole")
    return _thread.batches


def _exception_text(info: Mapping[str, Any]) -> str:
    nested = info if "exception_message" in info else next(iter(info.values()), {})
    return str(nested.get("exception_message") if isinstance(nested, Mapping) else nested)


def _without_infinite_ranges(findings: list[RowFinding]) -> list[RowFinding]:
    infinite = {finding.column: finding.positions for finding in findings if finding.rule == "finite"}
    return [
        replace(finding, positions=np.setdiff1d(finding.positions, infinite[finding.column]))
        if finding.rule == "range" and finding.column in infinite
        else finding
        for finding in findings
    ]

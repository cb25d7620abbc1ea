"""Check a frame of landed rows: contract rules, then the written checks of its dataset, then the verdict."""

import pandas as pd

from data_checks import checkups, prices, telemetry
from data_checks.errors import FrameError
from data_checks.suites import rules_for, run_rules
from data_checks.types import EVERYTHING, CheckContext, CheckReport, RowFinding, ScopeFinding
from data_checks.verdict import rejected, report
from warehouse.contracts import ContractError, conform, dataset_contract, landed_contract


def check_frame(dataset: str, frame: pd.DataFrame, context: CheckContext) -> CheckReport:
    """Judge landed rows (shape of `landed_contract(dataset)`) as of `context.as_of_utc`.

    Rows that break a critical rule are quarantined with rule, column, value and reason; rows that repeat
    another of their file in every column are dropped and counted. A price day with a slot missing or doubled
    blocks its zone and day ("DE-LU 2020-03-29") while its rows may still be promoted. Raises FrameError for a
    frame of another shape, SuiteError if an expectation cannot be evaluated.
    """
    try:
        landed = conform(frame, landed_contract(dataset))
    except ContractError as error:
        raise FrameError(str(error)) from error
    declared = dataset_contract(dataset)
    rows = landed.drop_duplicates([*declared.names, "source_id"], ignore_index=True)
    repeated = len(landed) - len(rows)
    findings: list[RowFinding] = []
    scopes: list[ScopeFinding] = []
    if not rows.empty:
        findings = run_rules(rows, rules_for(dataset, declared, context))
        scopes.append(_repetition(len(landed), repeated))
        _written(dataset, rows, findings, scopes, context)
    if dataset == "prices":
        scopes += prices.complete_days(rows.loc[~rejected(len(rows), findings)], context)
    return report(dataset, rows, repeated, findings, scopes, context)


def _written(
    dataset: str,
    rows: pd.DataFrame,
    findings: list[RowFinding],
    scopes: list[ScopeFinding],
    context: CheckContext,
) -> None:
    """Add the findings of a dataset's written checks."""
    if dataset == "prices":
        scopes += prices.file_order(rows)
    elif dataset == "checkups":
        findings += [telemetry.future_clock(rows, context), checkups.implausible_capacity(rows, context)]
    elif dataset == "telemetry":
        findings += [telemetry.future_clock(rows, context), telemetry.cell_voltage(rows, context)]
        usable = ~rejected(len(rows), findings)
        findings.append(telemetry.jumps(rows, usable))
        scopes += telemetry.stuck_voltage(rows, usable, context)
        scopes += telemetry.file_order(rows)


def _repetition(rows: int, repeated: int) -> ScopeFinding:
    return ScopeFinding(
        rule="repeated",
        severity="info",
        scope=EVERYTHING,
        rows_checked=rows,
        rows_failed=repeated,
        message="rows that repeat another of their file were dropped" if repeated else "",
    )

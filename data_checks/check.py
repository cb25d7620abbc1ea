"""Check a frame of landed rows: contract rules, then the written checks of its dataset, then the verdict."""

from collections.abc import Iterator

import pandas as pd

from data_checks import (
    cells,
    charge,
    checkups,
    clocks,
    duplicates,
    fleet,
    metering,
    prices,
    sessions,
    stuck,
    telemetry,
    units,
)
from data_checks.errors import FrameError
from data_checks.owners import Owners
from data_checks.packs import Packs
from data_checks.series import Series
from data_checks.suites import rules_for, run_rules
from data_checks.types import (
    EVERYTHING,
    CheckContext,
    CheckReport,
    Mask,
    RowFinding,
    ScopeFinding,
)
from data_checks.verdict import Findings, report
from warehouse.contracts import ContractError, conform, dataset_contract, landed_contract

_OWNERS = {"prices": "zone", "tariffs": "zone", "sites": "site_id"}


def check_frame(dataset: str, frame: pd.DataFrame, context: CheckContext) -> CheckReport:
    """Judge landed rows (shape of `landed_contract(dataset)`) as of `context.as_of_utc`.

    What a file tells of a key at a later moment is another belief, judged as if another file had told it.
    Bad rows are quarantined with rule, column, value and reason: for every contract rule that they break,
    else for the first written check that found them. Rows that repeat another of their file in every column
    are dropped and counted. A price day with a slot missing or doubled blocks its zone and day
    ("DE-LU 2020-03-29") while its rows may still be promoted; a battery or zone of which a file is rejected
    as a whole is blocked too. Batteries do not touch each other: a telemetry frame may be checked in parts
    that hold whole batteries, and `combined_checks` puts them together again. Raises FrameError for a frame
    of another shape, SuiteError if an expectation cannot be evaluated.
    """
    landed, declared = _landed(dataset, frame), dataset_contract(dataset)
    again = duplicates.told_again(landed, declared)
    rows = landed[~again].reset_index(drop=True) if again.any() else landed
    owners = Owners.of(rows, _OWNERS.get(dataset, "battery_id"))
    found, scopes = Findings(rows, context.released), list[ScopeFinding]()
    if not rows.empty:
        packs = Packs.of(owners, context)
        told = owners.apart(duplicates.corrections(rows, declared))
        series = Series.of(rows, told) if dataset == "telemetry" else None
        for broken in run_rules(rows, rules_for(dataset, declared, context)):
            found.add(broken)
        for written in (
            units.implausible_units(rows, declared, owners, context),
            _alone(dataset, rows, owners, packs, context),
            duplicates.contradictions(rows, declared, found.usable),
            _together(dataset, rows, told, packs, series, found.usable, context),
        ):
            for finding in written:
                found.add_written(finding)
        scopes.append(_repetition(len(landed), int(again.sum())))
        scopes += _shown(dataset, rows, told, packs, series, found.usable)
        if dataset == "prices":
            low = units.near_zero(rows, declared, owners, context)
            scopes += prices.about_zero(owners, low & found.usable)
    if dataset == "prices":
        scopes += prices.complete_days(rows.loc[found.usable], context)
    return report(dataset, rows, int(again.sum()), found, owners, scopes, context)


def contract_faults(dataset: str, frame: pd.DataFrame, context: CheckContext) -> list[RowFinding]:
    """Return what the contract alone says against landed rows: that, nobody can release."""
    rows = _landed(dataset, frame)
    findings = run_rules(rows, rules_for(dataset, dataset_contract(dataset), context)) if len(rows) else []
    return [finding for finding in findings if finding.positions.size]


def _landed(dataset: str, frame: pd.DataFrame) -> pd.DataFrame:
    try:
        return conform(frame, landed_contract(dataset))
    except ContractError as error:
        raise FrameError(str(error)) from error


def _alone(
    dataset: str, rows: pd.DataFrame, owners: Owners, packs: Packs, context: CheckContext
) -> Iterator[RowFinding]:
    """Judge rows by themselves."""
    if dataset in ("telemetry", "checkups"):
        yield telemetry.future_clock(rows, context)
        yield clocks.unset(rows, "time_utc")
    if dataset == "telemetry":
        yield cells.cell_voltage(rows, packs)
        yield cells.cell_spread(rows, packs)
        yield telemetry.power(rows, packs)
    elif dataset == "metering":
        yield metering.off_grid(rows)
        yield metering.not_over(rows, context)
        yield clocks.unset(rows, "interval_start_utc")
        yield from metering.other_unit(rows, owners, packs)
        yield from metering.beyond_plug(rows, owners, packs)
    elif dataset == "checkups":
        yield checkups.implausible_capacity(rows, packs)
        yield checkups.implausible_resistance(rows, packs)
    elif dataset == "fleet":
        yield from fleet.ill_matched(rows)
    elif dataset == "sessions":
        yield sessions.endless(rows)
        yield clocks.unset(rows, "arrival_utc")
        yield clocks.far_ahead(rows, "departure_utc")
    elif dataset in ("prices", "tariffs"):
        yield prices.off_grid(rows, context)


def _together(
    dataset: str,
    rows: pd.DataFrame,
    owners: Owners,
    packs: Packs,
    series: Series | None,
    usable: Mask,
    context: CheckContext,
) -> Iterator[RowFinding]:
    """Judge usable rows by the others of their battery or zone and file; `usable` shrinks on the way."""
    if dataset == "prices":
        believed = units.near_zero(rows, dataset_contract(dataset), owners, context)
        yield units.price_level(rows, context, owners, believed)
        yield units.price_outliers(rows, context, owners)
    elif dataset == "sessions":
        yield sessions.told_twice(rows, owners, usable)
        yield sessions.overlapping(rows, owners, usable)
    elif series is not None:
        yield from telemetry.spikes(rows, packs, series.only(usable))
        yield cells.soc_voltage(rows, packs)
        yield from charge.against_soc(rows, owners, packs, series.only(usable))
        yield from stuck.stuck(rows, packs, series.only(usable))


def _shown(
    dataset: str, rows: pd.DataFrame, owners: Owners, packs: Packs, series: Series | None, usable: Mask
) -> list[ScopeFinding]:
    """Return warnings: nothing is rejected for them."""
    if dataset == "prices":
        return [*prices.file_order(rows, owners), *prices.dear(rows, owners, usable)]
    if dataset == "sessions":
        return [
            *sessions.beyond_reach(rows, owners, packs, usable),
            *sessions.placeholders(rows, owners, usable),
        ]
    if series is not None:
        return [
            *stuck.constant_temperature(rows, owners, packs, series.only(usable)),
            *telemetry.file_order(rows, owners),
        ]
    return []


def _repetition(rows: int, repeated: int) -> ScopeFinding:
    return ScopeFinding(
        rule="repeated",
        severity="info",
        scope=EVERYTHING,
        rows_checked=rows,
        rows_failed=repeated,
        message="rows that repeat another of their file were dropped" if repeated else "",
    )

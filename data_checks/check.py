"""Check a frame of ingested rows: contract rules, then the written checks of its dataset, then the
verdict."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from data_checks import (
    activations,
    awards,
    cells,
    charge,
    chargers,
    checkups,
    clocks,
    coarse,
    duplicates,
    fleet,
    metering,
    prices,
    readings,
    sessions,
    soc,
    stuck,
    telemetry,
    units,
)
from data_checks.emptied import Emptied, impossible
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
    Positions,
    RowFinding,
    ScopeFinding,
)
from data_checks.verdict import Findings, report
from warehouse.contracts import (
    ContractError,
    TableContract,
    conform,
    dataset_contract,
    ingested_contract,
    owner_column,
)

_REPEATED = "rows that repeat another of their file were dropped"
_AVERAGED = "readings of a stamp that agree within noise are one row, their mean"


def check_frame(dataset: str, frame: pd.DataFrame, context: CheckContext) -> CheckReport:
    """Judge ingested rows (shape of `ingested_contract(dataset)`) as of `context.as_of_utc`.

    What a file tells of a key at a later moment is another belief, judged as if another file had reported it.
    Bad rows are quarantined with rule, column, value and reason: for every contract rule that they break,
    else for the first written check that found them. Telemetry whose fault is in a column that may be empty
    stays, with that cell emptied and reported in out_check; readings of one stamp that agree become their
    mean. Rows that repeat another of their file in every column are dropped and counted. A price day with a
    slot missing or doubled blocks its zone and day
    ("DE-LU 2020-03-29") while its rows may still be promoted; a battery or zone of which a file is rejected
    as a whole is blocked too. Neither batteries nor the files of one touch each other: a telemetry frame may
    be checked in parts that hold whole files of batteries, and `combined_checks` puts them together again. A
    file too long for that may be checked stretch by stretch, each with its neighbours (`context.within`):
    what is said of a file as a whole is said of each stretch then.
    Raises FrameError for a frame of another shape, SuiteError if an expectation cannot be evaluated.
    """
    ingested, declared = _ingested(dataset, frame), dataset_contract(dataset)
    rivals = duplicates.rivals_of(ingested, declared)
    again = duplicates.repeated(ingested, declared, rivals)
    merged = np.zeros(len(ingested), dtype=bool)
    if dataset == "telemetry" and rivals.size:
        ingested, merged = _averaged(ingested, declared, rivals[~again[rivals]], context)
    gone, judged = again | merged, context.judges(ingested)
    rows = ingested[~gone].reset_index(drop=True) if gone.any() else ingested
    owners = Owners.of(rows, owner_column(dataset))
    found, scopes = Findings(rows, context.released), list[ScopeFinding]()
    emptied = Emptied(rows, "arrival_utc" if dataset == "sessions" else "time_utc")
    if not rows.empty:
        packs = Packs.of(owners, context)
        stated = owners.apart(duplicates.corrections(rows, declared))
        series = Series.of(rows, stated) if dataset == "telemetry" else None
        wrong_units = list(
            units.implausible_units(rows, declared, owners, context)
        )  # of the values as they came
        if dataset == "sessions":
            for cell in sessions.impossible_bands(rows):
                emptied.take(cell)
        if dataset in ("telemetry", "sessions"):
            for cell in impossible(emptied.rows, declared):
                emptied.take(cell)
        if dataset == "sessions":
            emptied.take(sessions.metered_beyond(emptied.rows, packs))
        if dataset == "telemetry":
            for cell in cells.cell_outliers(emptied.rows, packs):
                emptied.take(cell)
        signed = [metering.signature(emptied.rows)] if dataset == "metering" else []
        for broken in (*signed, *run_rules(emptied.rows, rules_for(dataset, declared, context))):
            found.add(broken)
        for written in (
            wrong_units,
            _alone(dataset, emptied.rows, owners, packs, context),
            duplicates.contradictions(emptied.rows, declared, found.usable),
        ):
            for finding in written:
                found.add_written(finding)
        if series is not None:
            for finding in telemetry.spikes(emptied.rows, packs, series.only(found.usable)):
                found.add_written(finding)
            for cell in soc.wrong_soc(emptied.rows, stated, packs, series, found.usable):
                emptied.take(cell)
        for finding in _together(dataset, emptied.rows, stated, packs, series, found.usable, context):
            found.add_written(finding)
        if not judged.all():
            own = judged[~gone]
            found.keep(own)
            emptied.keep(own)
            rows = rows[own].reset_index(drop=True)
            owners = Owners.of(rows, owner_column(dataset))
            stated, packs = owners.apart(duplicates.corrections(rows, declared)), Packs.of(owners, context)
            series = Series.of(rows, stated) if series is not None else None
        scopes.append(_gone("repeated", int(judged.sum()), int((again & judged).sum()), _REPEATED))
        scopes += _shown(dataset, emptied.rows, stated, packs, series, found.usable, context)
        if series is not None:
            scopes.append(_gone("averaged", int(judged.sum()), int((merged & judged).sum()), _AVERAGED))
        scopes += emptied.outcomes(stated, found.usable)
        if dataset == "prices":
            low = units.near_zero(rows, declared, owners, context)
            scopes += prices.about_zero(owners, low & found.usable)
    if dataset == "prices":
        scopes += prices.complete_days(rows.loc[found.usable], context)
    repeated = int((gone & judged).sum())
    return report(dataset, emptied.rows, repeated, found, owners, scopes, context, rows)


def _averaged(
    ingested: pd.DataFrame, declared: TableContract, rivals: Positions, context: CheckContext
) -> tuple[pd.DataFrame, Mask]:
    """Return ingested telemetry with readings of one stamp averaged, and the rows that are in another so."""
    owners = Owners.of(ingested, "battery_id")
    return readings.averaged(ingested, declared, owners, Packs.of(owners, context), rivals)


def contract_faults(dataset: str, frame: pd.DataFrame, context: CheckContext) -> list[RowFinding]:
    """Return what the contract alone says against ingested rows: that, nobody can release."""
    rows = _ingested(dataset, frame)
    findings = run_rules(rows, rules_for(dataset, dataset_contract(dataset), context)) if len(rows) else []
    return [finding for finding in findings if finding.positions.size]


def _ingested(dataset: str, frame: pd.DataFrame) -> pd.DataFrame:
    try:
        return conform(frame, ingested_contract(dataset))
    except ContractError as error:
        raise FrameError(str(error)) from error


def _alone(
    dataset: str, rows: pd.DataFrame, owners: Owners, packs: Packs, context: CheckContext
) -> Iterator[RowFinding]:
    """Judge rows by themselves."""
    if dataset in ("telemetry", "soc_power", "checkups"):
        yield telemetry.future_clock(rows, context)
        yield clocks.unset(rows, "time_utc")
    if dataset == "telemetry":
        yield from cells.cell_voltage(rows, packs)
        yield cells.cell_spread(rows, packs)
        yield telemetry.power(rows, packs)
    elif dataset == "soc_power":
        yield coarse.beyond_pack(rows, packs)
    elif dataset == "metering":
        yield metering.off_grid(rows)
        yield metering.not_over(rows, context)
        yield clocks.unset(rows, "interval_start_utc")
        yield from metering.other_unit(rows, owners, packs)
        yield from metering.beyond_plug(rows, owners, packs)
    elif dataset == "checkups":
        yield checkups.implausible_capacity(rows, packs)
        yield checkups.implausible_resistance(rows, packs)
    elif dataset == "chargers":
        yield from chargers.least_above_most(rows)
    elif dataset == "fleet":
        yield from fleet.ill_matched(rows)
    elif dataset == "sessions":
        yield sessions.endless(rows)
        yield clocks.unset(rows, "arrival_utc")
        yield clocks.far_ahead(rows, "departure_utc")
    elif "resolution_minutes" in rows:
        yield clocks.unset(rows, "interval_start_utc")
        yield clocks.far_ahead(rows, "interval_start_utc")
        yield prices.off_grid(rows, context)
    elif dataset == "awards":
        yield clocks.unset(rows, "interval_start_utc")
        yield clocks.far_ahead(rows, "interval_start_utc")
        yield awards.off_grid(rows)
        yield awards.long(rows)
    elif dataset == "activations":
        yield metering.off_grid(rows)
        yield metering.not_over(rows, context)
        yield clocks.unset(rows, "interval_start_utc")
        yield from activations.longer_intervals(rows)


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
        yield sessions.stated_twice(rows, owners, usable)
        yield sessions.overlapping(rows, owners, usable)
    elif dataset == "soc_power":
        yield from coarse.against_soc(rows, owners, packs, usable)
    elif series is not None:
        yield from charge.against_soc(rows, owners, packs, series.only(usable))
        yield stuck.stuck_voltage(rows, packs, series.only(usable))


def _shown(
    dataset: str,
    rows: pd.DataFrame,
    owners: Owners,
    packs: Packs,
    series: Series | None,
    usable: Mask,
    context: CheckContext,
) -> list[ScopeFinding]:
    """Return warnings: nothing is rejected for them."""
    if dataset == "prices":
        return [*prices.file_order(rows, owners), *prices.dear(rows, owners, usable)]
    if dataset == "sessions":
        return [
            *sessions.beyond_reach(rows, owners, packs, usable),
            *sessions.placeholders(rows, owners, usable),
            *sessions.shares_of_per_cent(rows, owners, packs, usable),
            *sessions.ids_again(rows, owners, usable, context.known_sessions),
        ]
    if dataset == "checkups":
        return checkups.large_capacity(rows, owners, packs, usable)
    if dataset == "soc_power":
        return coarse.unseen(rows, owners, packs, usable)
    if series is not None:
        return [
            *charge.unseen(rows, owners, packs, series.only(usable)),
            *stuck.constant_temperature(rows, owners, packs, series.only(usable)),
            *telemetry.file_order(rows, owners),
        ]
    return []


def _gone(rule: str, rows: int, gone: int, message: str) -> ScopeFinding:
    """Tell of rows that are no longer there by themselves; nothing is wrong with them."""
    return ScopeFinding(
        rule=rule,
        severity="info",
        scope=EVERYTHING,
        rows_checked=rows,
        rows_failed=gone,
        message=message if gone else "",
    )

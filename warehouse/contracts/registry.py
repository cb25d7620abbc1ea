"""Every table there is, by name: inputs as raw and core tables, what the store notes, and outputs."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from warehouse.contracts.backtest import BACKTEST
from warehouse.contracts.bids import BIDS
from warehouse.contracts.forecast import FORECAST
from warehouse.contracts.inputs import DATASETS
from warehouse.contracts.outputs import OUTPUTS, SEVERITIES
from warehouse.contracts.privacy import PRIVACY
from warehouse.contracts.realised import REALISED
from warehouse.contracts.reasons import REASONS
from warehouse.contracts.settlement import SETTLEMENT
from warehouse.contracts.types import TableContract, choice, integer, moment, number, text
from warehouse.errors import UnknownTableError, nearest

_SOURCE_ID = text("source_id", "File the row came from: hash of its content, source and options")
_SOURCE_ROW = integer("source_row", "Data row in the file, from 1", 1)
_CORE_SOURCE_ROW = replace(_SOURCE_ROW, nullable=True)
_RECEIVED = moment("received_utc", "When the file arrived; the later received of two beliefs holds")
_OWN_RECEIVED = moment("received_utc", "When the row was received; null: with its file", nullable=True)

_STORE_TABLES = (
    TableContract(
        name="raw_source",
        description="One row a file or response that was ingested.",
        columns=(
            _SOURCE_ID,
            text("dataset", "Dataset"),
            text("source", "Reader that parsed it"),
            text("file_name", "Name of the file"),
            text("sha256", "SHA-256 of its bytes"),
            integer("rows", "Rows ingested", 0),
            text("provider", "Who published it", nullable=True),
            text("licence", "Under which licence", nullable=True),
            text("attribution", "What the licence wants to be said", nullable=True),
            text("options", "How it was read, as JSON: zone, rate of exchange, …", nullable=True),
            text("url", "Address it was fetched from, without secrets; null for a file", nullable=True),
            moment("fetched_utc", "When it was fetched; null for a file", nullable=True),
            _RECEIVED,
            moment("checked_utc", "When its rows were checked and promoted; null until then", nullable=True),
            moment(
                "pruned_utc", "When retention let its raw rows go; null while they are kept", nullable=True
            ),
            text("received", "What tells when each row was received; null: its file's time", nullable=True),
            text(
                "transactions",
                "What its messages reported, as JSON, for other logs of OCPP to go on from",
                nullable=True,
            ),
        ),
        key=("source_id",),
    ),
    TableContract(
        name="core_quarantine",
        description="One row a bad row and rule it broke: why it is not in the core table.",
        columns=(
            text("dataset", "Dataset"),
            text("rule", "Rule broken"),
            choice("severity", "Severity of the rule", SEVERITIES),
            text("column_name", "Column at fault", nullable=True),
            text("value", "Value at fault, as text", nullable=True),
            text("reason", "What is wrong with it"),
            text("row_key", "Key of the row, as text"),
            _SOURCE_ID,
            _SOURCE_ROW,
            text("run_id", "Run that found it"),
            moment("found_utc", "When it was found"),
        ),
        sort=("dataset", "source_id", "source_row", "rule", "column_name"),
    ),
    TableContract(
        name="core_release",
        description="One row a decision of a person on a quarantined row and rule; the last one holds.",
        columns=(
            integer("sequence", "Order of the decisions, from 1", 1),
            choice("action", "release lets the row in, withdraw takes that back", ("release", "withdraw")),
            text("dataset", "Dataset"),
            text("rule", "Rule that is set aside for the row"),
            _SOURCE_ID,
            _SOURCE_ROW,
            text("decided_by", "Who decided"),
            text("reason", "Why"),
            moment("decided_utc", "When"),
        ),
        sort=("sequence", "dataset", "source_id", "source_row", "rule"),
    ),
    TableContract(
        name="core_withdrawal",
        description="One row a decision of a person on an ingested row: whether it counts; the last one "
        "holds.",
        columns=(
            integer("sequence", "Order of the decisions, from 1", 1),
            choice(
                "action",
                "withdraw: as if the row had never come; restore takes that back",
                ("withdraw", "restore"),
            ),
            text("dataset", "Dataset"),
            _SOURCE_ID,
            _SOURCE_ROW,
            text("decided_by", "Who decided"),
            text("reason", "Why"),
            moment("decided_utc", "When; at earlier moments the row is what it was"),
        ),
        sort=("sequence", "dataset", "source_id", "source_row"),
    ),
)

_COMPACTED = TableContract(
    name="core_telemetry_15min",
    description="core_telemetry in quarter-hours: what stays when the samples themselves are pruned.",
    columns=(
        *DATASETS["telemetry"].columns[:1],
        moment("interval_start_utc", "Start of the half-open quarter-hour"),
        integer("samples", "Samples that began in it", 1),
        number("covered_minutes", "min", "Time the samples stand for"),
        number("voltage_mean_v", "V", "Mean pack voltage of the samples"),
        number("voltage_min_v", "V", "Lowest pack voltage"),
        number("voltage_max_v", "V", "Highest pack voltage"),
        number("current_mean_a", "A", "Mean pack current of the samples, + = charge"),
        number("charge_ah", "Ah", "Charge put in"),
        number("discharge_ah", "Ah", "Charge taken out, ≥ 0"),
        number("charge_kwh", "kWh", "Energy put in, battery side"),
        number("discharge_kwh", "kWh", "Energy taken out, battery side, ≥ 0"),
        number("temperature_mean_degc", "°C", "Mean temperature of the samples"),
        number("soc_last", "1", "Charge as the car said it last", nullable=True),
        number("cell_voltage_min_v", "V", "Lowest cell voltage", nullable=True),
        number("cell_voltage_max_v", "V", "Highest cell voltage", nullable=True),
    ),
    key=("battery_id", "interval_start_utc"),
    daily=True,
)


def _raw(declared: TableContract) -> TableContract:
    """Return the raw table: every value as it arrived, nothing promised but its origin."""
    columns = tuple(replace(column, nullable=True) for column in declared)
    return TableContract(
        name=f"raw_{declared.name}",
        description=f"As it arrived, immutable. {declared.description}",
        columns=(*columns, _SOURCE_ID, _SOURCE_ROW, _OWN_RECEIVED),
        sort=("source_id", "source_row", *declared.key),
    )


def _core(declared: TableContract) -> TableContract:
    """Return the core table: checked rows, one belief a key."""
    return replace(
        declared,
        name=f"core_{declared.name}",
        description=f"Checked, latest belief. {declared.description}",
        columns=(*declared.columns, _SOURCE_ID, _RECEIVED, _CORE_SOURCE_ROW),
    )


_SUPERSEDED = replace(
    _core(DATASETS["sessions"]),
    name="core_session_superseded",
    description="Sessions that another one of their car, received later, overlaps and replaces.",
    columns=(
        *_core(DATASETS["sessions"]).columns,
        text("by_session_id", "Session that replaced it"),
        text("by_source_id", "File that reported of that one"),
        replace(_CORE_SOURCE_ROW, name="by_source_row", description="Data row in that file, from 1"),
        moment("by_received_utc", "When that file arrived"),
    ),
)


def _amended(dataset: str) -> TableContract:
    """Return the table of what the checks made of good rows that they did not take as they had been
    ingested."""
    declared = DATASETS[dataset]
    return TableContract(
        name=f"core_{declared.name}_amended",
        description="Good rows as the checks left them, where that is not as they were ingested: cells "
        "emptied, "
        "readings of one stamp averaged. An earlier belief comes forward like this.",
        columns=(*declared.columns, _SOURCE_ID, _SOURCE_ROW),
        sort=("source_id", "source_row"),
    )


AMENDED: Mapping[str, TableContract] = MappingProxyType(
    {dataset: _amended(dataset) for dataset in ("telemetry", "sessions")}
)
"""Dataset whose checks amend rows → the table of these."""

_TABLES = (
    *_STORE_TABLES,
    *(_raw(declared) for declared in DATASETS.values()),
    *(_core(declared) for declared in DATASETS.values()),
    _SUPERSEDED,
    *AMENDED.values(),
    _COMPACTED,
    *OUTPUTS,
    *REALISED,
    *SETTLEMENT,
    *BACKTEST,
    *FORECAST,
    *BIDS,
    *PRIVACY,
    *REASONS,
)
CONTRACTS: Mapping[str, TableContract] = MappingProxyType({table.name: table for table in _TABLES})
"""Table name → contract, for every table of the warehouse."""


_OWNERS: Mapping[str, str | None] = {"battery_id": "fleet", "site_id": "sites", "zone": None}
"""What rows are of → the dataset that declares it, if one does."""


def table_contract(table: str) -> TableContract:
    """Return the contract of a table; UnknownTableError names the nearest one."""
    try:
        return CONTRACTS[table]
    except KeyError:
        raise UnknownTableError(f"no table {table!r}{nearest(table, CONTRACTS)}") from None


def dataset_contract(dataset: str) -> TableContract:
    """Return the declaration of a dataset (prices, telemetry, metering, sessions, …)."""
    try:
        return DATASETS[dataset]
    except KeyError:
        raise UnknownTableError(f"no dataset {dataset!r}{nearest(dataset, DATASETS)}") from None


def file_contract(dataset: str) -> TableContract:
    """Return the declaration of a dataset without the columns that no file may state."""
    contract = dataset_contract(dataset)
    return replace(contract, columns=tuple(column for column in contract if not column.derived))


def owner_column(dataset: str) -> str:
    """Return the column that tells whose a row is: its battery, else its site, else its zone."""
    names = dataset_contract(dataset).names
    return next(name for name in _OWNERS if name in names)


def reference(dataset: str) -> tuple[str, str | None]:
    """Return the column whose values have to be known before a row means something, and what declares them.

    None: zones, which are known without a dataset.
    """
    names = dataset_contract(dataset).names
    return next(one for one in _OWNERS.items() if one[0] in names and one[1] != dataset)


def raw_contract(dataset: str) -> TableContract:
    """Return the raw table of a dataset."""
    return CONTRACTS[f"raw_{dataset_contract(dataset).name}"]


def ingested_contract(dataset: str) -> TableContract:
    """Return the shape of ingested rows on their way to the checks: the raw table, every row received."""
    raw = raw_contract(dataset)
    return replace(raw, columns=tuple(_RECEIVED if c.name == _RECEIVED.name else c for c in raw.columns))


def core_contract(dataset: str) -> TableContract:
    """Return the core table of a dataset."""
    return CONTRACTS[f"core_{dataset_contract(dataset).name}"]

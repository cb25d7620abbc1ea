import datetime as dt

import numpy as np
import pandas as pd
import pytest

from tests.warehouse.builders import NOW, prices, telemetry
from warehouse.contracts import (
    CONTRACTS,
    DATASETS,
    Column,
    Kind,
    TableContract,
    conform,
    data_dictionary,
    dataset_contract,
    ddl,
    table_contract,
)
from warehouse.errors import ContractError, UnknownTableError

CORE_PRICE = CONTRACTS["core_price"]


def core_prices():
    return prices().assign(source_id="s", received_utc=pd.Timestamp(NOW))


def test_every_dataset_has_a_raw_and_a_core_table_of_its_columns():
    for declared in DATASETS.values():
        raw, core = CONTRACTS[f"raw_{declared.name}"], CONTRACTS[f"core_{declared.name}"]
        assert raw.names == (*declared.names, "source_id", "source_row", "received_utc")
        assert core.names == (*declared.names, "source_id", "received_utc", "source_row")
        assert all(raw.column(name).nullable for name in (*declared.names, "received_utc"))
        assert core.key == declared.key


def test_every_output_but_checks_and_runs_carries_its_lineage():
    for name, contract in CONTRACTS.items():
        if name.startswith("out_") and name not in ("out_check", "out_run"):
            assert {"run_id", "as_of_utc", "input_hash", "code_version"} <= set(contract.names), name
            # a text, openings that tell metered_slots, what is of no battery any more, of all together
            others = {"out_contract", "out_ledger", "out_erasure", "out_private_release"}
            if name not in others | {"out_imbalance_side"}:
                told = {"quality", "plan_source", "metered_slots", "metered_kwh", "days"}
                assert told & set(contract.names), name


def test_ddl_enforces_keys_except_on_what_is_stored_by_day():
    assert "PRIMARY KEY (zone, interval_start_utc)" in ddl(CORE_PRICE)
    assert all("PRIMARY KEY" not in ddl(CONTRACTS[name]) for name in ("core_telemetry", "core_metering"))
    assert "price_eur_per_kwh DOUBLE NOT NULL" in ddl(CORE_PRICE)
    assert "price_eur_per_kwh DOUBLE," in ddl(CONTRACTS["raw_price"])


def test_data_dictionary_names_every_table_and_column():
    text = data_dictionary()
    for contract in CONTRACTS.values():
        section = text.split(f"## {contract.name}\n")[1].split("\n## ")[0]
        assert all(f"| {column} |" in section for column in contract.names)


def test_a_contract_that_contradicts_itself_is_refused():
    column = Column(name="a", kind=Kind.TEXT, description="")
    with pytest.raises(ValueError, match="declared twice"):
        TableContract(name="t", description="", columns=(column, column), key=("a",))
    with pytest.raises(ValueError, match="are not columns"):
        TableContract(name="t", description="", columns=(column,), key=("b",))
    with pytest.raises(ValueError, match="minimum"):
        Column(name="x", kind=Kind.FLOAT, description="", minimum=2, maximum=1)
    with pytest.raises(ValueError, match="snake_case"):
        Column(name="x; DROP TABLE y", kind=Kind.TEXT, description="")


def test_unknown_names_bring_the_nearest():
    with pytest.raises(UnknownTableError, match="core_price"):
        table_contract("core_prices")
    with pytest.raises(UnknownTableError, match="telemetry"):
        dataset_contract("telemetri")


def test_conform_orders_columns_and_sets_dtypes():
    frame = conform(core_prices().iloc[:, ::-1], CORE_PRICE)
    assert tuple(frame.columns) == CORE_PRICE.names
    assert [str(dtype) for dtype in frame.dtypes] == [
        "str", "datetime64[us, UTC]", "int64", "float64", "str", "datetime64[us, UTC]", "Int64",
    ]  # fmt: skip


def test_conform_keeps_the_instant_of_local_times():
    local = core_prices().assign(
        interval_start_utc=lambda f: f["interval_start_utc"].dt.tz_convert("Europe/Berlin")
    )
    assert conform(local, CORE_PRICE)["interval_start_utc"][0] == pd.Timestamp("2020-03-28T23:00Z")


def test_conform_fills_missing_nullable_columns_only():
    rows = telemetry(minutes=3).drop(columns="soc_reported").assign(source_id="s", received_utc=NOW)
    assert conform(rows, CONTRACTS["core_telemetry"])["soc_reported"].isna().all()
    with pytest.raises(ContractError, match="'voltage_v' is missing"):
        conform(rows.drop(columns="voltage_v"), CONTRACTS["core_telemetry"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"price_eur_per_kwh": np.nan}, r"core_price.price_eur_per_kwh: 23 of 23 values are null"),
        ({"price_eur_per_kwh": "cheap"}, r"core_price.price_eur_per_kwh: not float"),
        ({"resolution_minutes": 15.5}, r"core_price.resolution_minutes: not int: 15.5 is not whole"),
        ({"interval_start_utc": dt.datetime(2020, 1, 1)}, r"times are naive"),
        ({"zone": 7}, r"core_price.zone: not text: 7 is int64"),
        ({"zonee": "x"}, r"unknown column 'zonee'; did you mean 'zone'"),
    ],
)
def test_conform_names_what_does_not_fit(change, message):
    with pytest.raises(ContractError, match=message):
        conform(core_prices().assign(**change), CORE_PRICE)


def test_conform_of_no_rows_has_the_tables_dtypes():
    for contract in CONTRACTS.values():
        empty = conform(pd.DataFrame(columns=contract.names), contract)
        assert tuple(empty.columns) == contract.names
        assert empty.empty


def test_conform_reads_dates_and_refuses_times_as_dates():
    contract = TableContract(
        name="t", description="", columns=(Column(name="day", kind=Kind.DATE, description=""),), key=("day",)
    )
    frame = conform(pd.DataFrame({"day": ["2020-03-29"]}), contract)
    assert frame["day"][0] == dt.date(2020, 3, 29)
    with pytest.raises(ContractError, match="is a time"):
        conform(pd.DataFrame({"day": [pd.Timestamp("2020-03-29")]}, dtype=object), contract)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda contract: contract.name)
def test_a_frame_that_fits_is_as_it_was_and_a_column_that_does_not_is_still_reported(contract):
    empty = conform(pd.DataFrame({name: [] for name in contract.names}, dtype=object), contract)
    pd.testing.assert_frame_equal(conform(empty, contract), empty)
    for column in contract:
        without = empty.drop(columns=column.name)
        if column.nullable:
            pd.testing.assert_frame_equal(conform(without, contract), empty)
        else:
            with pytest.raises(ContractError, match=f"column '{column.name}' is missing"):
                conform(without, contract)
        other = empty.assign(**{column.name: pd.Series([], dtype="float64")})
        if column.kind is not Kind.TIME:  # of no rows any other dtype becomes the table's
            pd.testing.assert_frame_equal(conform(other, contract), empty)
    # A moment of another zone is brought to UTC, however alike the dtypes are.
    for column in (one for one in contract if one.kind is Kind.TIME):
        local = empty.assign(**{column.name: empty[column.name].dt.tz_convert("Europe/Berlin")})
        pd.testing.assert_frame_equal(conform(local, contract), empty)

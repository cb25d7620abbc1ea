from pathlib import Path

import pytest

from flows.errors import SettingsError
from flows.settings import load_settings, template
from tests.benchmarks.data import VARIABLE


def written(folder: Path, text: str) -> Path:
    file = folder / "v2g.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_new_file_holds_the_defaults(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, template("FI")))
    assert settings.fleet.zone == "FI"
    assert settings.plan.wear == "auto"
    assert settings.plan.terminal_value_eur_per_kwh is None
    assert settings.model_dump() == load_settings(written(tmp_path, '[fleet]\nzone = "FI"\n')).model_dump()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "[plan]\nwear = 'law'\ndrawdown_limt = 0.5\n",
            ["v2g.toml:3", "[plan] drawdown_limt", "drawdown_limit?"],
        ),
        ("[tarif]\nvat = 0.19\n", ["v2g.toml:1", "[tarif]", "no such section", "tariff?"]),
        ("vat = 0.19\n", ["v2g.toml:1", "vat", "no such section"]),
        ("[plan]\nwear = 'laws'\n", ["v2g.toml:2", "[plan] wear = 'laws'", "law"]),
        ("[tariff]\nvat = 19\n", ["v2g.toml:2", "[tariff] vat = 19", "less than or equal to 1"]),
        ("[tariff]\nvat = nan\n", ["v2g.toml:2", "[tariff] vat = nan", "finite"]),
        (
            "[schedule]\nplan = '02:30'\n",
            ["v2g.toml:2", "[schedule] plan = '02:30'", "outside the hours 01–03"],
        ),
        ("[plan\n", ["v2g.toml", "not TOML", "line 1"]),
    ],
)
def test_a_mistake_names_the_line_and_the_nearest_right_key(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text))
    for part in parts:
        assert part in str(caught.value)


def test_every_mistake_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, "[plan]\nwaer = 'law'\n[calibrate]\nworkers = -1\n"))
    assert "wear?" in str(caught.value)
    assert "workers = -1" in str(caught.value)


def test_a_variable_overrides_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V2G_TARIFF__VAT", "0.19")
    monkeypatch.setenv("V2G_DEBUG", "0")
    settings = load_settings(written(tmp_path, "[tariff]\nimport_adder_eur_per_kwh = 0.1\nvat = 0.07\n"))
    assert settings.tariff.vat == 0.19
    assert settings.tariff.import_adder_eur_per_kwh == 0.1


@pytest.mark.parametrize("name", ["V2G_TARIF__VAT", "V2G_TARIFF__VATT"])
def test_a_mistyped_variable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "0.19")
    with pytest.raises(SettingsError, match=f"{name}.*V2G_TARIFF__VAT"):
        load_settings(written(tmp_path, template("DE-LU")))


@pytest.mark.parametrize(
    ("name", "value", "parts"),
    [
        ("V2G_PLAN__WEAR", "laws", ["[plan] wear = 'laws'", "law"]),
        ("v2g_tariff__vat", "19", ["[tariff] vat = '19'", "less than or equal to 1"]),
        ("V2G_TARIFF__VAT", "nan", ["finite"]),
        ("V2G_SCHEDULE__PLAN", "02:30", ["outside the hours 01–03"]),
        ("V2G_PLAN__PEAK_HOURS", "17,18", ["'17,18'", "JSON is needed, as in [17, 18, 19]"]),
        ("V2G_PLAN__PEAK_HOURS", "[17, 99]", ["peak_hours 1 = 99"]),
        ("V2G_PLAN", "law", ["JSON is needed"]),
        ("V2G_PLAN", '{"wear": "laws"}', ["[plan] wear = 'laws'"]),
        ("V2G_PLAN", '{"waer": "law"}', ["no such key; did you mean wear?"]),
        ("V2G_PLAN", "17", ["[plan] = 17"]),
        ("V2G_PLAN_WEAR", "law", ["no such setting; did you mean V2G_PLAN__WEAR?"]),
        ("V2G_PLANN", "{}", ["no such setting"]),
        ("V2G_TARIFF__VAT__X", "1", ["no such setting; did you mean V2G_TARIFF__VAT?"]),
    ],
)
def test_an_error_in_a_variable_names_the_variable_and_no_line_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, parts: list[str]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, template("DE-LU")))
    text = str(caught.value)
    assert text.startswith(f"environment variable {name}")
    assert "v2g.toml" not in text
    for part in parts:
        assert part in text


def test_an_error_in_the_file_next_to_a_right_variable_names_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2G_PLAN__WEAR", "law")
    monkeypatch.setenv("V2G_TARIFF", '{"import_adder_eur_per_kwh": 0.1}')
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, "[plan]\nwear = 'rate'\nv2g_limit_kwh = -1\n[tariff]\nvat = 7\n"))
    assert "v2g.toml:3: [plan] v2g_limit_kwh = -1" in str(caught.value)
    assert "v2g.toml:5: [tariff] vat = 7" in str(caught.value)


def test_where_public_data_lie_is_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert load_settings(written(tmp_path, template("DE-LU"))).fleet.zone == "DE-LU"

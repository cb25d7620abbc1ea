"""ocpi.toml and its tokens: read, and refused by name where they cannot be right."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from flows.dispatch.ocpi.config import FILE_NAME, callback_token_of, load_config, token_of
from flows.errors import UsageError

WHOLE = (
    'versions_url = "https://cpo.example/ocpi/versions"\nfrom_party = "de*v2g"\nto_party = "NL*TNM"\n'
    'callback_url = "https://us.example/ocpi"\n'
    '[cars]\n"04a2" = "CAR1"\n'
)


def test_settings_are_read_and_what_cannot_be_right_is_named(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_text(WHOLE)
    config = load_config(file)
    assert (config.from_party, config.cars) == ("DE*V2G", {"04A2": "CAR1"})
    for text, part in (
        (WHOLE.replace("https://cpo", "http://cpo"), "https is needed for another machine"),
        (WHOLE.replace("NL*TNM", "NLTNM"), "country code and party id"),
        (WHOLE.replace("from_party", "form_party"), "form_party"),
        (WHOLE.replace('"CAR1"', "7"), "cars.04a2"),
        (WHOLE.replace("[cars]", 'listen = "9230"\n[cars]'), "a host and a port"),
        (WHOLE.replace('callback_url = "https://us.example/ocpi"', ""), "callback_url is needed"),
        (WHOLE + '"04A2" = "CAR2"\n', "cars: Value error, '04A2' stands twice"),
        ("versions_url", "not TOML"),
    ):
        file.write_text(text)
        with pytest.raises(UsageError, match=FILE_NAME) as refused:
            load_config(file)
        assert part in str(refused.value)
    file.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(file)


def test_tokens_come_from_the_environment_or_a_private_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE_NAME).write_text(WHOLE.replace("[cars]", 'token_file = "t"\n[cars]'))
    config = load_config(tmp_path / FILE_NAME)
    file = tmp_path / "t"
    with pytest.raises(UsageError, match="cannot be read"):
        token_of(config, tmp_path)
    file.write_text("secret-of-a-file\n")
    file.chmod(0o644)
    with pytest.raises(UsageError, match="read by others"):
        token_of(config, tmp_path)
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert token_of(config, tmp_path) == "secret-of-a-file"
    monkeypatch.setenv("OCPI_TOKEN", "of-the-environment")
    assert token_of(config, tmp_path) == "of-the-environment"
    monkeypatch.setenv("OCPI_TOKEN", "two words")
    with pytest.raises(UsageError) as refused:
        token_of(config, tmp_path)
    assert "two words" not in str(refused.value)
    assert callback_token_of(config, tmp_path) is None
    monkeypatch.delenv("OCPI_TOKEN")
    with pytest.raises(UsageError, match="OCPI_TOKEN"):
        token_of(config.model_copy(update={"token_file": ""}), tmp_path)

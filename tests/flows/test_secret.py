"""Secrets of files: private, one of two ways, and out of what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.errors import UsageError
from flows.problem import problem_of
from flows.secret import secret, without_secrets

VALUE = "3f0c7d1e-94ab-4c6b-8f52-d0e19b7ac3f4"


def kept(folder: Path, text: bytes, mode: int = 0o600) -> Path:
    file = folder / "token"
    file.write_bytes(text)
    file.chmod(mode)
    return file


def test_a_secret_is_of_the_environment_or_of_a_private_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ENTSOE_TOKEN", "ENTSOE_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert secret("ENTSOE_TOKEN") == ""
    monkeypatch.setenv("ENTSOE_TOKEN", f" {VALUE}\n")
    assert secret("ENTSOE_TOKEN") == VALUE
    monkeypatch.setenv("ENTSOE_TOKEN_FILE", str(kept(tmp_path, f"{VALUE}\n".encode())))
    with pytest.raises(UsageError, match="ENTSOE_TOKEN and ENTSOE_TOKEN_FILE are both set"):
        secret("ENTSOE_TOKEN")
    monkeypatch.delenv("ENTSOE_TOKEN")
    assert secret("ENTSOE_TOKEN") == VALUE


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        (VALUE.encode(), 0o640, "can be read by others"),
        (VALUE.encode(), 0o604, "can be read by others"),
        (b" \n", 0o600, "is empty"),
        (b"\xff" + VALUE.encode(), 0o600, "is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: bytes, mode: int, why: str
) -> None:
    monkeypatch.delenv("NOTIFY_TOKEN", raising=False)
    monkeypatch.setenv("NOTIFY_TOKEN_FILE", str(kept(tmp_path, text, mode)))
    with pytest.raises(UsageError, match=f"NOTIFY_TOKEN_FILE: .*token {why}") as refused:
        secret("NOTIFY_TOKEN")
    assert VALUE not in str(refused.value)
    (tmp_path / "token").unlink()
    with pytest.raises(UsageError, match=r"NOTIFY_TOKEN_FILE: .* cannot be read: No such file"):
        secret("NOTIFY_TOKEN")


@pytest.mark.parametrize(
    ("name", "value", "inner"),
    [
        ("SMTP_PASSWORD", VALUE, VALUE),
        ("PREFECT_API_AUTH_STRING", f"v2g:{VALUE}", VALUE),
        ("PREFECT_API_URL", f"https://watcher:{VALUE}@prefect.example/api", VALUE),
        ("V2G_LEDGER_KEY", f"PRIVATE+KEY+a+0011aabb+{VALUE}", f"PRIVATE+KEY+a+0011aabb+{VALUE}"),
        ("MY_OWN_TOKEN", VALUE, VALUE),
    ],
)  # fmt: skip
def test_whatever_is_said_is_without_them(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, inner: str
) -> None:
    before = without_secrets(f"at {inner}, refused")
    assert before == f"at {inner}, refused"
    monkeypatch.setenv(name, value)
    assert without_secrets(f"at {inner}, refused") == "at …, refused"
    assert problem_of(RuntimeError(f"at {inner}")).message == "RuntimeError: at …"
    assert without_secrets("prices of 2026-06-14 by entsoe") == "prices of 2026-06-14 by entsoe"

"""Pseudonyms by purpose: HMAC-SHA256 of an id under a key of the purpose and epoch alone.

pseudonyms.key of the workspace, for its owner alone, or V2G_PSEUDONYM_KEYS with the same text: one JSON
object a line, {"purpose": "research", "epoch": 1, "key": "<64 hexadecimal digits>"}. Without the key nobody
can tell whose a pseudonym is, nor which one a car has under another purpose or epoch. Kinds of ids are kept
apart: a car and an owner of the same name have different ones.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from warehouse.errors import ContractError
from warehouse.files import folder_held, write_whole

FILE = "pseudonyms.key"
KEYS_VARIABLE = "V2G_PSEUDONYM_KEYS"
PSEUDONYM = r"p[a-z2-7]{26}"
"""What every pseudonym looks like."""
KINDS = ("battery_id", "session_id", "site_id", "charger_id", "made")
_PURPOSE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_KEY = re.compile(r"[0-9a-f]{64}")
_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeKey:
    """The key of a purpose and epoch; its repr does not show it."""

    purpose: str
    epoch: int
    key: str = field(repr=False)

    def pseudonym(self, kind: str, value: str) -> str:
        """What stands for an id: "p" and 26 letters and digits, 128 bits."""
        said = f"{self.purpose}\0{self.epoch}\0{kind}\0{value}".encode()
        digest = hmac.new(bytes.fromhex(self.key), said, hashlib.sha256).digest()[:_BYTES]
        return "p" + base64.b32encode(digest).decode().rstrip("=").lower()


def keys_of(text: str) -> Sequence[PurposeKey]:
    """Read the keys; raises ContractError that names the line and repeats no key."""
    found: list[PurposeKey] = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            said = json.loads(line)
            one = PurposeKey(purpose=said["purpose"], epoch=said["epoch"], key=said["key"])
            right = (
                set(said) == {"purpose", "epoch", "key"}
                and _PURPOSE.fullmatch(one.purpose)
                and type(one.epoch) is int
                and one.epoch >= 1
                and _KEY.fullmatch(one.key)
            )
        except (ValueError, KeyError, TypeError):
            right = None
        if not right:
            raise ContractError(
                f"pseudonyms' keys, line {number}: no purpose, epoch and key of 64 hex digits"
            )
        if any((one.purpose, one.epoch) == (other.purpose, other.epoch) for other in found):
            raise ContractError(
                f"pseudonyms' keys, line {number}: {one.purpose}, epoch {one.epoch}, is there twice"
            )
        if any(one.key == other.key for other in found):
            raise ContractError(f"pseudonyms' keys, line {number}: {one.purpose} has the key of another line")
        found.append(one)
    return found


def read_keys(root: Path, stated: str | None = None) -> Sequence[PurposeKey]:
    """Those stated, else of the workspace's file, none without it; raises ContractError."""
    if stated:
        return keys_of(stated)
    path = root / FILE
    try:
        if path.stat().st_mode & 0o077:
            raise ContractError(f"{path} can be read by others: chmod 600 it, and rotate its keys")
        return keys_of(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []


def current(keys: Iterable[PurposeKey], purpose: str, epoch: int | None = None) -> PurposeKey | None:
    """The key of a purpose's newest epoch, or of the one named; None where there is none."""
    own = [one for one in keys if one.purpose == purpose and epoch in (None, one.epoch)]
    return max(own, key=lambda one: one.epoch, default=None)


def rotate(root: Path, purpose: str, *, keep: bool) -> PurposeKey:
    """Make the first key of a purpose, or that of its next epoch; the earlier ones go, unless `keep`.

    Raises ContractError for a purpose that is no name.
    """
    if not _PURPOSE.fullmatch(purpose):
        raise ContractError(f"{purpose!r} is no name of a purpose: small letters, digits, - and _")
    with folder_held(root):  # another purpose's key may be made at once
        keys = read_keys(root)
        last = current(keys, purpose)
        fresh = PurposeKey(
            purpose=purpose, epoch=1 if last is None else last.epoch + 1, key=secrets.token_hex(32)
        )
        stay = [one for one in keys if keep or one.purpose != purpose]
        lines = [
            json.dumps({"purpose": one.purpose, "epoch": one.epoch, "key": one.key}) for one in (*stay, fresh)
        ]
        write_whole(root / FILE, "\n".join(lines) + "\n")
    return fresh


def pseudonyms_of(keys: Iterable[PurposeKey], ids: Mapping[str, Iterable[str]]) -> set[str]:
    """Every pseudonym of ids, given by kind, under any of the keys."""
    return {one.pseudonym(kind, value) for one in keys for kind, values in ids.items() for value in values}

"""Signed notes and checkpoints of the C2SP form, with Ed25519 keys.

A key's text is that of golang.org/x/mod/sumdb/note: `PRIVATE+KEY+name+id+base64` for who signs and
`name+id+base64` for who verifies. A checkpoint's origin is the name of the key that signs it. Cosignatures of
witnesses are those of c2sp.org/tlog-cosignature (cosignature/v1).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from warehouse.errors import LedgerError

_NOTE, _COSIGNATURE = 1, 4
_NAME = re.compile(r"[^\s+]{1,200}")
_HASH_BYTES = 32
_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Who may have signed: the key's name, what it signs (a note, or as a witness) and its 32 bytes."""

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read `name+id+base64`; raises LedgerError."""
        name, _, rest = text.partition("+")
        stated, _, data = rest.partition("+")
        raw = decoded(data, f"key {name!r}")
        if len(raw) != 1 + _HASH_BYTES or raw[0] not in (_NOTE, _COSIGNATURE):
            raise LedgerError(f"key {name!r} is no Ed25519 key of a log or witness: name+id+base64 is needed")
        found = cls(_named(name), raw[0], raw[1:])
        if found.text != text:
            raise LedgerError(f"key {name!r} has the id {found.key_id.hex()}, not {stated!r}")
        return found

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature names it."""
        stated = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(stated).digest()[:4]

    @property
    def text(self) -> str:
        """`name+id+base64`."""
        return f"{self.name}+{self.key_id.hex()}+{encoded(bytes([self.kind]) + self.public)}"

    def accepts(self, text: str, signature: bytes) -> bool:
        """Whether it signed the text of a note."""
        signed = text.encode()
        if self.kind == _COSIGNATURE:
            if len(signature) != 8 + _SIGNATURE_BYTES:
                return False
            (seconds,) = struct.unpack(">Q", signature[:8])
            signed = f"cosignature/v1\ntime {seconds}\n{text}".encode()
            signature = signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, signed)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class SignerKey:
    """Who signs; its text is a secret and in no message, its repr shows the name alone."""

    name: str
    private: Ed25519PrivateKey

    @classmethod
    def make(cls, name: str) -> SignerKey:
        """A new key; raises LedgerError for a name with spaces or a plus."""
        return cls(_named(name), Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: str) -> SignerKey:
        """Read `PRIVATE+KEY+name+id+base64`; raises LedgerError that does not repeat it."""
        parts = text.strip().split("+", 4)
        if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
            raise LedgerError("the log's key is not of the form PRIVATE+KEY+name+id+base64")
        raw = decoded(parts[4], "the log's key")
        if len(raw) != 1 + _HASH_BYTES or raw[0] != _NOTE:
            raise LedgerError("the log's key is no Ed25519 key")
        found = cls(_named(parts[2]), Ed25519PrivateKey.from_private_bytes(raw[1:]))
        if found.verifier.key_id.hex() != parts[3]:
            raise LedgerError("the log's key does not fit its own id")
        return found

    @property
    def verifier(self) -> VerifierKey:
        """Who can verify it."""
        return VerifierKey(self.name, _NOTE, self.private.public_key().public_bytes_raw())

    @property
    def text(self) -> str:
        """`PRIVATE+KEY+name+id+base64`, to be kept where nobody else reads."""
        raw = bytes([_NOTE]) + self.private.private_bytes_raw()
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{encoded(raw)}"

    def sign(self, text: str) -> str:
        """The note of a text (which ends in a line feed), signed."""
        signature = encoded(self.verifier.key_id + self.private.sign(text.encode()))
        return f"{text}\n— {self.name} {signature}\n"

    def __repr__(self) -> str:
        return f"SignerKey({self.name!r})"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: its origin, how many entries it has, its root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{encoded(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a checkpoint; raises LedgerError."""
        lines = text.split("\n")
        if len(lines) != 4 or not re.fullmatch("0|[1-9][0-9]{0,17}", lines[1]):
            raise LedgerError("the checkpoint is not of three lines: origin, size, root")
        found = cls(lines[0], int(lines[1]), decoded(lines[2], "the checkpoint's root"))
        if len(found.root) != _HASH_BYTES or not found.origin:
            raise LedgerError("the checkpoint's root is no SHA-256")
        return found


def opened(note: str, key: VerifierKey, *, what: str, witnesses: tuple[VerifierKey, ...] = ()) -> str:
    """The text of a note that the key, and each witness, has signed; raises LedgerError.

    Signatures of keys that are not named are passed over, as the form asks for.
    """
    text, found, signed = note.rpartition("\n\n")
    if not found or not signed.endswith("\n"):
        raise LedgerError(f"{what} is no signed note")
    text += "\n"
    lines = signed[:-1].split("\n")
    for one in (key, *witnesses):
        own = [line for line in lines if line.startswith(f"— {one.name} ")]
        given = [decoded(line.split(" ", 2)[2], f"a signature of {what}") for line in own]
        by_key = [raw[4:] for raw in given if raw[:4] == one.key_id]
        if not by_key:
            raise LedgerError(f"{what} is not signed by {one.name}+{one.key_id.hex()}")
        if len(by_key) > 1 or not one.accepts(text, by_key[0]):
            raise LedgerError(f"{what}: the signature of {one.name}+{one.key_id.hex()} does not hold")
    if any(not re.fullmatch(r"— [^\s+]+ [A-Za-z0-9+/]+={0,2}", line) for line in lines):
        raise LedgerError(f"{what}: a line below it is no signature")
    return text


def encoded(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()


def decoded(text: str, what: str) -> bytes:
    """The bytes of a base64 text in its only right form; raises LedgerError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise LedgerError(f"{what} is no base64") from error
    if encoded(data) != text:
        raise LedgerError(f"{what} is no base64 in its only right form")
    return data


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise LedgerError(f"{name!r} is no name of a key: 1-200 characters without spaces or +")
    return name

"""OCMF records signed here with `cryptography` alone: the project verifies with another package."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

START = dt.datetime(2020, 3, 29, 10, 0, tzinfo=dt.UTC)
QUARTER = dt.timedelta(minutes=15)


class Meter:
    """A meter that signs, with its serial and key."""

    def __init__(self, serial: str = "M1", curve: ec.EllipticCurve | None = None, method: str = "") -> None:
        self.serial, self.method = serial, method
        self._key = ec.generate_private_key(curve or ec.SECP256R1())
        self._pages = 0

    @property
    def public_key(self) -> str:
        raw = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return raw.hex()

    def record(self, readings: Sequence[dict[str, object]], **payload: object) -> str:
        """A record of readings, signed over the bytes of its payload."""
        self._pages += 1
        said = {
            "FV": "1.0", "GI": "STATION", "GS": "G1", "PG": f"T{self._pages}", "MS": self.serial, "IS": False,
            "IT": "NONE", "RD": list(readings), **payload,
        }  # fmt: skip
        text = json.dumps(said, separators=(",", ":"))
        hashed = hashes.SHA512() if self.method.endswith("SHA512") else hashes.SHA256()
        signature: dict[str, str] = {"SD": self._key.sign(text.encode(), ec.ECDSA(hashed)).hex()}
        if self.method:
            signature["SA"] = self.method
        return f"OCMF|{text}|{json.dumps(signature)}"

    def quarter(self, number: int, drawn: tuple[float, float], fed: tuple[float, float] = (0.0, 0.0)) -> str:
        """A record of a quarter-hour's begin and end: the readings of both registers."""
        first, last = START + number * QUARTER, START + (number + 1) * QUARTER
        return self.record(
            [
                reading(first, drawn[0], TX="B" if number == 0 else "C"),
                reading(first, fed[0], RI="01-00:02.08.00", TX="B" if number == 0 else "C"),
                reading(last, drawn[1]),
                reading(last, fed[1], RI="01-00:02.08.00"),
            ]
        )


def reading(when: dt.datetime, kwh: object, **changed: object) -> dict[str, object]:
    stamp = f"{when.astimezone(dt.timezone(dt.timedelta(hours=2))):%Y-%m-%dT%H:%M:%S,000%z} S"
    return {"TM": stamp, "TX": "C", "RV": kwh, "RI": "01-00:01.08.00", "RU": "kWh", "ST": "G", **changed}

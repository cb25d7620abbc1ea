"""A token out of everything that is kept or shown, however a provider spells it when it echoes a request.

Found are the token as it is; percent-encoded (either case, in part, twice), plus-encoded; escaped as JSON or
HTML do; and in base64 as basic authentication sends it. What stands in its place keeps JSON, XML and CSV
what they are, so that a kept answer can be read again.
"""

import base64
import html.entities
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache

from warehouse.sources.rawfile import GZIP_MAGIC, ZIP_MAGIC

REDACTED = "REDACTED"
_SHORTEST = 4
"""A shorter one could be part of any word or price: of data it is left alone."""
_CORE = 6
"""Characters of base64 that are believed to be the token's, where it is only a part of what was coded."""


class Redactor:
    """Takes some secrets out of text and bytes."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = tuple(sorted({secret for secret in secrets if secret}, key=len, reverse=True))
        self._text = _pattern(known)
        self._data = _bytes_pattern(tuple(secret for secret in known if len(secret) >= _SHORTEST))

    def text(self, text: str) -> str:
        """Return text for people, "…" in the place of a secret."""
        return text if self._text is None else self._text.sub("…", text)

    def finds(self, text: str | None) -> bool:
        """Whether a secret is in a text."""
        return text is not None and self._text is not None and self._text.search(text) is not None

    def data(self, data: bytes) -> tuple[bytes, int]:
        """Return bytes without secrets, and how many there were."""
        return (data, 0) if self._data is None else self._data.subn(_stand_in, data)


def _stand_in(found: re.Match[bytes]) -> bytes:
    # A number stays one.
    return b"1" * len(found[0]) if found[0].isdigit() else REDACTED.encode()


def unpacked(data: bytes, most: int) -> Iterator[bytes]:
    """Yield what gzip or zip holds, at most so many bytes of each member; nothing of other data."""
    with suppress(zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError):
        if data.startswith(GZIP_MAGIC):
            yield zlib.decompressobj(wbits=31).decompress(data, most)
        elif data.startswith(ZIP_MAGIC):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist()[:100]:
                    with archive.open(name) as member:
                        yield member.read(most)


@lru_cache(maxsize=32)
def _pattern(secrets: Sequence[str]) -> re.Pattern[str] | None:
    ways = [_spelt(word) for secret in secrets for word in (secret, *_base64_of(secret))]
    return re.compile("|".join(ways)) if ways else None


@lru_cache(maxsize=32)
def _bytes_pattern(secrets: Sequence[str]) -> re.Pattern[bytes] | None:
    pattern = _pattern(secrets)
    return None if pattern is None else re.compile(pattern.pattern.encode())


def _spelt(word: str) -> str:
    """Return a pattern of a word, each of its characters written in any of the ways."""
    return "".join(_mark(mark) for mark in word)


def _mark(mark: str) -> str:
    # % may itself be encoded: %2B, %252B.
    percent = "".join(rf"%(?:25)*{_any_case(f'{byte:02x}')}" for byte in mark.encode())
    units = mark.encode("utf-16-be")
    escaped = "".join(rf"\\u{_any_case(units[at : at + 2].hex())}" for at in range(0, len(units), 2))
    ways = [
        re.escape(mark),
        percent,
        escaped,
        rf"&#0*{ord(mark)};",
        rf"&#[xX]0*{_any_case(f'{ord(mark):x}')};",
    ]
    if mark == " ":
        ways.append(r"\+")
    if mark in '/"\\':
        ways.append(rf"\\+{re.escape(mark)}")
    ways.append(
        "".join(rf"\\+x{_any_case(f'{byte:02x}')}" for byte in mark.encode())
    )  # as Python shows bytes
    if (shown := ascii(mark)[1:-1]) != mark:
        ways.append(rf"\\*{re.escape(shown)}")
    if name := html.entities.codepoint2name.get(ord(mark)):
        ways.append(f"&{name};")
    return f"(?:{'|'.join(ways)})"


def _any_case(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def _base64_of(secret: str) -> Iterable[str]:
    """Yield what sessions of a secret in base64 wherever it begins: after 0, 1 or 2 bytes of three."""
    data = secret.encode()
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + data).decode()
        first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        core = coded[first:last]
        if len(core) >= _CORE and len(secret) >= _SHORTEST:
            yield core
            if (other := core.replace("+", "-").replace("/", "_")) != core:
                yield other

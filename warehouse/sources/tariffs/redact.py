"""A token out of everything that is kept or shown, however a provider spells it when it echoes a request.

Found are the token as it is, in either case of letters; percent-encoded (in part, twice), plus-encoded;
escaped as JSON or HTML do; in hexadecimal; in base64 as basic authentication sends it; and, of a long one,
all of these folded over lines or taken apart by quotes, tags or the zeros of UTF-16. What stands in its place
keeps JSON, XML and CSV what they are, so that a kept answer can be read again.
"""

import base64
import html.entities
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache

from warehouse.sources.rawfile import GZIP_MAGIC, ZIP_MAGIC

REDACTED = "REDACTED"
_SHORTEST = 4
"""A shorter one could be part of any word or price: of data it is left alone."""
_CORE = 6
"""Characters of base64 that are believed to be the token's, where it is only a part of what was coded."""

_LONG = 8
"""From so many characters on a token is believed to be one that was taken apart, not several small values."""
_APART = "(?:{}){{0,40}}".format(
    "|".join(
        (
            r"[\s\x00\"',]",
            r"\\+[nrt\"']",
            r"=\r?\n",
            r"%(?:25)*0[aAdD]",
            r"&(?:quot|nbsp|#(?:9|10|13|34|[xX](?:9|22|0?[aAdD])));",
            r"<[^<>]{0,99}>",
        )
    )
)
"""What folds a text, or takes it apart."""


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
    ways = [_spelt(secret, secret, _mark) for secret in secrets]
    ways += [_spelt(secret, core, re.escape) for secret in secrets for core in _base64_of(secret)]
    ways += [_spelt(secret, secret, _hexadecimal) for secret in secrets if len(secret) >= _SHORTEST]
    return re.compile("|".join(ways)) if ways else None


@lru_cache(maxsize=32)
def _bytes_pattern(secrets: Sequence[str]) -> re.Pattern[bytes] | None:
    pattern = _pattern(secrets)
    return None if pattern is None else re.compile(pattern.pattern.encode())


def _spelt(secret: str, word: str, way: Callable[[str], str]) -> str:
    """Return a pattern of what stands for a secret, each of its characters written in one of the ways."""
    return (_APART if len(secret) >= _LONG else "").join(map(way, word))


def _hexadecimal(mark: str) -> str:
    return "[:-]?".join(_any_case(digits) for digits in re.findall("..", mark.encode().hex()))


def _mark(mark: str) -> str:
    # % may itself be encoded: %2B, %252B.
    percent = "".join(rf"%(?:25)*{_any_case(f'{byte:02x}')}" for byte in mark.encode())
    units = mark.encode("utf-16-be")
    escaped = "".join(rf"\\u{_any_case(units[at : at + 2].hex())}" for at in range(0, len(units), 2))
    ways = [
        *(re.escape(one) for one in dict.fromkeys((mark, mark.lower(), mark.upper()))),
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

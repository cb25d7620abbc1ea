"""Answers as they came: one read-only file each, named by day and content, and how to ask for them again.

Byte for byte, but for a token that a provider sent back: what is stored then holds REDACTED in its place (see
`redact`), is read like any other, and a note in .index says how often that was.
An answer is kept before it is judged, so that a refused one can be looked at; whether it still holds is only
asked of the server once it was accepted (`remember`).
"""

import datetime as dt
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from warehouse.files import make_folder, write_whole
from warehouse.sources.tariffs.exchange import Validators
from warehouse.sources.tariffs.provider import Provider, Request
from warehouse.sources.tariffs.redact import REDACTED


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """An answer on disk; url without secrets, fetched_utc when its bytes came, redacted: how often."""

    path: Path
    url: str
    fetched_utc: dt.datetime
    validators: Validators
    redacted: int = 0


class ResponseCache:
    """The answers under one folder: PROVIDER/LABEL_HASH.SUFFIX, and PROVIDER/.index next to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(
        self,
        provider: Provider,
        request: Request,
        label: str,
        data: bytes,
        *,
        fetched_utc: dt.datetime,
        validators: Validators,
    ) -> StoredAnswer:
        """Write an answer's bytes; the same bytes for the same label are the same file."""
        data, redacted = request.redactor.data(data)
        redacted += data.count(REDACTED.encode())  # those that `fetch` has taken out
        digest = hashlib.sha256(data).hexdigest()
        path = self.folder / provider.name / f"{label}_{digest[:12]}.{provider.suffix}"
        if _digest(path) != digest:
            make_folder(path.parent)
            write_whole(path, data)
            path.chmod(0o400)
        stored = StoredAnswer(
            path=path, url=request.shown, fetched_utc=fetched_utc, validators=validators, redacted=redacted
        )
        if redacted:
            note = {"file": path.name, "url": stored.url, "redacted": redacted}
            index = make_folder(path.parent / ".index")
            write_whole(index / f"{path.name}.redacted.json", json.dumps(note, indent=1))
        return stored

    def remember(self, provider: Provider, request: Request, stored: StoredAnswer) -> None:
        """Note an accepted answer, so that the next request can ask whether it still holds."""
        note = {
            "url": stored.url,
            "file": stored.path.name,
            "sha256": _digest(stored.path),
            "fetched_utc": stored.fetched_utc.isoformat(),
            "validators": asdict(stored.validators),
            "redacted": stored.redacted,
        }
        place = self._note(provider, request)
        make_folder(place.parent)
        write_whole(place, json.dumps(note, indent=1))

    def find(self, provider: Provider, request: Request) -> StoredAnswer | None:
        """Return the accepted answer to the same request, if its bytes are still what they were."""
        try:
            note = json.loads(self._note(provider, request).read_bytes())
            stored = StoredAnswer(
                path=self.folder / provider.name / Path(note["file"]).name,
                url=note["url"],
                fetched_utc=dt.datetime.fromisoformat(note["fetched_utc"]),
                validators=Validators(**note["validators"]),
                redacted=int(note.get("redacted", 0)),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if note["url"] != request.shown or _digest(stored.path) != note["sha256"]:
            return None
        # An answer that an earlier version kept with our token in it is asked for again.
        return None if request.redactor.data(stored.path.read_bytes())[1] else stored

    def _note(self, provider: Provider, request: Request) -> Path:
        body = "" if request.json is None else json.dumps(request.json, sort_keys=True)
        key = hashlib.sha256(f"{request.shown}\n{body}".encode()).hexdigest()
        return self.folder / provider.name / ".index" / f"{key[:32]}.json"


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None

"""What a request may cost, and what came back of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long to wait, in seconds, how often to ask and how many bytes to take, unpacked.

    connect_s, read_s: for a connection, for the next bytes. deadline_s: for everything, waits included.
    first_wait_s: the longest first wait; later ones double.
    """

    connect_s: float = 10.0
    read_s: float = 30.0
    deadline_s: float = 120.0
    attempts: int = 5
    first_wait_s: float = 1.0
    max_bytes: int = 32 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What a server gave to ask later whether an answer still holds."""

    etag: str | None = None
    last_modified: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers of a conditional request."""
        fields = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer; `data` is None where the server says that the one from before still holds.

    redacted: how often the answer held a secret of the request, in whose place `REDACTED` stands.
    """

    data: bytes | None
    validators: Validators
    redacted: int = 0

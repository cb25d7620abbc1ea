"""Addresses that a workspace names: of a private scheme, or of this machine."""

from __future__ import annotations

from urllib.parse import urlsplit

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def is_here(host: str | None) -> bool:
    """Whether a host is this machine."""
    return host in _LOOPBACK


def checked_address(value: str, private: str, plain: str) -> str:
    """Return an address of a private scheme ("https", "smtps or …"), or a plain one of this machine.

    Empty stays empty. Raises ValueError that says what is needed.
    """
    if not value:
        return value
    at = urlsplit(value)
    if not at.hostname or at.scheme not in (*private.split(" or "), plain):
        raise ValueError(f"an address {private}://… is needed")
    if at.scheme == plain and not is_here(at.hostname):
        raise ValueError(f"{private} is needed for another machine")
    return value

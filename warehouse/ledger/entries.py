"""What an entry of the log says: that somebody committed to a text, and not which.

The entry is public; the text (the opening) and its salt are for those whom it concerns. Without its salt a
commitment tells nothing of the text, and no text can be guessed against it.
"""

from __future__ import annotations

import hashlib
import json
import secrets

_SALT_BYTES = 32


def new_salt() -> str:
    """A salt, as hexadecimal digits."""
    return secrets.token_hex(_SALT_BYTES)


def commitment(salt: str, opening: str) -> str:
    """SHA-256 of the salt's bytes and the text, as hexadecimal digits."""
    return hashlib.sha256(bytes.fromhex(salt) + opening.encode()).hexdigest()


def entry(committed: str) -> bytes:
    """The entry's bytes, as they are hashed and stored in the bundles."""
    return json.dumps({"commitment": committed, "format": "v2g-settlement/1"}, separators=(",", ":")).encode()

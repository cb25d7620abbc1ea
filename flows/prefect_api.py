"""Whether the server of PREFECT_API_URL is there: asked once, within seconds, before a run relies on it."""

from __future__ import annotations

import base64
import os
import ssl
import threading
from queue import Empty, Queue

import httpx

VARIABLE = "PREFECT_API_URL"
_DEADLINE_S = 5.0
_REFUSED = (401, 403)
"""It is there, and Prefect's own client may know better how to be let in."""


def trouble_with(url: str) -> str:
    """Why no Prefect API can be reached at `url`, in a few words; empty where one answers."""
    answered: Queue[str] = Queue()
    threading.Thread(target=lambda: answered.put(_asked(url)), daemon=True).start()
    try:
        return answered.get(timeout=_DEADLINE_S)
    except Empty:
        return f"does not answer within {_DEADLINE_S:g} s"


def _asked(url: str) -> str:
    try:
        address = httpx.URL(f"{url.rstrip('/')}/health")
        answer = httpx.get(address, headers=_key(), timeout=_DEADLINE_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if isinstance(error.__cause__ or error.__context__, ssl.SSLError) or "SSL" in str(error):
            return ""  # Prefect's own settings say whom it trusts
        return f"does not answer ({type(error).__name__}: {error})"
    except Exception as error:
        return f"cannot be asked ({type(error).__name__}: {error})"
    if answer.is_success or answer.status_code in _REFUSED:
        return ""
    return f"answers {answer.status_code} where Prefect's API would say that it is well"


def _key() -> dict[str, str]:
    if password := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {base64.b64encode(password.encode()).decode()}"}
    if key := os.environ.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    return {}

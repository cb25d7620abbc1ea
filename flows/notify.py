"""Tell somebody what is not as it should be: once for each cause, until it has passed and comes again.

A cause is a stage, its market day and how it ended, as the warehouse has it on record, or as it is spooled
while the warehouse is in use; and that the warehouse cannot be read. What was reported lies in
.prefect/told.json. A message that cannot be sent costs a run nothing and is tried again with the next.
"""

from __future__ import annotations

import json
import logging
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from flows.clock import now
from flows.notify_settings import NotifySettings
from flows.plain import records
from flows.problem import problem_of
from flows.secret import secret
from flows.stages.spooled import spooled_runs
from flows.workspace import Workspace
from warehouse.errors import WarehouseError
from warehouse.files import write_whole

WEBHOOK_TOKEN = "NOTIFY_TOKEN"  # noqa: S105 the name of a variable
SMTP_PASSWORD = "SMTP_PASSWORD"  # noqa: S105
_WITHIN_S = 10.0
_LONGEST = 2000
_WAREHOUSE = "warehouse"
_log = logging.getLogger(__name__)
Cause = Mapping[str, Any]


@contextmanager
def notified(workspace: Workspace, since: datetime) -> Iterator[None]:
    """Tell what went wrong in a block since a moment, also where it ends with an error."""
    try:
        yield
    except Exception:
        notify(workspace, since)
        raise
    notify(workspace, since)


def notify(workspace: Workspace, since: datetime) -> int:
    """Tell what went wrong in the stages that began at or after a moment and was not reported yet.

    Returns how many causes were reported. Never raises for what cannot be read, written or sent.
    """
    settings = workspace.settings.notify
    if not settings.ways:
        return 0
    try:
        wrong, fine = _causes(workspace, since)
        stated = _stated(workspace)
        now_reported = {
            way: {about: when for about, when in stated.get(way, {}).items() if about not in fine}
            for way in settings.ways
        }
        sent = 0
        for way, known in now_reported.items():
            new = [cause for about, cause in wrong.items() if about not in known]
            if new and _sent(way, workspace, settings, new):
                known |= {str(cause["about"]): f"{now():%Y-%m-%dT%H:%M:%SZ}" for cause in new}
                sent = max(sent, len(new))
        if now_reported != stated:
            write_whole(_file(workspace), json.dumps(now_reported, indent=1) + "\n")
        return sent
    except (WarehouseError, OSError) as error:
        _log.warning("nobody could be notified: %s", error)
        return 0


def _causes(workspace: Workspace, since: datetime) -> tuple[dict[str, Cause], set[str]]:
    """What ended badly, by its key, and the keys of all that the stages which ended well may have been."""
    wrong, fine = dict[str, Cause](), set[str]()
    rows = spooled_runs(workspace.spool, since)
    try:
        stored = workspace.warehouse.read("out_run", within={"started_utc": (since, None)})
    except WarehouseError as error:
        problem = problem_of(error)
        wrong[_WAREHOUSE] = _cause(_WAREHOUSE, problem.exit_code, "failed", problem.message)
    else:
        rows, fine = pd.concat([stored, *([] if rows.empty else [rows])]), {_WAREHOUSE}
    last = rows.sort_values("started_utc").drop_duplicates(["stage", "market_date"], keep="last")
    for row in records(last):
        about = f"{row['stage']} {row['market_date'] or ''}".strip()
        if row["exit_code"] == 0:
            fine.add(about)
        else:
            wrong[about] = _cause(about, row["exit_code"], row["status"], row["message"])
    return wrong, fine


def _cause(about: str, exit_code: int, status: str, message: str) -> Cause:
    return {"about": about, "exit_code": exit_code, "status": status, "message": str(message)[:_LONGEST]}


def _sent(way: str, workspace: Workspace, settings: NotifySettings, causes: Sequence[Cause]) -> bool:
    """Whether the message was taken."""
    send = {"webhook": _by_webhook, "email": _by_email}[way]
    try:
        send(workspace, settings, causes)
    except Exception as error:  # of a network, a server, a certificate: the plan does not wait for any
        # What a server or its client says may hold an address with a secret in it: its kind will do.
        _log.warning("the notification by %s was not taken: %s", way, type(error).__name__)
        return False
    return True


def _by_webhook(workspace: Workspace, settings: NotifySettings, causes: Sequence[Cause]) -> None:
    import httpx

    token = secret(WEBHOOK_TOKEN)
    answer = httpx.post(
        settings.webhook_url,
        json={"workspace": workspace.root.name, "zone": workspace.zone, "causes": list(causes)},
        headers={"authorization": f"Bearer {token}"} if token else {},
        timeout=_WITHIN_S,
        follow_redirects=False,
    )
    if not answer.is_success:
        raise ConnectionError(f"answers {answer.status_code}")


def _by_email(workspace: Workspace, settings: NotifySettings, causes: Sequence[Cause]) -> None:
    message = EmailMessage()
    message["From"], message["To"] = settings.email_from, ", ".join(settings.email_to)
    named = ", ".join(str(cause["about"]) for cause in causes)
    message["Subject"] = f"v2g {workspace.root.name}: {named}"[:200]
    message.set_content(
        "\n\n".join(
            f"{one['about']} ({one['status']}, exit {one['exit_code']})\n{one['message']}" for one in causes
        )
    )
    at = urlsplit(settings.smtp_url)
    host, password = at.hostname or "", secret(SMTP_PASSWORD)
    trusted = ssl.create_default_context()
    if at.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, at.port or 465, timeout=_WITHIN_S, context=trusted)
    else:
        server = smtplib.SMTP(host, at.port or 587, timeout=_WITHIN_S)
    with server:
        if at.scheme == "smtp+starttls":
            server.starttls(context=trusted)
        if at.username and password:
            server.login(at.username, password)
        server.send_message(message)


def _stated(workspace: Workspace) -> dict[str, dict[str, str]]:
    """Way → what it was reported and when."""
    try:
        stored = json.loads(_file(workspace).read_text(encoding="utf-8"))
        return {str(way): dict(stated) for way, stated in stored.items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):  # not there, or not as it was written
        return {}


def _file(workspace: Workspace) -> Path:
    workspace.make_prefect_home()
    return workspace.prefect_home / "told.json"

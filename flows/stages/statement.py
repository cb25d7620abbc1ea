"""An owner's month: money, energy, promises and battery, with the ledger's proof of every amount.

statement.json  what it says, `index.html` the same to read
ledger/         the log with the car's entries opened (`warehouse.ledger.folder`)
manifest        SHA-256 of statement.json and index.html, signed with the log's key
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from flows.context import Context
from flows.errors import NoAccountError, UsageError
from flows.filenames import file_stem
from flows.folders import whole_folder
from flows.mapping.owner_battery import account_sums, battery_health
from flows.plain import plain, records
from flows.publish.owner_page import statement_page
from flows.sealed import SUFFIX, sealed_for
from flows.stages.ledger import export_of, proof_result, proved_by
from flows.stages.realise import realise
from flows.stages.record import StageResult
from flows.stages.settle import settle_days
from optimize.errors import BillError
from optimize.market.contract import read_contract
from optimize.market.statement import owner_month
from warehouse.errors import LedgerError
from warehouse.files import make_folder, write_whole
from warehouse.ledger.note import opened
from warehouse.zones import market_day_bounds

LEDGER = "ledger"
STATEMENT = "statement.json"
_PAGE, _MANIFEST = "index.html", "manifest"
_KIND = "v2g-planner/statement/1"


def settle_month(context: Context, month: date, battery_id: str) -> tuple[StageResult, StageResult]:
    """Account for the days of a month that are over, and settle those that have an account.

    A day is settled whole: its cars are one balancing group, and its newest settlement holds for all of them.
    The answers have no tables: those are of all cars; what others alone lack degrades none.
    """
    zone = context.workspace.zone
    over = [day for day in _days_of(month) if market_day_bounds(day, zone)[1] <= context.as_of]
    if not over:
        raise NoAccountError(f"no day of {month:%Y-%m} is over as of {context.as_of:%Y-%m-%d %H:%M} UTC")
    accounts = realise(context, over)
    known = context.known.newest(
        "out_realised",
        by=["market_date"],
        where={"zone": zone, "market_date": over},
        columns=["market_date"],
    )
    if known.empty:
        raise NoAccountError(f"no day of {month:%Y-%m} has an account: {accounts.message}")
    settled = settle_days(context, sorted(set(known["market_date"])))
    lacks = settled.details["days_lacking"] or battery_id in settled.details["cars_lacking"]
    if settled.exit_code and not lacks:
        settled = replace(settled, status="ok", exit_code=0)
    return replace(accounts, tables={}), replace(settled, tables={})


def statement(
    context: Context, battery_id: str, month: date, *, out: Path | None, encrypt_for: Path | None
) -> StageResult:
    """Write a car's month as a folder, or encrypted to a certificate as one file, in `out` or exports/.

    A folder is read and counted again before it appears. Raises UsageError without a key to sign with and
    for a moment before the log's newest entry of the car, NoAccountError where no day of the car is
    settled.
    """
    workspace, zone = context.workspace, context.workspace.zone
    export = export_of(context, [battery_id])
    if export.newest > context.as_of:
        last = f"{export.newest:%Y-%m-%d %H:%M} UTC"
        raise UsageError(f"{battery_id} was settled as of {last}: a statement is of then or later")
    said = owner_month(_openings(export.opened), battery_id=battery_id, zone=zone, month=month)
    if not said["days"]:
        raise NoAccountError(f"no day of {month:%Y-%m} is settled with the owner of {battery_id}")
    text = {
        **said,
        **_around(context, said),
        "wear_by": _wear_by(export.files, said),
        "key": export.key.verifier.text,
    }
    files = {STATEMENT: (json.dumps(plain(text), indent=2, ensure_ascii=False) + "\n").encode()}
    files[_PAGE] = statement_page(workspace, text).encode()
    files[_MANIFEST] = export.key.sign(_manifest(files)).encode()
    files |= {f"{LEDGER}/{name}": data for name, data in export.files.items()}
    folder = out or workspace.exports / "statements"
    name = f"{file_stem(battery_id)}-{month:%Y-%m}"
    if encrypt_for is None:
        with whole_folder(folder / name) as fresh:
            for path, data in files.items():
                write_whole(make_folder((fresh / path).parent) / Path(path).name, data)
            verify_statement(fresh, key=export.key.verifier.text, witnesses=(), since=None)
        written = folder / name / _PAGE
    else:
        sealed = sealed_for(encrypt_for, files)
        written = write_whole(make_folder(folder) / f"{name}{SUFFIX}", sealed)
    money = said["money"]
    return StageResult(
        stage="statement",
        status="ok",
        message=f"{battery_id} in {month:%Y-%m}: {money['received_eur']} € received on {len(said['days'])} "
        f"days, {money['owner_eur']} € after wear; signed by {export.key.verifier.text}",
        tables={"days": [_shown(one) for one in said["days"]]},
        files=(str(written),),
        details={"statement": text},
    )


def verify_statement(
    folder: Path, *, key: str | None, witnesses: Sequence[str], since: Path | None
) -> StageResult:
    """Verify a statement by its files alone: the log's proof, the signature, and every sum from the entries.

    Raises LedgerError, exit code 4, for what does not hold.
    """
    proved, quiet = proved_by(folder / LEDGER, key=key, witnesses=witnesses, since=since)
    there, parts = {path.name for path in folder.iterdir()}, {STATEMENT, _PAGE, _MANIFEST, LEDGER}
    if odd := sorted(there ^ parts):
        raise LedgerError(f"{odd[0]} is {'no part of' if odd[0] in there else 'missing in'} the statement")
    if odd := [name for name in sorted(parts - {LEDGER}) if not (folder / name).is_file()]:
        raise LedgerError(f"{odd[0]} is no plain file")
    files = {name: (folder / name).read_bytes() for name in parts - {LEDGER}}
    try:
        listed = opened(files[_MANIFEST].decode(), proved.key, what=_MANIFEST)
        said = json.loads(files[STATEMENT])
        if listed != _manifest(files):
            raise LedgerError(f"{STATEMENT} or {_PAGE} is not what the manifest was signed for")
        month = date.fromisoformat(f"{said['month']}-01")
        again = owner_month(
            _openings(proved.openings), battery_id=said["battery_id"], zone=said["zone"], month=month
        )
    except (ValueError, KeyError, TypeError, BillError) as error:
        raise LedgerError(f"{STATEMENT} cannot be counted again: {error}") from error
    if wrong := [name for name, value in again.items() if said.get(name) != plain(value)]:
        raise LedgerError(f"{STATEMENT}: {', '.join(wrong)} does not follow from the entries")
    text = (
        f"statement of {said['battery_id']} for {said['month']}: {again['money']['received_eur']} € received"
    )
    proof = proof_result(proved, quiet, key_given=key is not None)
    return replace(proof, message=f"{text}, as its {len(again['days'])} days sum to; {proof.message}")


def _around(context: Context, said: Mapping[str, Any]) -> dict[str, Any]:
    """What is not in the ledger: promises and meters by the accounts, battery, days left out."""
    battery_id = said["battery_id"]
    sums = account_sums(context.known, battery_id, [one["realised_id"] for one in said["days"]])
    quiet = said["energy"]["import_kwh"] is None
    return {
        "as_of_utc": f"{context.as_of:%Y-%m-%dT%H:%M:%SZ}",
        "days_in_month": len(_days_of(date.fromisoformat(f"{said['month']}-01"))),
        "departures": sums["departures"],
        "metered_slots": sums["metered_slots"],
        "counted_against": sorted({one["counted_against"] for one in said["days"]}),
        "battery": battery_health(
            context.known, battery_id, None if quiet else sums["v2g_kwh"], len(said["days"])
        ),
        "not_settled": _not_settled(context, said),
    }


def _wear_by(files: Mapping[str, bytes], said: Mapping[str, Any]) -> list[str]:
    """What the contracts of the month count wear by: "price", "twin", or both."""
    names = [f"contracts/{one['contract_digest']}.toml" for one in said["contracts"]]
    return sorted({read_contract(files[name].decode(), name).wear for name in names})


def _not_settled(context: Context, said: Mapping[str, Any]) -> dict[str, str]:
    """Days of the month on which the car has an account and no settlement."""
    days = {one["market_date"] for one in said["days"]}
    accounts = context.known.newest(
        "out_realised_car",
        by=["market_date"],
        where={
            "zone": said["zone"],
            "battery_id": said["battery_id"],
            "market_date": _days_of(date.fromisoformat(f"{said['month']}-01")),
        },
        columns=["market_date"],
    )
    left = sorted({f"{row['market_date']}" for row in records(accounts)} - days)
    return {day: f"not settled; `v2g settle --date {day}` says why" for day in left}


def _days_of(month: date) -> list[date]:
    days = (month + timedelta(days=number) for number in range(31))
    return [day for day in days if day.month == month.month]


def _openings(found: Sequence[Any]) -> list[dict[str, Any]]:
    return [json.loads(one.text) for one in found]


def _manifest(files: Mapping[str, bytes]) -> str:
    sums = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in (_PAGE, STATEMENT))
    return f"{_KIND}\n{sums}"


def _shown(day: Mapping[str, Any]) -> dict[str, Any]:
    columns = (
        "market_date",
        "sequence",
        "total_eur",
        "owner_share_eur",
        "received_eur",
        "wear_eur",
        "owner_eur",
    )
    return {name: day[name] for name in columns}

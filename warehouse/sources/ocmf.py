"""Signed meter values (OCMF) → quarter-hours of metering, each with what its signature was found to be.

A record that is refused (changed, not signed by its meter's registered key, of a faulty meter) becomes a row
without time and energy, which the checks set aside with the reason; the other records go on. Of transactions
that begin or end within one quarter-hour all records have to be in one file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from warehouse.errors import OptionError
from warehouse.sources.ocmf_files import Text, texts
from warehouse.sources.ocmf_record import MeterKey, SignedRecord, judged
from warehouse.sources.ocmf_slots import Counted, count
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile

PROVIDER = "signed by the meter (OCMF)"
KEYS = "keys"
OPTIONS = frozenset({"battery_id", "batteries", KEYS})
_COLUMNS = (
    "battery_id", "interval_start_utc", "import_kwh", "export_kwh", "meter_id", "signature",
    "signature_note", "source_row",
)  # fmt: skip
_SHOWN = 8


def parse_ocmf(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return a row for each quarter-hour that is counted in full, and one for each record that is refused.

    options: battery_id (all records are of its plug) or batteries (meter, gateway or charge point →
    battery_id), keys (serial → MeterKey, as registered). notes: refused records, what cannot be split.
    `joined` names the keys that were used. Raises SourceError.
    """
    given = options.get(KEYS)
    keys = {str(name): one for name, one in given.items()} if isinstance(given, Mapping) else {}
    records, cars, notes = list[SignedRecord](), dict[int, str | None](), list[str]()
    for one in texts(file):
        record = judged(one.text, one.row, keys)
        car = _battery(record, one, options)
        why = _of_another_meter(record, car, keys)
        if why is not None:
            record = SignedRecord(
                row=record.row, state="refused", note=why, meter=record.meter, names=record.names
            )
        records.append(record)
        cars[record.row] = car
    _require_car(records, cars, file)
    rows = [_refused(one, cars[one.row]) for one in records if one.state == "refused"]
    notes += [f"{one.named} is refused: {one.note}" for one in records if one.state == "refused"]
    for (meter, car), own in _by_meter(records, cars).items():
        found, told = count(own)
        rows += [_row(one, meter, car) for one in found]
        notes += [f"meter {meter}: {note}" for note in told]
    used = {(one.meter, one.key.digest) for one in records if one.key is not None}
    frame = pd.DataFrame(rows, columns=list(_COLUMNS))
    frame["interval_start_utc"] = pd.to_datetime(frame["interval_start_utc"], utc=True).astype(
        "datetime64[us, UTC]"
    )
    for name in ("import_kwh", "export_kwh"):
        frame[name] = frame[name].astype("float64")
    return Parsed(
        frame=frame, notes=_few(notes), joined=tuple(sorted(f"{meter}={digest}" for meter, digest in used))
    )


def _battery(record: SignedRecord, text: Text, options: Mapping[str, object]) -> str | None:
    """Whose plug a record is of: by the file, the command, or the register of keys."""
    if text.battery_id is not None:
        return text.battery_id
    if isinstance(car := options.get("battery_id"), str):
        return car
    named = options.get("batteries")
    if isinstance(named, Mapping) and (own := next((n for n in record.names if n in named), None)):
        return str(named[own])
    return None if record.key is None else record.key.battery_id


def _of_another_meter(record: SignedRecord, car: str | None, keys: Mapping[str, MeterKey]) -> str | None:
    """Why a record is not of that car's plug, where the register says whose meter counts there."""
    if record.state == "refused" or car is None:
        return None
    own = [meter for meter, key in keys.items() if key.battery_id == car]
    if own and record.meter not in own:
        return f"the meter that is registered for {car} is {' or '.join(own)}, not {record.meter}"
    if record.key is not None and record.key.battery_id not in (None, car):
        return f"meter {record.meter} is registered for {record.key.battery_id}, not {car}"
    return None


def _require_car(records: Sequence[SignedRecord], cars: Mapping[int, str | None], file: RawFile) -> None:
    if all(car is None for car in cars.values()):
        names = sorted({name for record in records for name in record.names})
        raise OptionError(
            "needs the battery at each meter's plug: --battery METER=ID, or `battery` in the register "
            f"(meters here: {', '.join(names[:_SHOWN]) or 'none can be read'})",
            file=file.name, column="battery_id",
        )  # fmt: skip


def _by_meter(
    records: Iterable[SignedRecord], cars: Mapping[int, str | None]
) -> dict[tuple[str | None, str | None], list[SignedRecord]]:
    found: dict[tuple[str | None, str | None], list[SignedRecord]] = {}
    for one in records:
        if one.state != "refused":
            found.setdefault((one.meter, cars[one.row]), []).append(one)
    return found


def _row(one: Counted, meter: str | None, car: str | None) -> dict[str, object]:
    open_ones = [record for record in one.records if record.state != "verified"]
    return {
        "battery_id": car,
        "interval_start_utc": one.start,
        "import_kwh": float(one.import_kwh),
        "export_kwh": float(one.export_kwh),
        "meter_id": meter,
        "signature": "unverified" if open_ones else "verified",
        "signature_note": "; ".join(dict.fromkeys(note for r in one.records if (note := r.note))) or None,
        "source_row": one.records[0].row,
    }


def _refused(record: SignedRecord, car: str | None) -> dict[str, object]:
    return {
        "battery_id": car,
        "interval_start_utc": pd.NaT,
        "import_kwh": float("nan"),
        "export_kwh": float("nan"),
        "meter_id": record.meter,
        "signature": "refused",
        "signature_note": f"{record.named}: {record.note}",
        "source_row": record.row,
    }


def _few(notes: Sequence[str]) -> tuple[str, ...]:
    more = len(notes) - _SHOWN
    return (*notes[:_SHOWN], f"and {more} more of signed values") if more > 0 else tuple(notes)

"""What others call their columns: a label → the column of ours that it means, and the unit that it names.

Labels are taken apart into words. One means a column if it has a word for each thing that the column is, and
no word that makes something else of it: "Pack Volts" is the pack's voltage, "12v Bat Volts" is not.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from warehouse.sources.units import FOREIGN


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """A column of ours and the unit that a label names, None for none; stem: the label without the unit."""

    column: str
    unit: str | None = None
    stem: str = ""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TIME = _set(
    "time timestamp datetime zeit zeitstempel date datum ts uhrzeit epoch aika tid hora fecha heure utctime"
)
_OF_TIME = _TIME | _set(
    "utc gmt unix local stamp last changed updated created at gps recorded iso cet cest of the m"
)
_PACK = _set(
    "pack battery batt bat batterie akku hv bms total dc traction main system actual act ess hvb b v p t "
    "measured mean avg average gesamt real value wert state sensor ev high car vehicle"
)
_VOLTAGE = _set("voltage volts volt spannung u vbat vbatt tension")
_CURRENT = _set("current amps amp ampere strom i ibat courant amperage")
_CELL, _LOW, _HIGH = (
    _set("cell cp zelle zell zellen cells"),
    _set("min minimum lowest low"),
    _set("max maximum highest"),
)
_START = _set(
    "arrival arrive ankunft start starttime begin beginn connect connected connection plugin in from von "
    "started"
)
_END = _set(
    "departure depart abfahrt end endtime ende stop disconnect disconnected disconnection plugout unplug "
    "unplugged out bis until stopped ended"
)
_SESSION = _set("plug plugged session stay")
_ASKED = _set("requested request asked planned wanted gewünscht geplant")
_CAR = _set("vehicle car fahrzeug vin bus auto wagen asset truck battery batterie ev device")
_NAMED = _set("id name nr no number display key identifier ident serial")
_CHARGER = _set("station charger evse ladepunkt säule ladesäule connector chargepoint")
_SESSION = _set("session sitzung transaction cdr vorgang ladevorgang id")
_ENERGY = _set("energy energie active total grid back in")
_DRAWN = _set("import imported bezug consumption verbrauch drawn consumed")
_FED = _set("export exported einspeisung feedin returned generation fed")
_INTERVAL = _set("interval start delivery hour from")
_BEGINS = _TIME | _set("start hour stunde mtu from von begin beginn")
_PRICE = _set("price preis hinta pris prix precio prezzo cena tarif lmp spotprice spotpreis")
_OF_PRICE = _set(
    "day ahead dayahead auktion auction spot market electricity energy real clearing marginal strom eur the "
    "power elspot"
)
_TEMPERATURE = _set("temperature temp temperatur t1 t2 t3 t4 temps")
_SOC = _set("soc")
_OF_SOC = _PACK | _set("reported displayed display usable charge")

_BATTERY_ID = ((_CAR,), _NAMED | _CAR)
_SENSES: Mapping[str, Mapping[str, tuple[tuple[frozenset[str], ...], frozenset[str]]]] = {
    "telemetry": {
        "battery_id": _BATTERY_ID,
        "time_utc": ((_TIME,), _OF_TIME),
        "voltage_v": ((_VOLTAGE,), _PACK),
        "current_a": ((_CURRENT,), _PACK | _set("charge charging")),
        "temperature_degc": ((_TEMPERATURE,), _PACK | _CELL | _set("surface module")),
        "soc_reported": ((_SOC,), _OF_SOC),
        "cell_voltage_min_v": ((_CELL, _LOW), _VOLTAGE | _PACK),
        "cell_voltage_max_v": ((_CELL, _HIGH), _VOLTAGE | _PACK),
    },
    "soc_power": {
        "battery_id": _BATTERY_ID,
        "time_utc": ((_TIME,), _OF_TIME),
        "soc_reported": ((_SOC,), _OF_SOC),
        "power_kw": ((_set("power leistung watts puissance"),), _PACK | _set("charge charging")),
        "temperature_degc": ((_TEMPERATURE,), _PACK | _CELL | _set("surface module")),
    },
    "metering": {
        "battery_id": _BATTERY_ID,
        "interval_start_utc": ((_BEGINS,), _OF_TIME | _INTERVAL),
        "import_kwh": ((_DRAWN,), _ENERGY),
        "export_kwh": ((_FED,), _ENERGY),
    },
    "sessions": {
        "session_id": ((_SESSION,), _NAMED | _set("charging charge")),
        "battery_id": _BATTERY_ID,
        "arrival_utc": ((_START,), _OF_TIME | _SESSION),
        "departure_utc": ((_END,), _OF_TIME | _SESSION),
        "arrival_soc": ((_SOC, _START | _set("initial")), frozenset()),
        "departure_soc": ((_SOC, _END | _set("final target ziel")), frozenset()),
        "energy_kwh": ((_set("energy energie delivered charged geladen metered"),), _set("total session")),
        "charger_id": ((_CHARGER,), _NAMED | _set("charge point")),
        "odometer_km": ((_set("odometer odo mileage kilometerstand"),), frozenset()),
        "requested_departure_utc": ((_ASKED, _END), _OF_TIME),
        "requested_kwh": ((_ASKED,), _set("energy energie charge")),
    },
    "prices": {
        "zone": ((_set("zone area gebiet region"),), _set("bidding price market")),
        "interval_start_utc": ((_BEGINS,), _OF_TIME | _INTERVAL),
        "resolution_minutes": ((_set("resolution auflösung"),), frozenset()),
        "price_eur_per_kwh": ((_PRICE,), _OF_PRICE),
    },
}  # fmt: skip
_PHRASES = {
    "state of charge": "soc", "stateofcharge": "soc", "battery level": "soc", "batterylevel": "soc",
    "charge level": "soc", "usable battery level": "soc", "ladezustand": "soc", "ladestand": "soc",
    "last changed": "timestamp", "last updated": "timestamp", "created at": "timestamp",
    "plug in": "plugin", "plug out": "plugout", "pack v": "pack voltage", "pack a": "pack current",
    "bat v": "battery voltage", "bat a": "battery current", "feed in": "feedin",
    "kwh delivered": "delivered kwh", "kwh requested": "requested kwh", "kwh charged": "charged kwh",
}  # fmt: skip
_UNITS = {
    "v": "V", "mv": "mV", "kv": "kV", "a": "A", "ma": "mA", "kw": "kW", "w": "W", "kwh": "kWh",
    "wh": "Wh", "mwh": "MWh", "ah": "Ah", "mah": "mAh", "degc": "°C", "celsius": "°C", "°c": "°C", "c": "°C",
    "degf": "°F", "°f": "°F", "f": "°F", "fahrenheit": "°F", "k": "K", "kelvin": "K", "%": "%", "pct": "%",
    "percent": "%", "prozent": "%", "km": "km", "mi": "mi", "s": "s", "sec": "s", "seconds": "s", "ms": "ms",
    "min": "min", "minutes": "min", "h": "h", "eur/mwh": "€/MWh", "€/mwh": "€/MWh", "eur/kwh": "€/kWh",
    "€/kwh": "€/kWh", "ct/kwh": "ct/kWh", "ohm": "Ω", "mohm": "mΩ",
    "watts": "W", "watt": "W", "eur_per_mwh": "€/MWh", "eur_per_kwh": "€/kWh", "ct_per_kwh": "ct/kWh",
}  # fmt: skip
_WORDS = frozenset(
    word
    for of_dataset in _SENSES.values()
    for needed, besides in of_dataset.values()
    for words in (*needed, besides)
    for word in words
) | {word for phrase in _PHRASES for word in phrase.split()}
_BRACKETS = re.compile(r"[\[(]([^\])]*)[\])]")
_SLASH = re.compile(r"\s/\s*(\S+)\s*$")
_LAST = re.compile(r"\s(\S+/\S+)\s*$")


def taken_apart(label: str) -> tuple[str, str | None]:
    """Return the words of a label, apart by spaces, and the unit that it names."""
    text, unit = label.strip(), None
    for found in (*_BRACKETS.finditer(text), *_SLASH.finditer(text), *_LAST.finditer(text)):
        if (stated := found[1].strip().lower().replace(" ", "")) in _UNITS:
            unit = _UNITS[stated]
            text = text.replace(found[0], " ")
    for stated in ("eur_per_mwh", "eur_per_kwh", "ct_per_kwh"):
        if text.lower().endswith(stated):
            text, unit = text[: -len(stated)], _UNITS[stated]
    text = re.sub(r"(?<=[a-zäöü]{2})(?=[A-Z])|(?<=kWh)(?=[A-Z])", " ", text)
    words = re.sub(r"[^a-z0-9äöüß%°]+", " ", text.lower()).split()
    if unit is None and len(words) > 1 and words[-1] in _UNITS:
        unit, words = _UNITS[words[-1]], words[:-1]
    elif unit is None and len(words) > 1 and words[0] == "kwh":
        unit, words = "kWh", words[1:]
    spoken = f" {' '.join(words)} "
    for phrase in sorted(_PHRASES, key=len, reverse=True):
        spoken = spoken.replace(f" {phrase} ", f" {_PHRASES[phrase]} ")
    return spoken.strip(), unit


def meanings(dataset: str, label: str) -> list[Meaning]:
    """Return the columns of a dataset that a label may mean, and the unit that it names."""
    spoken, unit = taken_apart(label)
    words = set(spoken.split())
    found = []
    for column, (needed, besides) in _SENSES.get(dataset, {}).items():
        allowed = besides.union(*needed)
        if words and words <= allowed and all(words & one for one in needed):
            found.append(Meaning(column=column, unit=unit, stem=spoken))
    return found


def known(word: str) -> bool:
    """Whether a word is part of any label that is known."""
    return word in _WORDS


def senses(dataset: str) -> tuple[str, ...]:
    """Return the columns of a dataset whose foreign labels are known."""
    return tuple(_SENSES.get(dataset, ()))


def quantity_hint(label: str, unit: str, column: str) -> str:
    """Return what is to be said of a label that names another unit than its column has; "" if it does not."""
    _, named = taken_apart(label)
    if named is None or named == unit or unit == "":
        return ""
    if named in FOREIGN.get(unit, {}):
        return f': it is in {named}, where {column} is in {unit}; a mapping with `unit = "{named}"` reads it'
    if any(named in units for units in FOREIGN.values()):
        shown = "a share" if unit == "1" else unit
        return f"? It is in {named}, which is another quantity than {shown}: nothing converts it"
    return ""


def likely(dataset: str, label: str, wanted: Iterable[str]) -> str | None:
    """Return the one wanted column that a label means, None where it is none or several."""
    found = [one.column for one in meanings(dataset, label) if one.column in set(wanted)]
    return found[0] if len(found) == 1 else None

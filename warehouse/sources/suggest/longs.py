"""A file of one row a signal: reported to the draft, and laid out wide for whoever picks its columns."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from warehouse.sources.labels import known
from warehouse.sources.suggest.answer import Draft
from warehouse.sources.suggest.pick import KINDS, is_numeric, numbers, picked
from warehouse.sources.suggest.sniff import Layout
from warehouse.sources.suggest.times import parsed, spelling_of

Floats = NDArray[np.float64]
_MOST_SIGNALS = 500
_PARTS = re.compile(r"[^0-9A-Za-zÀ-ÿ%°]+")
_BATTERY = ("battery", "batt", "bat", "batterie", "akku", "hv", "bms", "pack", "soc")
_TOGETHER = 0.5
"""Of the moments, that hold more than one signal: below it each signal comes at its own."""
_STANDS, _MOST_MINUTES = 0.995, 60
_CHANGES, _DAY_MINUTES = 0.02, 1440
"""Of the values, that are as the one before: below it a value is written when it changes, and stands."""


def widened_text(layout: Layout, draft: Draft) -> Layout:
    """Return a layout with a column for each signal, where the file has a row for each; else itself."""
    for signal, texts in layout.columns.items():
        words = set(texts) - {""}
        if not 2 <= len(words) <= min(_MOST_SIGNALS, len(texts) // 2) or is_numeric(texts, layout.decimal):
            continue
        labels = _without_device(layout, words)
        rest = [name for name in layout.columns if name != signal]
        values = [name for name in rest if is_numeric(layout.columns[name], layout.decimal)]
        named = [
            name
            for name in values
            if name.lower() in ("value", "wert", "val", "reading", "state", "v", "data")
        ]
        value = values[0] if len(values) == 1 else named[0] if len(named) == 1 else None
        if _meant(layout, words, labels) < 2 or value is None:
            continue
        kept = [name for name in rest if name != value]
        draft.head.append(f'long = {{ signal = "{signal}", value = "{value}" }}  # a row a signal: '
                          f"{', '.join(sorted(words)[:4])}")  # fmt: skip
        frame = pd.DataFrame(layout.columns)
        wide = frame.pivot_table(
            index=kept, columns=signal, values=value, aggfunc="first", sort=True
        ).reset_index()
        stands: dict[str, int] = {}
        signals = [str(name) for name in wide.columns if name not in kept]
        if float((wide[signals].notna().sum(axis=1) > 1).mean()) < _TOGETHER:
            minutes = _moments(layout, wide, kept)
            wide = wide.iloc[np.argsort(minutes, kind="stable")].reset_index(drop=True)
            stands = _stands(wide, signals, np.sort(minutes))
            wide[signals] = wide[signals].ffill()
        columns = {str(name): [str(one) if one == one else "" for one in wide[name]] for name in wide.columns}
        return replace(layout, columns=columns, labels=labels, stands=stands)
    return layout


def _meant(layout: Layout, words: Collection[str], labels: Mapping[str, str]) -> int:
    """Return how many columns of ours the signals mean."""
    as_columns = replace(layout, columns={word: ["1", "2"] for word in sorted(words)}, labels=labels)
    return max(sum(name not in ("battery_id", "zone") for name in picked(kind, as_columns)) for kind in KINDS)


def _without_device(layout: Layout, words: Collection[str]) -> dict[str, str]:
    """Return signal → label without its device's name, where that makes more of them ours.

    A device's name is a word that means nothing here and that several signals have, of a battery among them.
    """
    parts = {word: _PARTS.split(word.lower()) for word in words}
    often = Counter(part for own in parts.values() for part in set(own) if part and not known(part))
    best, most = dict[str, str](), _meant(layout, words, {})
    for name, count in often.items():
        own = {word: own for word, own in parts.items() if name in own}
        if count < 2 or not any(set(one) & set(_BATTERY) for one in own.values()):
            continue
        labels = {word: " ".join(part for part in one if part != name) for word, one in own.items()}
        if (meant := _meant(layout, words, labels)) > most:
            best, most = labels, meant
    return best


def _moments(layout: Layout, wide: pd.DataFrame, kept: Sequence[str]) -> Floats:
    """Return the moments of the rows in minutes, as far as one column alone tells them; else their places."""
    for name in kept:
        texts = [str(one) for one in wide[name]]
        spelling = spelling_of(texts)
        if spelling is not None and not spelling.part:
            times = parsed(texts, spelling)
            if times.notna().all():
                return np.asarray(times.astype("datetime64[us]").astype("int64") / 60e6, dtype=np.float64)
    for name in kept:
        counted = numbers([str(one) for one in wide[name]], layout.decimal, False)
        if name.lower().startswith("sec") and np.isfinite(counted).all():
            return np.asarray(counted / 60)
    return np.arange(len(wide), dtype=np.float64)


def _stands(wide: pd.DataFrame, signals: Sequence[str], minutes: Floats) -> dict[str, int]:
    """Return for how many whole minutes a value of each signal stands until its next."""
    found = {}
    for name in signals:
        own = wide[name].notna().to_numpy()
        steps, values = np.diff(minutes[own]), wide[name].to_numpy()[own]
        if not len(steps):
            continue
        if float((values[1:] == values[:-1]).mean()) < _CHANGES:
            last = minutes[-1] - minutes[own][-1]  # it holds to the end of the file
            stands, most = max(float(steps.max()), float(last)), _DAY_MINUTES
        else:
            stands, most = float(np.quantile(steps, _STANDS)), _MOST_MINUTES
        found[name] = int(np.clip(np.ceil(stands), 1, most))
    return found

"""A file of one row a signal: reported to the draft, and laid out wide for whoever picks its columns."""

from dataclasses import replace

import pandas as pd

from warehouse.sources.suggest.answer import Draft
from warehouse.sources.suggest.pick import KINDS, is_numeric, picked
from warehouse.sources.suggest.sniff import Layout

_MOST_SIGNALS = 500


def widened_text(layout: Layout, draft: Draft) -> Layout:
    """Return a layout with a column for each signal, where the file has a row for each; else itself."""
    for signal, texts in layout.columns.items():
        words = set(texts) - {""}
        if not 2 <= len(words) <= min(_MOST_SIGNALS, len(texts) // 2) or is_numeric(texts, layout.decimal):
            continue
        as_columns = replace(layout, columns={word: ["1", "2"] for word in sorted(words)})
        meant = max(
            sum(name not in ("battery_id", "zone") for name in picked(kind, as_columns)) for kind in KINDS
        )
        rest = [name for name in layout.columns if name != signal]
        values = [name for name in rest if is_numeric(layout.columns[name], layout.decimal)]
        named = [
            name
            for name in values
            if name.lower() in ("value", "wert", "val", "reading", "state", "v", "data")
        ]
        value = values[0] if len(values) == 1 else named[0] if len(named) == 1 else None
        if meant < 2 or value is None:
            continue
        kept = [name for name in rest if name != value]
        draft.head.append(f'long = {{ signal = "{signal}", value = "{value}" }}  # a row a signal: '
                          f"{', '.join(sorted(words)[:4])}")  # fmt: skip
        frame = pd.DataFrame(layout.columns)
        wide = frame.pivot_table(
            index=kept, columns=signal, values=value, aggfunc="first", sort=True
        ).reset_index()
        columns = {str(name): [str(one) if one == one else "" for one in wide[name]] for name in wide.columns}
        return replace(layout, columns=columns)
    return layout

"""Tables as CSV for people's spreadsheets too: no cell of text is taken for a formula."""

from __future__ import annotations

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of something to be reckoned."""


def csv_text(frame: pd.DataFrame) -> str:
    """The CSV of a frame; text that a spreadsheet would reckon has an apostrophe before it.

    No id that the checks let in begins so: this is for what may come into a table in another way.
    """
    columns = {
        name: frame[name].replace(changed) for name in frame.columns if (changed := _changed(frame[name]))
    }
    return frame.assign(**columns).to_csv(index=False)


def _changed(values: pd.Series) -> dict[str, str]:
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return {}
    texts = (value for value in values.unique() if isinstance(value, str))
    return {text: f"'{text}" for text in texts if text.startswith(_FORMULA)}

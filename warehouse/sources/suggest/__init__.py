"""A first mapping for a foreign file: what its bytes, labels and values tell, each line with its reason.

- `suggest`: `suggest_mapping`, the one way in · `answer`: `Suggestion`, and how it becomes TOML
- `sniff`: bytes → encoding, preamble, delimiter, header, decimal mark · `times`: how moments are spelled
- `writer`: the lines of each column · `moments`: those of times · `longs`: a file of one row a signal
- `jsons`: the records of a JSON file · `counters`: what counts up a flow
- `pick`: which column of the file is which of ours · `quantities`: units by label and value
- `sign`: which way a current counts, next to the charge · `ready`: a reader that there is

What cannot be known is left as a comment that begins with TODO, and no line says what values do not bear out.
"""

from warehouse.sources.suggest.answer import Suggestion
from warehouse.sources.suggest.ready import source_hint
from warehouse.sources.suggest.suggest import suggest_mapping

__all__ = ["Suggestion", "source_hint", "suggest_mapping"]

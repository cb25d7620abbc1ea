"""What was known at a moment: the reader of everything that judges, plans or tells as of then.

A core table is read as it was believed at that moment: rows received later do not exist. Of what was
computed, rows count that rest on the knowledge of that moment or an earlier one (`as_of_utc`); so do the rows
of a plan or a calibration, by their own. Quarantine counts by when its rows were received. Other tables (raw
rows, runs) do not tell what was known when, and are refused.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from warehouse.arrivals import arrivals, held_samples
from warehouse.errors import ContractError
from warehouse.missed import Missed, missed
from warehouse.quarantine import Wanted, quarantined, raw_rows, withdrawn_rows
from warehouse.rows import Scalar
from warehouse.soc import first_and_last_soc
from warehouse.store import Extent, Warehouse, Within


@dataclass(frozen=True, slots=True)
class Known:
    """A warehouse as it was known at `as_of` (tz-aware); raises ContractError for a naive moment.

    Methods raise UnknownTableError for a table or column that is unknown or does not tell when it was known,
    and the errors of opening a warehouse.
    """

    warehouse: Warehouse
    as_of: dt.datetime

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None:
            raise ContractError(f"as_of {self.as_of} is naive; give it a time zone")

    def at(self, moment: dt.datetime) -> "Known":
        """Return the same warehouse as of another moment, as that of a plan that stands."""
        return Known(self.warehouse, moment)

    def moment_of(self, table: str) -> dt.datetime:  # noqa: ARG002 a reader that foresees asks which it is
        """Return the moment that a table is read as of."""
        return self.as_of

    def read(
        self,
        table: str,
        *,
        where: Mapping[str, Scalar | Sequence[Scalar]] | None = None,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        columns: Sequence[str] | None = None,
        within: Within | None = None,
    ) -> pd.DataFrame:
        """Return rows of a table as `Warehouse.read` does, as known."""
        known_by = self.moment_of(table)
        return self.warehouse.read(
            table, where=where, start=start, end=end, columns=columns, known_by=known_by, within=within
        )

    def sessions(self, start: dt.datetime, end: dt.datetime) -> pd.DataFrame:
        """Return the sessions that touch [start, end), as known; see `Warehouse.sessions`."""
        return self.warehouse.sessions(start, end, known_by=self.moment_of("core_session"))

    def newest(
        self,
        table: str,
        *,
        by: Sequence[str],
        where: Mapping[str, Scalar | Sequence[Scalar]] | None = None,
        before: dt.datetime | None = None,
        columns: Sequence[str] | None = None,
        within: Within | None = None,
    ) -> pd.DataFrame:
        """Return the rows of the newest `as_of_utc` of each value of `by`; no other row is read whole.

        Of one moment there may be several: all of them are returned. before: tz-aware, only rows as of
        moments before it. within: as in `Warehouse.read`.
        """
        return self.warehouse.newest(
            table, by=by, where=where, before=before, columns=columns, known_by=self.as_of, within=within
        )

    def extent(self, dataset: str) -> Extent:
        """Return how much of a dataset was known and how new it was, without reading it."""
        return self.warehouse.extent(dataset, known_by=self.as_of)

    def monthly_temperature(self, battery_ids: Sequence[str]) -> pd.DataFrame:
        """Return each battery's mean temperature by UTC month; see `Warehouse.monthly_temperature`."""
        return self.warehouse.monthly_temperature(battery_ids, self.as_of)

    def reported_soc(self, came: Mapping[str, dt.datetime]) -> pd.DataFrame:
        """Return what cars said of their charge since they came; see `warehouse.soc.first_and_last_soc`."""
        return first_and_last_soc(self.warehouse, came, self.as_of)

    def quarantined(self, wanted: Wanted) -> pd.DataFrame:
        """Return the rows of the quarantine that had been received; see `warehouse.quarantine`."""
        return quarantined(self.warehouse, wanted, known_by=self.as_of)

    def arrivals(self, lately: dt.timedelta) -> pd.DataFrame:
        """Return the files that had come lately and the lot of their rows; see `warehouse.arrivals`."""
        return arrivals(self.warehouse, self.as_of, lately)

    def held_samples(self, since: dt.datetime, most: int) -> pd.DataFrame:
        """Return samples of what each rule holds back; see `warehouse.arrivals`."""
        return held_samples(self.warehouse, self.as_of, since, most)

    def withdrawn(self, dataset: str) -> pd.DataFrame:
        """Return the rows (source_id, source_row, decided_utc) of a dataset that were withdrawn by then."""
        return withdrawn_rows(self.warehouse, dataset, self.as_of)

    def missed(
        self,
        dataset: str,
        *,
        where: Mapping[str, Sequence[str]] | None = None,
        span: tuple[dt.datetime, dt.datetime] | None = None,
    ) -> Missed:
        """Return how much was received later: to be reported, never reckoned with; see `warehouse.missed`."""
        return missed(self.warehouse, dataset, self.as_of, where=where, span=span)

    def raw_rows(self, dataset: str, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows (source_id, source_row) of `quarantined` as they were ingested."""
        return raw_rows(self.warehouse, dataset, rows)

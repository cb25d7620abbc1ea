"""What a workspace says of markets itself: bidding zones of its own, and the money that it shows."""

from __future__ import annotations

import datetime as dt
import difflib
import zoneinfo

from pydantic import Field, RootModel, field_validator, model_validator

from flows.money import EURO, Money
from flows.section import Section
from warehouse.zones import BUILT_IN, ZONE_NAME, OwnZone

_DELIVERED = "delivered"


class WorkspaceSettings(Section):
    """In which money the answers of this workspace are: `currency`, and the `euros` that one of it is worth.

    Tables, files and settings hold euros, as the names of their columns and keys say. With
    currency = "USD" and euros = 0.92, prices in USD are taken at that rate (without --rate), and answers and
    pages show USD, turned back at the same rate; prices in any third currency still need --rate.
    """

    currency: str = Field(default="EUR", pattern="^[A-Z]{3}$")
    euros: float | None = Field(default=None, gt=0, le=1000)

    @model_validator(mode="after")
    def _with_its_rate(self) -> WorkspaceSettings:
        if self.currency == "EUR" and self.euros is not None:
            raise ValueError("euros: one EUR is one euro; leave it out")
        if self.currency != "EUR" and self.euros is None:
            raise ValueError(
                f'currency = "{self.currency}" needs euros: how many euros one {self.currency} is'
            )
        return self

    @property
    def money(self) -> Money:
        """The money that is shown."""
        return EURO if self.euros is None else Money(code=self.currency, euros=self.euros)


class ZoneSettings(Section):
    """A bidding zone or a utility's area that this software does not know: [zones.NAME], as often as needed.

    `timezone` is that of its market day, by its IANA name (America/Denver); `published` the local time HH:MM
    of the day before at which its prices are out, "delivered" where one is out when its interval is over.
    """

    timezone: str
    published: str = Field(default="12:57", pattern=rf"^(([01]\d|2[0-3]):[0-5]\d|{_DELIVERED})$")

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        names = zoneinfo.available_timezones()
        if value not in names:
            near = difflib.get_close_matches(value, names, n=1, cutoff=0.6)
            raise ValueError(f"no IANA time zone{f'; did you mean {near[0]}?' if near else ''}")
        return value

    @property
    def zone(self) -> OwnZone:
        """The zone as the warehouse knows it."""
        out = None if self.published == _DELIVERED else dt.time.fromisoformat(self.published)
        return OwnZone(timezone=self.timezone, published=out)


class OwnZones(RootModel[dict[str, ZoneSettings]]):
    """The zones that a workspace defines itself; their tables are the root of it: [zones.NAME]."""

    root: dict[str, ZoneSettings] = Field(default={})

    @field_validator("root")
    @classmethod
    def _named_rightly(cls, value: dict[str, ZoneSettings]) -> dict[str, ZoneSettings]:
        for name in value:
            if name in BUILT_IN:
                raise ValueError(f"{name} is known already, in {BUILT_IN[name]}: give yours another name")
            if not ZONE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a zone: capital letters, digits and -, 32 at most")
        return value

"""What is known of a tariff provider, and the one request that asks it for a market day."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from warehouse.errors import OptionError
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.redact import Redactor

JSON_TYPES = ("application/json", "text/json")
XML_TYPES = ("application/xml", "text/xml")
CSV_TYPES = ("text/csv", "text/plain", "application/csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a request is built from.

    day: the market day wanted, start and end its bounds (UTC). tariff: the product asked for, where a
    provider has several. token: the secret of a provider that wants one; it goes into the request alone.
    """

    zone: str
    day: dt.date
    start: dt.datetime
    end: dt.datetime
    tariff: str | None = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request; `secrets` are the values that no message, file or table may show."""

    url: str = field(repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Mapping[str, object] | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def shown(self) -> str:
        """The address without its secrets: what is stored and what errors name."""
        stated = {name: value for name, value in self.params.items() if not self.redactor.finds(value)}
        return self.redactor.text(f"{self.url}?{urlencode(stated, safe=':,')}" if stated else self.url)

    @property
    def redactor(self) -> Redactor:
        """What takes the secrets out of text and bytes."""
        return Redactor(self.secrets)

    @property
    def host(self) -> str:
        """Host of the address."""
        return urlsplit(self.url).hostname or self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A way to get and read prices.

    parse: bytes → rows, pure. media_types, suffix: of its answers. zoned: its answers do not name their zone.
    attribution: what its licence wants to be said. datasets: what can be read from its answers. direction: of
    its tariffs. needs_token, needs_tariff: what `request` cannot do without.
    """

    name: str
    provider: str
    parse: Callable[[str, RawFile, Mapping[str, object]], Parsed]
    request: Callable[[Ask], Request]
    licence: str | None = None
    attribution: str | None = None
    options: frozenset[str] = frozenset({"zone", "rate"})
    media_types: tuple[str, ...] = JSON_TYPES
    suffix: str = "json"
    zoned: bool = True
    datasets: tuple[str, ...] = ("prices",)
    direction: str | None = None
    needs_token: bool = False
    needs_tariff: bool = False


def code_of(codes: Mapping[str, str], ask: Ask, provider: str) -> str:
    """Return the provider's own name of a zone; raises OptionError naming the zones it has."""
    if ask.zone not in codes:
        raise OptionError(
            f"has no prices in {provider}; there are {', '.join(sorted(codes))}",
            file=provider, column="zone", value=ask.zone,
        )  # fmt: skip
    return codes[ask.zone]


def iso(moment: dt.datetime) -> str:
    """Return a UTC time as most providers want it in an address: 2025-10-01T22:00:00Z."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

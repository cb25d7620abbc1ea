"""Whom a workspace asks for prices and tariffs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from flows.section import Section, nearest


class Asked(Section):
    """A provider that is asked: "entsoe", or { source = "octopus", tariff = "E-1R-…", rate = 1.17 }.

    tariff: the code of a provider that has several. rate: euros that one unit of its currency is worth. vat:
    "included" or "excluded", of a provider that does not say. Tokens are never set here.
    """

    source: str
    tariff: str | None = None
    rate: float | None = Field(default=None, gt=0, le=1000)
    vat: Literal["included", "excluded"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_name_alone(cls, value: object) -> object:
        return {"source": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, object]:
        """What the reader of its answers has to be given."""
        fields = {"rate": self.rate, "vat": self.vat}
        return {name: value for name, value in fields.items() if value is not None}


class FetchSettings(Section):
    """Whom `v2g run` and `v2g serve` ask for a market day's prices before they plan it.

    The providers of `prices`, and those of `tariffs` (what a kWh costs and earns at the plug by contract),
    are asked in their order until one gives the whole day; a day that is known already is not asked for. A
    provider is named, or given with what it has to be given:
    { source = "octopus", tariff = "E-1R-AGILE-24-10-01-C", rate = 1.17 }, rate being euros for one unit of
    its currency, and vat "included" or "excluded" where a provider does not say. Tokens are read from the
    environment alone (ENTSOE_TOKEN, TIBBER_TOKEN), or from the file that ENTSOE_TOKEN_FILE names, which
    nobody else may read. All of it takes `deadline_s` seconds at most. Empty lists ask nobody: prices then
    come as files.
    """

    prices: list[Asked] = Field(default=[])
    tariffs: list[Asked] = Field(default=[])
    deadline_s: float = Field(default=90.0, gt=0, le=3600)

    @field_validator("prices", "tariffs")
    @classmethod
    def _known(cls, value: list[Asked], field: ValidationInfo) -> list[Asked]:
        if value:  # knowing the providers takes pandas
            from warehouse.sources.tariffs import PROVIDERS

            of_kind = {name: one for name, one in PROVIDERS.items() if field.field_name in one.datasets}
            for asked in value:
                if asked.source not in of_kind:
                    near = nearest(asked.source, of_kind)
                    raise ValueError(f"no provider of {field.field_name} is called {asked.source}{near}")
                provider = of_kind[asked.source]
                if provider.needs_tariff and asked.tariff is None:
                    raise ValueError(f'{{ source = "{asked.source}", tariff = "CODE" }} is needed')
                allowed = provider.options | ({"tariff"} if provider.needs_tariff else set())
                if excess := {*asked.options, *(["tariff"] if asked.tariff else [])} - allowed:
                    raise ValueError(f"{', '.join(sorted(excess))} does not belong to {asked.source}")
        return value

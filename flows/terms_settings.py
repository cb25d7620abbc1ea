"""Settings of what electricity costs and of what owners have agreed on."""

from __future__ import annotations

from pydantic import Field, model_validator

from flows.section import Section


class TariffSettings(Section):
    """What is added to the wholesale price, or the book that says all that a bill says.

    What is bought costs (price + `import_adder_eur_per_kwh`) · (1 + `vat`), what is sold earns price +
    `export_adder_eur_per_kwh`, at the plug. A retail tariff (`v2g ingest tariffs`) that covers most of the
    day stands in place of it. `book` names a TOML file of this folder (fees by time, taxes, VAT, feed-in,
    refunds, demand charge) that stands in place of both; `v2g bill` bills by it.
    """

    import_adder_eur_per_kwh: float = Field(default=0.0, ge=-1, le=2)
    vat: float = Field(default=0.0, ge=0, le=1)
    export_adder_eur_per_kwh: float = Field(default=0.0, ge=-2, le=2)
    book: str = ""

    @model_validator(mode="after")
    def _either(self) -> TariffSettings:
        if self.book and any(self.adders.values()):
            raise ValueError("a book stands in place of the adders and vat: leave them at 0")
        return self

    @property
    def adders(self) -> dict[str, float]:
        """What is added to the market's price, where there is no book."""
        return self.model_dump(exclude={"book"})


class SettleSettings(Section):
    """What owners and the operator have agreed on: TOML files of this folder in `contracts`.

    A contract bounds the plan (least charge, most V2G) and `v2g settle` settles a day by it; it says which
    cars it is for.
    """

    contracts: list[str] = Field(default=[])

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
    cars it is for. `meter_keys` names a TOML file of this folder with the public key of each meter that
    signs what it counts: signed values (`v2g ingest metering --source ocmf`) are verified by these alone.
    """

    contracts: list[str] = Field(default=[])
    meter_keys: str = ""


class OwnerSettings(Section):
    """What `v2g study acceptance` weighs a benefit B by: A = k·B/R + T with R = β1·U_deg + β2·U_priv.

    `beta1` weighs how unsure next year's loss of capacity is (width of the twin's 90 % interval over its
    middle), `beta2` what is reported of the owner's days: `u_priv_full` where a contract keeps all, and where
    there is none, `u_priv_totals` where it keeps totals alone. `k` is of a euro of benefit over risk, `t` is
    added. Nothing has fitted any of them to owners who accepted or refused: the index is uncalibrated.
    """

    beta1: float = Field(default=1.0, ge=0, le=1000)
    beta2: float = Field(default=1.0, ge=0, le=1000)
    k: float = Field(default=1.0, ge=0, le=1000)
    t: float = Field(default=0.0, ge=-1000, le=1000)
    u_priv_full: float = Field(default=1.0, ge=0, le=1000)
    u_priv_totals: float = Field(default=0.5, ge=0, le=1000)


class PrivacySettings(Section):
    """What `v2g privacy release` may tell of a fleet: `epsilon_per_year` for the months of a calendar year.

    It is spent by every answer and does not come back; the smaller, the less anybody learns of an owner.
    """

    epsilon_per_year: float = Field(default=1.0, ge=0, le=20)

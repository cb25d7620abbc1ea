"""The settings of a workspace: `v2g.toml`, then `V2G_SECTION__KEY` variables on top.

An unknown section or key is an error that names the nearest right one; nothing is swallowed.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    Field,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as SourceError

from flows.errors import SettingsError
from flows.fetch_settings import FetchSettings
from flows.markets import OwnZones, WorkspaceSettings, ZoneSettings
from flows.notify_settings import NotifySettings
from flows.schedules import ScheduleSettings
from flows.section import Section, nearest
from flows.terms_settings import OwnerSettings, PrivacySettings, SettleSettings, TariffSettings

FILE_NAME = "v2g.toml"
UnknownPrices = Literal["week_ago", "day_before", "like_days", "combined"]
_PREFIX = "V2G_"
_AS_JSON = {True: "[17, 18, 19]", False: '{"key": 1}'}
OTHER_VARIABLES = frozenset({"V2G_DEBUG", "V2G_LEDGER_KEY", "V2G_LOG", "V2G_PSEUDONYM_KEYS"})
"""Variables with the prefix that are no setting."""


class FleetSettings(Section):
    """Where the fleet is: `zone` is the bidding zone of its prices; `notice` heads every report."""

    zone: str = "DE-LU"
    notice: str = ""


class PlanSettings(Section):
    """What the optimiser is told.

    `horizon` "published" plans from now to the last published price, "market_day" one market day; both
    reach on to where their last session ends. For a day that nobody has published prices of, those of
    `unknown_prices` stand in: week_ago, day_before, like_days, the mean of days like it, or combined,
    what these and a regression say, each by how well it did; like_days where what is asked for is not
    known (of combined: 28 days);
    `feed_in_on_forecast` lets cars be discharged at them, where that gains more by as much as such prices
    have been off within the day. Left out, `terminal_value_eur_per_kwh`, what a
    stored kWh is worth when a session ends, is what it saves in the car's next one.
    `drawdown_limit` is the largest fall of state of charge by V2G in one session (0–1). `wear` is the form of
    the wear price; "auto" takes for each battery the one that fits its twin best. `wear_risk` is what is paid
    of a price that is not surely known: its "mean", or a quantile (0.5 is as likely too much as too little).
    `objective` may put something before net benefit, after departures: grid_support (the most energy fed in
    over `peak_hours`, local hours 0–23), peak_shaving or load_levelling. `peak_price_eur_per_kw` is paid on
    the largest import of a day, by each site with a bill of its own (behind one meter, else the topmost;
    at 0, the demand charge of a tariff: a month's, spread over the days that are left of it);
    `change_price_eur_per_kwh` on what departs from the plan replaced.
    `co2_price_eur_per_kg` is what emissions cost that the dataset `co2` tells of.
    `v2g_limit_kwh` caps a car's V2G energy of a day; above `taper_from_soc` charging power falls in a
    straight line to `taper_full_share` of its limit when full. Left out, there is no cap and no taper.
    `expected_stays` "auto" plans, of cars whose sessions nobody announces, those that their past makes likely
    (at least `expected_probability`): late to come, early to leave, in need of much, by `expected_quantile`.
    `holidays` "auto" takes public holidays for weekends, those of the country that the zone's clock belongs
    to; or of one that is named (DE), or a part of it (DE-BY, US-CA); "none" for no holidays.
    `departure_price_eur_per_kwh` is what each kWh costs that is missing at a departure, or five times the
    dearest kWh of the horizon where that is more, with what demand charge, emissions and a change of plan
    add to it: no price buys what was promised.
    The solver stops after `solver_time_limit_s` a mode; a plan whose gap to the best possible is above
    `gap_warning` (0.01 is 1 %) is degraded. `from_snapshot` has every run leave a copy of the warehouse in
    exports/, which plans are made from while another process holds the file.
    """

    horizon: Literal["published", "market_day"] = "published"
    unknown_prices: UnknownPrices = "week_ago"
    feed_in_on_forecast: bool = False
    departure_price_eur_per_kwh: float = Field(default=2.0, ge=0, le=100)
    terminal_value_eur_per_kwh: float | None = Field(default=None, ge=-5, le=10)
    drawdown_limit: float = Field(default=0.6, ge=0, le=1)
    wear: Literal["law", "rate", "auto"] = "auto"
    wear_risk: Literal["mean"] | float = "mean"
    objective: Literal["net_benefit", "grid_support", "peak_shaving", "load_levelling"] = "net_benefit"
    peak_hours: list[Annotated[int, Field(ge=0, le=23)]] = Field(default=[])
    peak_price_eur_per_kw: float = Field(default=0.0, ge=0, le=1000)
    co2_price_eur_per_kg: float = Field(default=0.0, ge=0, le=10)
    change_price_eur_per_kwh: float = Field(default=0.0, ge=0, le=10)
    v2g_limit_kwh: float | None = Field(default=None, ge=0, le=10000)
    taper_from_soc: float | None = Field(default=None, ge=0, lt=1)
    taper_full_share: float = Field(default=0.2, ge=0, le=1)
    expected_stays: Literal["auto", "never"] = "auto"
    expected_probability: float = Field(default=0.5, ge=0, le=1)
    expected_quantile: float = Field(default=0.9, ge=0.5, lt=1)
    holidays: str = Field(default="auto", pattern=r"^(auto|none|[A-Z]{2}(-[A-Z0-9]{1,6})?)$")
    solver_time_limit_s: float = Field(default=120.0, gt=0, le=86400)
    gap_warning: float = Field(default=0.01, ge=0, le=10)
    from_snapshot: bool = True

    @field_validator("wear_risk", mode="before")
    @classmethod
    def _known_risk(cls, value: Any) -> Any:
        if value == "mean":
            return value
        try:
            quantile = float(value)
        except (TypeError, ValueError):
            quantile = 1.0
        if not 0.05 <= quantile <= 0.95:
            raise ValueError('"mean" is needed, or a quantile from 0.05 to 0.95')
        return quantile


class CalibrateSettings(Section):
    """How the twin is run: `workers` processes, `chunk_size` batteries a chunk, to `end_of_life_soh` (0–1).

    0 workers is one a core; 1 is none: the twin then runs in the planner's own process. Ageing, life and α
    are fitted again after `full_every_days` at the latest; before, a new check-up, a changed ordinary day or
    a state that drifts ask for it, and on other days the state alone is fitted. `state_model` "spme" counts
    the electrolyte in, which tells more of cold and fast days and takes longer. `prior` names a file of
    `v2g twin merge`: what batteries of other sites taught, which full calibrations then begin with.
    `scheduler` names a Dask scheduler (tcp://HOST:PORT) whose workers, with this software and one thread
    each, run the twins in place of processes here; who reaches it can do all that they may, unless Dask is
    set up with TLS (tls://).
    """

    workers: int = Field(default=0, ge=0, le=256)
    chunk_size: int = Field(default=4, ge=1, le=1000)
    end_of_life_soh: float = Field(default=0.8, ge=0.3, le=0.95)
    full_every_days: float = Field(default=30.0, ge=0, le=366)
    state_model: Literal["spm", "spme"] = "spm"
    prior: str = ""
    scheduler: str = Field(default="", pattern=r"^((tcp|tls)://\S+)?$")

    @property
    def twins(self) -> int | str:
        """Where the twins are run: so many processes here, or the address of a scheduler."""
        return self.scheduler or self.workers


class RetentionSettings(Section):
    """What `v2g retention` lets go of; left out, everything is kept.

    `samples_days`: telemetry samples measured in so many days are kept, and the voltages that twins were
    fitted to; of older ones their quarter-hours; at least 31, as a calibration reads a month.
    `raw_days`: raw telemetry received in so many days is kept as it arrived.
    `reports_days`: pages of the market days of so many days are kept; `v2g report` makes older ones anew.
    `backups`: so many backups of `v2g serve` are stored in backups/, the newest; 0 makes none.
    """

    samples_days: int | None = Field(default=None, ge=31, le=36500)
    raw_days: int | None = Field(default=None, ge=1, le=36500)
    reports_days: int | None = Field(default=None, ge=1, le=36500)
    backups: int = Field(default=7, ge=0, le=1000)


class Settings(BaseSettings):
    """All sections; build it with `load_settings`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="V2G_", env_nested_delimiter="__", allow_inf_nan=False
    )

    workspace: WorkspaceSettings = WorkspaceSettings()
    fleet: FleetSettings = FleetSettings()
    fetch: FetchSettings = FetchSettings()
    tariff: TariffSettings = TariffSettings()
    settle: SettleSettings = SettleSettings()
    owner: OwnerSettings = OwnerSettings()
    privacy: PrivacySettings = PrivacySettings()
    plan: PlanSettings = PlanSettings()
    calibrate: CalibrateSettings = CalibrateSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    retention: RetentionSettings = RetentionSettings()
    notify: NotifySettings = NotifySettings()
    zones: OwnZones = OwnZones()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,  # noqa: ARG003 pydantic's signature
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables before the file; no .env, no secrets folder."""
        file = settings_cls.model_config.get("toml_file")
        return (env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file))


def load_settings(file: Path) -> Settings:
    """Read and validate the settings in `file` and the environment.

    Raises SettingsError that names file, line, key and the nearest right key.
    """
    try:
        text = file.read_text(encoding="utf-8")
        tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: not TOML: {error}") from error
    _refuse_unknown_variables()

    class FileSettings(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        return FileSettings()
    except SourceError as error:  # a variable whose value is no JSON where a list or table is needed
        raise SettingsError(_explain_source(error)) from error
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(item, file, text) for item in error.errors())) from error


def _explain_source(error: SourceError) -> str:
    """Name the variable whose value cannot be read at all."""
    for variable in sorted(name for name in os.environ if name.upper().startswith(_PREFIX)):
        section, _, key = variable.upper().removeprefix(_PREFIX).partition("__")
        field = Settings.model_fields.get(section.lower())
        inner = getattr(field.annotation, "model_fields", {}).get(key.lower()) if field and key else field
        if inner is None or variable.upper() in OTHER_VARIABLES:
            continue
        structured = not key or "list" in str(inner.annotation)
        if structured and not _is_json(os.environ[variable]):
            stated = _shown(section.lower(), os.environ[variable])
            return f"environment variable {variable}{stated}: JSON is needed, as in {_AS_JSON[bool(key)]}"
    return f"a {_PREFIX}… variable: {error}"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def template(zone: str, notice: str = "", *, providers: Sequence[str] = ()) -> str:
    """Text of a new v2g.toml: every key with its default, commented with what it means.

    providers: who is asked for prices.
    """
    lines = ["# Settings of this workspace. V2G_SECTION__KEY variables override single keys.", ""]
    given: dict[str, dict[str, object]] = {
        "fleet": {"zone": zone, "notice": notice},
        "fetch": {"prices": list(providers)},
    }
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if name == "zones":  # as many as there are, none of them here
            lines += [f"# {text}".rstrip() for text in _docstring(ZoneSettings)]
            lines += ["# [zones.MY-UTILITY]", '# timezone = "America/Denver"', ""]
            continue
        if not (isinstance(section, type) and issubclass(section, Section)):
            raise TypeError(f"section {name} of Settings is no Section")
        lines += [f"# {text}".rstrip() for text in _docstring(section)]
        lines.append(f"[{name}]")
        for key, value in (section().model_dump() | given.get(name, {})).items():
            lines.append(f"# {key} =" if value is None else f"{key} = {_toml(value)}")
        lines.append("")
    return "\n".join(lines)


def _docstring(section: type[Section]) -> list[str]:
    return [line.strip() for line in (section.__doc__ or "").strip().splitlines() if line.strip()]


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _refuse_unknown_variables() -> None:
    known = {
        f"{_PREFIX}{section}__{key}".upper()
        for section, field in Settings.model_fields.items()
        for key in getattr(field.annotation, "model_fields", {})
    }
    sections = {f"{_PREFIX}{section}".upper() for section in Settings.model_fields}  # as JSON
    for variable in os.environ:
        name = variable.upper()
        if name.startswith(_PREFIX) and name not in known | sections | OTHER_VARIABLES:
            raise SettingsError(f"environment variable {variable}: no such setting{nearest(name, known)}")


def _explain(item: Any, file: Path, text: str) -> str:
    loc = [str(part) for part in item["loc"]]
    variable = _variable(loc)
    place = f"environment variable {variable}" if variable else f"{file.name}{_line(text, loc)}"
    where = f"{place}: [{loc[0]}] {' '.join(loc[1:])}".rstrip()
    if item["type"] == "extra_forbidden":
        fields: Any = Settings.model_fields
        for part in (name for name in loc[:-1] if name in fields):  # others are places in a list, or names
            annotation = fields[part].annotation
            fields = getattr(([annotation, *get_args(annotation)])[-1], "model_fields", {})
            fields = ZoneSettings.model_fields if annotation is OwnZones else fields
        kind = "section" if len(loc) == 1 else "key"
        return f"{where}: no such {kind}{nearest(loc[-1], fields)}"
    stated = f"{where}{_shown(loc[0], item['input'])}"
    if loc[0] == "schedule" and item["type"] in ("string_pattern_mismatch", "string_type"):
        return f"{stated}: a local time HH:MM is needed, outside the hours 01–03"
    return f"{stated}: {item['msg'].removeprefix('Value error, ')}"


def _shown(section: str, value: object) -> str:
    return "" if section == "notify" else f" = {value!r}"  # its addresses may hold a password


def _variable(loc: list[str]) -> str | None:
    """The environment variable that sets `loc`, which stands before the file; None where the file does."""
    set_here = {name.upper(): name for name in os.environ if name.upper().startswith(_PREFIX)}
    own = set_here.get(f"{_PREFIX}{'__'.join(loc[:2])}".upper())
    whole = set_here.get(f"{_PREFIX}{loc[0]}".upper())
    if own is None and whole is not None:
        try:
            given = json.loads(os.environ[whole])
        except ValueError:
            return whole
        return whole if not isinstance(given, dict) or len(loc) == 1 or loc[1] in given else None
    return own


def _line(text: str, loc: list[str]) -> str:
    """ ":12" for the line that sets `loc` in the TOML text, or begins its table; "" where there is none."""
    section, table = "", ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\s*([\w.-]+)\s*\]", line):
            section = header[1]
            if loc == section.split("."):
                return f":{number}"
            table = f":{number}" if loc[:-1] == section.split(".") else table
        elif key := re.match(r"\s*([\w-]+)\s*=", line):
            place = [*(section.split(".") if section else []), key[1]]
            if place == loc[: len(place)]:
                return f":{number}"
    return table

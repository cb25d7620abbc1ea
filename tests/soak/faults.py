"""What goes wrong with a day, each fault by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import numpy as np
import pandas as pd

from tests.soak.world import Day, World, as_csv, local

Fault = Callable[[World, Day, np.random.Generator], None]


def _prices(day: Day) -> pd.DataFrame:
    return pd.read_csv(StringIO(day.take("prices")))


def _name(day: Day, what: str) -> str:
    return f"prices__csv__{day.day + timedelta(days=1)}-{what}.csv"


def prices_late(world: World, day: Day, dice: np.random.Generator) -> None:
    day.drop("17:00", _name(day, "late"), day.take("prices"))


def prices_a_day_late(world: World, day: Day, dice: np.random.Generator) -> None:
    day.drop("20:00", _name(day, "a-day-late"), day.take("prices"), days=1)


def prices_with_holes(world: World, day: Day, dice: np.random.Generator) -> None:
    rows, first = _prices(day), int(dice.integers(2, 15))
    day.drop("13:00", _name(day, "holes"), rows.drop(index=range(first, first + 5)).to_csv(index=False))
    day.drop("18:00", _name(day, "whole"), rows.to_csv(index=False))


def prices_of_another_day(world: World, day: Day, dice: np.random.Generator) -> None:
    right = day.take("prices")
    day.drop("13:00", _name(day, "wrong"), world.prices(day.day).to_csv(index=False))
    day.drop("18:00", _name(day, "right"), right)


def prices_not_a_number(world: World, day: Day, dice: np.random.Generator) -> None:
    rows = _prices(day)
    day.drop("21:00", _name(day, "whole"), rows.to_csv(index=False), days=1)
    rows.loc[dice.choice(len(rows), 3, replace=False), "price_eur_per_kwh"] = np.nan
    day.drop("13:00", _name(day, "nan"), rows.to_csv(index=False, na_rep="NaN"))


def prices_extreme(world: World, day: Day, dice: np.random.Generator) -> None:
    rows = _prices(day)
    rows.loc[3, "price_eur_per_kwh"], rows.loc[18, "price_eur_per_kwh"] = -0.5, 4.0
    day.drop("13:00", _name(day, "extreme"), rows.to_csv(index=False))


def prices_corrected(world: World, day: Day, dice: np.random.Generator) -> None:
    rows = world.prices(day.day + timedelta(days=1), wide=0.05)
    day.drop("16:00", _name(day, "corrected"), rows.to_csv(index=False))


def prices_garbage(world: World, day: Day, dice: np.random.Generator) -> None:
    day.drop("12:00", _name(day, "garbage"), dice.bytes(2000))


def provider_away(world: World, day: Day, dice: np.random.Generator) -> None:
    day.unreachable = True
    day.drop("15:00", _name(day, "by-hand"), day.take("prices"))


def telemetry_late(world: World, day: Day, dice: np.random.Generator) -> None:
    day.drop("21:00", f"soc_power__csv__{day.day}-late.csv", day.take("soc_power"))


def telemetry_twice(world: World, day: Day, dice: np.random.Generator) -> None:
    text = day.take("soc_power")
    for number, stated in enumerate(("04:00", "09:00")):
        day.drop(stated, f"soc_power__csv__{day.day}-again{number}.csv", text)


def telemetry_unordered(world: World, day: Day, dice: np.random.Generator) -> None:
    rows = pd.read_csv(StringIO(day.take("soc_power")))
    rows = rows.iloc[dice.permutation(len(rows))]
    day.drop("04:00", f"soc_power__csv__{day.day}-unordered.csv", rows.to_csv(index=False))


def telemetry_of_the_future(world: World, day: Day, dice: np.random.Generator) -> None:
    rows = world.telemetry(day.day + timedelta(days=3)).to_csv(index=False)
    day.drop("09:00", f"soc_power__csv__{day.day}-future.csv", rows)


def telemetry_cut(world: World, day: Day, dice: np.random.Generator) -> None:
    text = day.take("soc_power")
    day.drop("04:00", f"soc_power__csv__{day.day}-cut.csv", text[: len(text) // 2 - 7])
    day.drop("10:00", f"soc_power__csv__{day.day}-sent-again.csv", text)


def sessions_overlap(world: World, day: Day, dice: np.random.Generator) -> None:
    night = world.night(world.cars[0], day.day + timedelta(days=1))
    other = replace(
        night, session_id=night.session_id + "x", arrival=night.arrival + timedelta(hours=1),
        departure=night.departure + timedelta(hours=2),
    )  # fmt: skip
    day.drop("10:00", f"sessions__csv__{day.day}-overlap.csv", as_csv([other]))


def sessions_backwards(world: World, day: Day, dice: np.random.Generator) -> None:
    night = world.night(world.cars[0], day.day + timedelta(days=1))
    turned = replace(
        night, arrival=night.departure, departure=night.arrival, session_id=night.session_id + "b"
    )
    day.drop("10:00", f"sessions__csv__{day.day}-backwards.csv", as_csv([turned]))


def sessions_impossible(world: World, day: Day, dice: np.random.Generator) -> None:
    night = world.night(world.cars[-1], day.day + timedelta(days=1))
    short = replace(
        night, arrival=night.arrival - timedelta(hours=4), departure=night.arrival - timedelta(hours=3.5),
        session_id=night.session_id + "i", arrival_soc=0.2, departure_soc=0.95,
    )  # fmt: skip
    day.drop("10:00", f"sessions__csv__{day.day}-impossible.csv", as_csv([short]))


def sessions_never(world: World, day: Day, dice: np.random.Generator) -> None:
    day.take("sessions")


def killed(world: World, day: Day, dice: np.random.Generator) -> None:
    day.killed = True


def locked(world: World, day: Day, dice: np.random.Generator) -> None:
    day.locked = True


def asleep(world: World, day: Day, dice: np.random.Generator) -> None:
    begin = local(day.day, "09:00") + timedelta(hours=int(dice.integers(0, 10)))
    day.away = (begin, begin + timedelta(hours=int(dice.integers(18, 30))))


def settings_mistyped(world: World, day: Day, dice: np.random.Generator) -> None:
    day.mistyped = True


def no_folder_for_pages(world: World, day: Day, dice: np.random.Generator) -> None:
    day.shut = True


def database_cut_short(world: World, day: Day, dice: np.random.Generator) -> None:
    day.damaged = True


FAULTS: Mapping[str, Fault] = {
    one.__name__: one
    for one in (
        prices_late, prices_a_day_late, prices_with_holes, prices_of_another_day, prices_not_a_number,
        prices_extreme, prices_corrected, prices_garbage, provider_away, telemetry_late, telemetry_twice,
        telemetry_unordered, telemetry_of_the_future, telemetry_cut, sessions_overlap, sessions_backwards,
        sessions_impossible, sessions_never, killed, locked, asleep, settings_mistyped, no_folder_for_pages,
        database_cut_short,
    )
}  # fmt: skip

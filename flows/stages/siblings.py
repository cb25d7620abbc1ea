"""What the fleet taught of ageing: a prior for each battery from earlier calibrations of its siblings."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime

import pandas as pd

from twin.prior import AgeingPrior, lesson_of, sibling_priors
from warehouse.store import Warehouse

_TEACHING = ("calibrated", "checkups")  # a battery without data would teach its own prior


def priors_of(
    warehouse: Warehouse, as_of: datetime, disputed: Collection[str] = ()
) -> dict[str, AgeingPrior]:
    """The ageing prior of every battery; calibrations of days before that of `as_of` count.

    Those of the day itself do not: a run that is repeated asks the same again. Batteries that are
    ``disputed`` teach nothing, whatever was believed of them earlier.
    """
    fleet = warehouse.read("core_battery", columns=["battery_id", "chemistry"])
    rows = warehouse.read(
        "out_calibration",
        where={"quality": list(_TEACHING)},
        columns=["battery_id", "as_of_utc", "parameters_json"],
    )
    earlier = rows[rows["as_of_utc"] < pd.Timestamp(as_of).normalize()]
    newest = earlier.sort_values("as_of_utc", kind="stable").drop_duplicates("battery_id", keep="last")
    lessons = {
        str(battery): lesson_of(json.loads(parameters))
        for battery, parameters in zip(newest["battery_id"], newest["parameters_json"], strict=True)
    }
    return sibling_priors(
        dict(zip(fleet["battery_id"].astype(str), fleet["chemistry"].astype(str), strict=True)),
        {
            battery: lesson
            for battery, lesson in lessons.items()
            if lesson is not None and battery not in disputed
        },
    )

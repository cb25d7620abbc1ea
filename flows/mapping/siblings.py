"""What the fleet taught of ageing: a prior for each battery from earlier calibrations of its siblings."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from types import MappingProxyType

import pandas as pd

from flows.mapping.calibrations import ORDER, oldest_first
from twin.prior import AgeingPrior, SiblingStatistics, sibling_priors
from twin.record import TwinRecord, sibling_statistics
from warehouse.known import Known

_log = logging.getLogger(__name__)
_TEACHING = ("calibrated", "checkups")  # a battery without data would teach its own prior


def priors_of(
    known: Known, disputed: Collection[str] = (), bases: Mapping[str, AgeingPrior] = MappingProxyType({})
) -> dict[str, AgeingPrior]:
    """The ageing prior of every battery; calibrations of days before that of `known.as_of` count.

    Those of the day itself do not: a run that is repeated asks the same again. Batteries that are
    ``disputed`` teach nothing, whatever was believed of them earlier. ``bases``: what other sites taught, by
    chemistry.
    """
    return sibling_priors(_chemistries(known), _lessons(known, disputed), bases)


def lessons_by_chemistry(known: Known, disputed: Collection[str] = ()) -> dict[str, list[SiblingStatistics]]:
    """What the fleet's batteries have to teach, as `priors_of` takes it."""
    chemistry_of, found = _chemistries(known), dict[str, list[SiblingStatistics]]()
    for battery, lesson in sorted(_lessons(known, disputed).items()):
        if battery in chemistry_of:
            found.setdefault(chemistry_of[battery], []).append(lesson)
    return found


def _chemistries(known: Known) -> dict[str, str]:
    fleet = known.read("core_battery", columns=["battery_id", "chemistry"])
    return dict(zip(fleet["battery_id"].astype(str), fleet["chemistry"].astype(str), strict=True))


def _lessons(known: Known, disputed: Collection[str]) -> dict[str, SiblingStatistics]:
    rows = known.newest(
        "out_calibration",
        by=["battery_id"],
        before=pd.Timestamp(known.as_of).normalize(),
        where={"quality": list(_TEACHING)},
        columns=["battery_id", "parameters_json", *ORDER],
    )
    newest = oldest_first(rows).drop_duplicates("battery_id", keep="last")
    statistics = {
        str(battery): _statistics(str(battery), parameters)
        for battery, parameters in zip(newest["battery_id"], newest["parameters_json"], strict=True)
    }
    return {
        battery: sibling
        for battery, sibling in statistics.items()
        if sibling is not None and battery not in disputed
    }


def _statistics(battery: str, parameters: str) -> SiblingStatistics | None:
    """What one calibration teaches; None, and a word in the log, where its parameters cannot be read."""
    try:
        return sibling_statistics(TwinRecord.from_json(parameters))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        text = "%s tells its siblings nothing: its parameters cannot be read (%s)"
        _log.warning(text, battery, error, extra={"battery_id": battery})
        return None

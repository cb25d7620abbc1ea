"""SetChargingProfile messages: some that keep every rule, and one for each rule that breaks it alone."""

from __future__ import annotations

from typing import Any

from flows.dispatch.station import Station

START = "2026-06-16T18:00:00Z"


def period(start: int = 0, **more: Any) -> dict[str, Any]:
    return {"startPeriod": start, "limit": 11000.0} | more


def v2x(start: int = 0, setpoint: float = -5000.0, **more: Any) -> dict[str, Any]:
    return {"startPeriod": start, "operationMode": "CentralSetpoint", "setpoint": setpoint} | more


def mode(name: str, start: int = 0, **more: Any) -> dict[str, Any]:
    return {"startPeriod": start, "operationMode": name} | more


def schedule(*periods: dict[str, Any], **more: Any) -> dict[str, Any]:
    fields = {"id": 1, "startSchedule": START, "duration": 7200, "chargingRateUnit": "W"}
    return fields | {"chargingSchedulePeriod": list(periods) or [period(), period(900, limit=0.0)]} | more


def profile(*schedules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": 100, "stackLevel": 1, "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Absolute",
        "transactionId": "t-1", "chargingSchedule": list(schedules) or [schedule()],
    } | more  # fmt: skip


def default(*schedules: dict[str, Any], **more: Any) -> dict[str, Any]:
    stated = profile(*schedules, chargingProfilePurpose="TxDefaultProfile", **more)
    return {name: value for name, value in stated.items() if name != "transactionId"}


def request(stated: dict[str, Any], evse: int = 1) -> dict[str, Any]:
    return {"evseId": evse, "chargingProfile": stated}


def without(stated: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in stated.items() if name not in names}


def purpose(name: str, *schedules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return default(*schedules, **more) | {"chargingProfilePurpose": name}


KNOWN = Station(
    evses=frozenset({1, 2}), units=frozenset({"W"}), most_periods=24, most_stack_level=9, phases=1,
    transactions={1: "t-1"}, max_external_constraints_id=50, phase_switching=False, dynamic_profiles=False,
    local_time=False, randomized_delay=False, limit_at_soc=False, evse_sleep=False,
    modes=frozenset({"CentralSetpoint", "Idle"}), purposes=frozenset(),
)  # fmt: skip
DC = Station(direct_current=True)
CURVE = [{"frequency": 49.8, "power": 5000.0}, {"frequency": 50.2, "power": -5000.0}]
SOC_LIMIT = {"soc": 80, "limit": 1000.0}

GOOD = {
    "charging only": request(profile()),
    "a frame": [2, "19223201", "SetChargingProfile", request(profile())],
    "a profile alone": profile(),
    "feeds back": request(profile(schedule(v2x(dischargeLimit=-5000.0, limit=0.0), mode("Idle", 900)))),
    "a default": request(default()),
    "the station's": request(purpose("ChargingStationMaxProfile"), 0),
    "recurring": request(default(chargingProfileKind="Recurring", recurrencyKind="Daily")),
    "relative": request(profile(without(schedule(), "startSchedule"), chargingProfileKind="Relative")),
    "three phases": request(profile(schedule(period(limit_L2=3000.0, limit_L3=3000.0, numberPhases=3)))),
    "one of three": request(profile(schedule(period(numberPhases=1, phaseToUse=2)))),
    "frequency": request(profile(schedule(mode("LocalFrequency", v2xBaseline=0.0, v2xFreqWattCurve=CURVE)))),
    "asleep": request(profile(schedule(mode("Idle", evseSleep=True)))),
    "valid for a while": request(default(validFrom=START, validTo="2026-06-17T06:00:00+02:00")),
    "dynamic": request(
        profile(schedule(period()), chargingProfileKind="Dynamic", dynUpdateInterval=60, dynUpdateTime=START)
    ),
}

BROKEN: dict[str, tuple[Any, ...]] = {
    # the message
    "no message": ("schema", "SetChargingProfile"),
    "another call": ("schema", [2, "1", "GetVariables", {}]),
    "an answer": ("schema", [3, "1", {"status": "Accepted"}]),
    "no profile": ("schema", {"evseId": 1}),
    "no schedule": ("schema", request(profile(chargingSchedule=[]))),
    "no period": ("schema", request(profile(schedule(chargingSchedulePeriod=[])))),
    "four schedules": ("schema", request(profile(*(schedule(id=n) for n in range(4))))),
    "an unknown purpose": ("schema", request(profile(chargingProfilePurpose="Tx"))),
    "an unknown mode": ("schema", request(profile(schedule(mode("Discharging"))))),
    "a level below 0": ("schema", request(profile(stackLevel=-1))),
    "a discharge limit above 0": ("schema", request(profile(schedule(v2x(dischargeLimit=5.0))))),
    "text for a limit": ("schema", request(profile(schedule(period(limit="11 kW"))))),
    "not a number": ("schema", request(profile(schedule(period(limit=float("nan")))))),
    "infinite": ("schema", request(profile(schedule(v2x(float("inf")))))),
    "V2X in 2.0.1": ("schema", request(profile(schedule(v2x()))), Station(version="2.0.1")),
    # the profile
    "external constraints": ("K01.FR.22", request(purpose("ChargingStationExternalConstraints"))),
    "a recurring one without kind": (
        "ChargingProfileType.recurrencyKind",
        request(default(chargingProfileKind="Recurring")),
    ),
    "a default of a transaction": (
        "ChargingProfileType.transactionId",
        request(default() | {"transactionId": "t-1"}),
    ),
    "valid from never": ("ChargingProfileType.validFrom", request(default(validFrom="now"))),
    "valid without offset": ("ChargingProfileType.validTo", request(default(validTo="2026-06-16T18:00:00"))),
    "valid backwards": ("ChargingProfileType.validTo", request(default(validFrom=START, validTo=START))),
    "a level too high": ("ChargeProfileMaxStackLevel", request(profile(stackLevel=10)), KNOWN),
    "priority unsupported": (
        "K01.FR.120",
        request(purpose("PriorityCharging", without(schedule(), "duration"))),
        KNOWN,
    ),
    "dynamic unsupported": (
        "K01.FR.121",
        request(profile(schedule(period()), chargingProfileKind="Dynamic")),
        KNOWN,
    ),
    "an update of what is fixed": ("K01.FR.122", request(profile(dynUpdateInterval=60))),
    "an update time of what is fixed": ("K01.FR.122", request(profile(dynUpdateTime=START))),
    "an id of external constraints": ("K01.FR.81", request(profile(id=50)), KNOWN),
    "offline below 0": ("ChargingProfileType.maxOfflineDuration", request(profile(maxOfflineDuration=-1))),
    "invalid after nothing": (
        "ChargingProfileType.invalidAfterOfflineDuration",
        request(profile(invalidAfterOfflineDuration=True)),
    ),
    "a dynamic one of two periods": (
        "ChargingProfileType.chargingSchedule",
        request(profile(chargingProfileKind="Dynamic")),
    ),
    "an id twice": ("ChargingProfileType.chargingSchedule", request(profile(schedule(), schedule()))),
    # whom it is for
    "no transaction named": ("K01.FR.03", request(without(profile(), "transactionId"))),
    "no such EVSE": ("K01.FR.28", request(profile(), 7), KNOWN),
    "a transaction of the station": ("K01.FR.16", request(profile(), 0)),
    "the station's for an EVSE": ("K01.FR.03", request(purpose("ChargingStationMaxProfile"), 1)),
    "the station's from a start": (
        "K01.FR.38",
        request(
            purpose(
                "ChargingStationMaxProfile",
                without(schedule(), "startSchedule"),
                chargingProfileKind="Relative",
            ),
            0,
        ),
    ),
    "nothing runs there": ("K01.FR.09", request(profile(), 2), KNOWN),
    "another one runs there": ("K01.FR.33", request(profile(transactionId="t-2"), 1), KNOWN),
    # the schedule
    "amperes": ("K01.FR.26", request(profile(schedule(chargingRateUnit="A"))), KNOWN),
    "no start": ("K01.FR.40", request(profile(without(schedule(), "startSchedule")))),
    "a recurring one without start": (
        "K01.FR.40",
        request(
            default(
                without(schedule(), "startSchedule"), chargingProfileKind="Recurring", recurrencyKind="Daily"
            )
        ),
    ),
    "a relative start": ("K01.FR.41", request(profile(chargingProfileKind="Relative"))),
    "a start without offset": (
        "ChargingScheduleType.startSchedule",
        request(profile(schedule(startSchedule=START[:-1]))),
    ),
    "no time": ("ChargingScheduleType.duration", request(profile(schedule(duration=0)))),
    "longer than a day": (
        "ChargingScheduleType.duration",
        request(default(schedule(duration=90_000), chargingProfileKind="Recurring", recurrencyKind="Daily")),
    ),
    "longer than a week": (
        "ChargingScheduleType.duration",
        request(
            default(schedule(duration=700_000), chargingProfileKind="Recurring", recurrencyKind="Weekly")
        ),
    ),
    "a least rate below 0": (
        "ChargingScheduleType.minChargingRate",
        request(profile(schedule(minChargingRate=-1.0))),
    ),
    "priority that ends": ("K01.FR.70", request(purpose("PriorityCharging"))),
    "a delay of the station's": (
        "K01.FR.95",
        request(purpose("ChargingStationMaxProfile", schedule(randomizedDelay=60)), 0),
    ),
    "local time": ("K01.FR.123", request(profile(schedule(useLocalTime=True))), KNOWN),
    "a delay": ("K01.FR.124", request(profile(schedule(randomizedDelay=60))), KNOWN),
    "a limit at a charge": ("K01.FR.125", request(profile(schedule(limitAtSoC=SOC_LIMIT))), KNOWN),
    # the periods
    "a late begin": ("K01.FR.31", request(profile(schedule(period(900))))),
    "backwards": ("K01.FR.35", request(profile(schedule(period(), period(1800), period(900))))),
    "two at once": ("K01.FR.35", request(profile(schedule(period(), period(0))))),
    "too many": (
        "PeriodsPerSchedule",
        request(profile(schedule(*(period(900 * n) for n in range(25)), duration=90_000))),
        KNOWN,
    ),
    "one of three phases": ("K01.FR.19", request(profile(schedule(period(numberPhases=3, phaseToUse=1))))),
    "a phase of none": ("K01.FR.19", request(profile(schedule(period(phaseToUse=1))))),
    "a phase that is not switched": (
        "K01.FR.20",
        request(profile(schedule(period(numberPhases=1, phaseToUse=1)))),
        KNOWN,
    ),
    "phases of DC": ("K01.FR.44", request(profile(schedule(period(numberPhases=3)))), DC),
    "more phases than there are": ("K01.FR.45", request(profile(schedule(period(numberPhases=3)))), KNOWN),
    "a limit below 0": ("ChargingSchedulePeriodType.limit", request(profile(schedule(period(limit=-5.0))))),
    # the operation modes
    "no limit": ("Q02", request(profile(schedule({"startPeriod": 0})))),
    "charging to a setpoint": ("Q02", request(profile(schedule(period(setpoint=5.0))))),
    "charging that feeds back": ("Q02", request(profile(schedule(period(dischargeLimit=-5.0))))),
    "no setpoint": ("Q03", request(profile(schedule(mode("CentralSetpoint", limit=5.0))))),
    "an outer setpoint": ("Q05", request(profile(schedule(mode("ExternalSetpoint", setpoint=5.0))))),
    "outer limits with one": ("Q06", request(profile(schedule(mode("ExternalLimits", limit=5.0))))),
    "frequency without setpoint": ("Q07", request(profile(schedule(mode("CentralFrequency"))))),
    "reactive frequency": (
        "Q07",
        request(profile(schedule(mode("CentralFrequency", setpoint=1.0, setpointReactive=1.0)))),
    ),
    "balancing to a limit": ("Q09", request(profile(schedule(mode("LocalLoadBalancing", limit=1.0))))),
    "idle with a setpoint": ("Q10.FR.01", request(profile(schedule(mode("Idle", setpoint=0.0))))),
    "idle with a limit": ("Q10.FR.01", request(profile(schedule(mode("Idle", limit=0.0))))),
    "idle with a limit of a phase": ("Q10.FR.01", request(profile(schedule(mode("Idle", limit_L2=0.0))))),
    "local frequency with a setpoint": (
        "Q08.FR.04",
        request(
            profile(schedule(mode("LocalFrequency", setpoint=1.0, v2xBaseline=0.0, v2xFreqWattCurve=CURVE)))
        ),
    ),
    "a curve of one point": (
        "Q08.FR.02",
        request(profile(schedule(mode("LocalFrequency", v2xBaseline=0.0, v2xFreqWattCurve=CURVE[:1])))),
    ),
    "no baseline": ("Q08.FR.02", request(profile(schedule(mode("LocalFrequency", v2xFreqWattCurve=CURVE))))),
    "a curve of amperes": (
        "Q08.FR.05",
        request(
            profile(
                schedule(
                    mode("LocalFrequency", v2xBaseline=0.0, v2xFreqWattCurve=CURVE), chargingRateUnit="A"
                )
            )
        ),
    ),
    "a curve backwards": (
        "ChargingSchedulePeriodType.v2xFreqWattCurve",
        request(profile(schedule(mode("LocalFrequency", v2xBaseline=0.0, v2xFreqWattCurve=CURVE[::-1])))),
    ),
    "priority that feeds back": (
        "K01.FR.71",
        request(purpose("PriorityCharging", without(schedule(v2x()), "duration"))),
    ),
    "a station that feeds back": (
        "table 95",
        request(purpose("ChargingStationMaxProfile", schedule(v2x())), 0),
    ),
    "a mode of others": (
        "SupportedOperationModes",
        request(profile(schedule(mode("LocalLoadBalancing")))),
        KNOWN,
    ),
    "sleep unsupported": ("K01.FR.126", request(profile(schedule(mode("Idle", evseSleep=True)))), KNOWN),
    "sleep while charging": ("Q10", request(profile(schedule(period(evseSleep=True))))),
    "above the limit": (
        "ChargingSchedulePeriodType.setpoint",
        request(profile(schedule(v2x(setpoint=6000.0, limit=5000.0)))),
    ),
    "below the limit": (
        "ChargingSchedulePeriodType.setpoint",
        request(profile(schedule(v2x(setpoint=-6000.0, dischargeLimit=-5000.0)))),
    ),
    "phases against each other": (
        "ChargingSchedulePeriodType.setpoint",
        request(profile(schedule(v2x(setpoint=-1.0, setpoint_L2=1.0, setpoint_L3=1.0)))),
    ),
    "a phase without the first": (
        "ChargingSchedulePeriodType.limit_L2",
        request(profile(schedule(v2x(limit_L2=1.0)))),
    ),
    "a second phase of one": (
        "ChargingSchedulePeriodType.limit_L2",
        request(profile(schedule(period(limit_L2=1.0, numberPhases=1)))),
    ),
}

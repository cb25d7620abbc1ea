"""A back-test: what each strategy would have earned on past days, reported and stored in out_backtest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd

from flows.backtest.course import Span, first_moment, lived
from flows.backtest.rows import rows_of
from flows.backtest.strategies import Course, Strategy, courses_of
from flows.backtest.summary import summary
from flows.backtest.trial import Trials, throw_away, trials
from flows.context import Context
from flows.errors import NoAccountError
from flows.mapping.hashing import hash_frame, hash_values
from flows.private import keep_private
from flows.stages.calibrate import calibrate
from flows.stages.record import StageResult
from flows.version import code_version
from flows.workers import twin_workers
from flows.workspace import Workspace
from warehouse.at_once import to_itself
from warehouse.zones import market_day_bounds

Progress = Callable[[str, int, int], None]
"""Called with what is under way, days done, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTest:
    """run_id: of all that is begun, settled and judged alike on the same data, however far it goes."""

    workspace: Workspace
    span: Span
    strategies: Sequence[Strategy]
    run_id: str

    @classmethod
    def of(
        cls,
        workspace: Workspace,
        days: tuple[date, date],
        strategies: Sequence[Strategy],
        *,
        now: datetime,
        every_minutes: int = 0,
        as_of: datetime | None = None,
        twin: bool = False,
    ) -> BackTest:
        """as_of: what was received later is not known; None: all that has been ingested is. twin: ask it for
        wear.

        Raises NoAccountError for days that are not over by then, or now.
        """
        sources = workspace.warehouse.read("raw_source")
        ingested = sources["received_utc"].max()
        if pd.isna(ingested):
            raise NoAccountError(
                "no back-test: nothing has been ingested", hint="`v2g ingest`, then `v2g check`."
            )
        first, last = days
        zone = workspace.zone
        if market_day_bounds(last, zone)[1] > (judged := as_of or now):
            raise NoAccountError(f"no back-test: {last} is not over as of {judged:%Y-%m-%d %H:%M} UTC")
        known_until = as_of or ingested.to_pydatetime()
        span = Span(
            zone=zone, first=first, last=last, every_minutes=every_minutes, known_until=known_until, twin=twin
        )
        settings = workspace.settings
        asked: list[Any] = [
            zone, str(first), every_minutes, twin, known_until.isoformat(), _data(workspace, sources),
            settings.tariff.adders, settings.plan.model_dump(), code_version(),
        ]  # fmt: skip
        asked += [workspace.book.digest] if workspace.book else []
        asked += [contract.digest for contract in workspace.contracts]
        run_id = f"backtest-{first:%Y%m%d}-{hash_values(asked)[:12]}"
        return cls(workspace=workspace, span=span, strategies=tuple(strategies), run_id=run_id)

    def run(self, progress: Progress) -> StageResult:
        """Do what is not done yet, and tell all of it; a day without an account costs no other.

        Raises LockedError while another back-test of the workspace runs, NoAccountError where no day has any.
        """
        keep_private()
        missing: dict[str, list[str]] = {}
        courses = courses_of(self.strategies)
        todo = {course: own for course, own in courses.items() if not self._is_done(own)}
        if todo:
            workers = twin_workers(self.workspace.settings.calibrate.twins)
            with trials(self.workspace, self.run_id) as copies, workers:
                self._prepare(copies, progress)
                for course, own in todo.items():
                    if lacks := self._follow(copies, course, own, progress):
                        missing[course.name] = lacks
        else:
            throw_away(self.workspace, self.run_id)
        rows = self._rows()
        lines = summary(rows, self.strategies, len(self.span.days))
        if not lines:
            why = "; ".join(f"{name}: {lacks[0]}" for name, lacks in missing.items())
            raise NoAccountError(f"no back-test: no day has an account of every strategy: {why}")
        return self._stated(lines, missing)

    def _prepare(self, copies: Trials, progress: Progress) -> None:
        """Calibrate cars without a calibration that was known when the first decision was made."""
        if copies.ready:
            return
        copies.begin_again()
        progress("copying", 0, 1)
        context = Context.of(copies.data, first_moment(self.span))
        progress("copying", 1, 1)
        cars = set(context.known.read("core_battery", columns=["battery_id"])["battery_id"])
        known = set(context.known.read("out_calibration", columns=["battery_id"])["battery_id"])
        if cars - known:
            calibrate(context, progress=lambda done, total, _: progress("calibrating", done, total))
        copies.finish()

    def _follow(
        self, copies: Trials, course: Course, strategies: Sequence[Strategy], progress: Progress
    ) -> list[str]:
        """Live the days of a course and keep its rows; the days without an account, and why."""
        own, total = copies.of(course), len(self.span.days)
        known = self._rows()
        lacks: list[str] = []
        progress(course.name, 0, total)
        with to_itself(own.warehouse):
            for number, (day, notes) in enumerate(lived(own, course, self.span), start=1):
                of_day = known[known["market_date"] == day]
                if not {one.name for one in strategies} <= set(of_day["strategy"]):
                    rows = rows_of(own, self.run_id, self.span, day, strategies, notes)
                    if rows.empty:
                        lacks.append(f"{day}: {notes}")
                    else:
                        self.workspace.warehouse.write({"out_backtest": rows})
                progress(course.name, number, total)
        copies.drop(course)
        return lacks

    def _is_done(self, strategies: Sequence[Strategy]) -> bool:
        rows = self._rows()
        return all(
            set(self.span.days) <= set(rows.loc[rows["strategy"] == one.name, "market_date"])
            for one in strategies
        )

    def _rows(self) -> pd.DataFrame:
        """The rows of this run within the days."""
        within = {"market_date": (self.span.first, self.span.last)}
        return self.workspace.warehouse.read("out_backtest", where={"run_id": self.run_id}, within=within)

    def _stated(self, lines: list[dict[str, Any]], missing: dict[str, list[str]]) -> StageResult:
        span = self.span
        message = f"{span.first} to {span.last}: {len(lines)} strategies on {lines[0]['days']} days"
        for name, lacks in missing.items():
            message += f"; {name} has no account of {len(lacks)} days, the first {lacks[0]}"
        return StageResult(
            stage="backtest",
            status="degraded" if missing else "ok",
            message=message,
            exit_code=3 if missing else 0,
            tables={"strategies": self.workspace.money.rows(lines)},
            details={"run_id": self.run_id, "every_minutes": span.every_minutes},
        )


def _data(workspace: Workspace, sources: pd.DataFrame) -> list[str]:
    """What the answer rests on: files and whether they were checked, decisions on rows, calibrations."""
    read = workspace.warehouse.read
    decided = [hash_frame(read(name).drop(columns="reason")) for name in ("core_release", "core_withdrawal")]
    stated = sorted(zip(sources["source_id"], sources["checked_utc"].notna(), strict=True))
    calibrations = sorted(read("out_calibration", columns=["calibration_id"])["calibration_id"])
    return [hash_values(stated), *decided, hash_values(calibrations)]

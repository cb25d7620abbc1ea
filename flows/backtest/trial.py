"""Copies of the warehouse that a back-test plans in: one a course, kept until all of its days are reported.

They lie in the workspace, in .backtest/RUN/COURSE, and are thrown away when the back-test ends; one that was
killed goes on in them. What the published plans left is emptied from them, and, once the twins have learnt
from it, what was measured: a strategy lives its own life.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from flows.backtest.strategies import Course
from flows.server.held import hold, let_go
from flows.workspace import Workspace
from warehouse.contracts import CONTRACTS, core_contract, raw_contract
from warehouse.errors import LockedError
from warehouse.files import make_folder

FOLDER = ".backtest"
_KEPT = frozenset({"out_check", *(name for name, table in CONTRACTS.items() if "quality" in table.names)})
"""What was computed and is no plan: what the twins have learnt, what the checks have said."""
_DATA = "data"
_MEASURED = (
    *(
        contract(name).name
        for name in ("telemetry", "soc_power", "metering")
        for contract in (raw_contract, core_contract)
    ),
    *(name for name in CONTRACTS if name.startswith("core_telemetry_")),
)
"""What cars and meters reported of what was really done: of a strategy that did otherwise it tells
nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """The copies of one back-test in a folder of their own; workspace: the one that is judged."""

    workspace: Workspace
    folder: Path

    @property
    def data(self) -> Workspace:
        """A copy without plans, that courses are copied from; made at the first call."""
        data = replace(self.workspace, root=self.folder / _DATA)
        if not data.warehouse.path.exists():
            emptied = [name for name in CONTRACTS if name.startswith("out_") and name not in _KEPT]
            self.workspace.warehouse.trial(data.warehouse.path, empty=emptied)
        return data

    @property
    def ready(self) -> bool:
        """Whether courses may be copied from `data`."""
        return (self.folder / _DATA / "ready").exists()

    def finish(self) -> None:
        """Say that `data` is ready."""
        (self.folder / _DATA / "ready").touch()

    def begin_again(self) -> None:
        """Throw away a copy that was never ready."""
        shutil.rmtree(self.folder / _DATA, ignore_errors=True)

    def of(self, course: Course) -> Workspace:
        """The workspace that a course is planned in: as it was left, or begun."""
        settings = course.settings(self.workspace.settings)
        own = replace(self.workspace, root=self.folder / course.name, settings=settings)
        if not own.warehouse.path.exists():
            self.data.warehouse.trial(own.warehouse.path, empty=_MEASURED)
        return own

    def drop(self, course: Course) -> None:
        """Throw away the copy of a course."""
        shutil.rmtree(self.folder / course.name, ignore_errors=True)


@contextmanager
def trials(workspace: Workspace, run_id: str) -> Iterator[Trials]:
    """The copies of a back-test; what another one has left is thrown away, and these where it ends well.

    Raises LockedError while another back-test of the workspace runs.
    """
    around = make_folder(workspace.root / FOLDER)
    lock = around / "lock"
    if (holder := hold(lock)) is not None:
        raise LockedError(f"a back-test of {workspace.root} is running already, as process {holder}")
    try:
        for other in around.iterdir():
            if other.is_dir() and other.name != run_id:
                shutil.rmtree(other)
        yield Trials(workspace=workspace, folder=make_folder(around / run_id))
        shutil.rmtree(around / run_id)
    finally:
        let_go(lock)


def throw_away(workspace: Workspace, run_id: str) -> None:
    """Throw away the copies of a back-test that was killed when all its rows were written."""
    if (workspace.root / FOLDER / run_id).exists():
        with suppress(LockedError), trials(workspace, run_id):  # the one that runs throws them away
            pass

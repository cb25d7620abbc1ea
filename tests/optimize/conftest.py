"""What tests of the fleet engine need before their clock runs."""

from __future__ import annotations

import pytest

from optimize.fleet.plan import warm_up


@pytest.fixture(scope="session")
def kernels() -> None:
    """The engine is compiled: no day's time limit pays for the first time on a machine."""
    warm_up()

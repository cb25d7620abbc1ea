"""What the fleet engine refuses."""

from __future__ import annotations

from optimize.errors import OptimizeError


class UnsupportedError(OptimizeError):
    """The problem holds something that the fleet engine cannot express; `what` says what."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"the fleet engine cannot plan with {self.what}"

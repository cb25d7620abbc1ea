"""What can go wrong in this room.

OptimizeError
├── ProblemError      the question is malformed: names the car, session or slot, the field and the value
├── SolverError       the solver gave no usable answer: names the mode, its status and the model's size
│   └── TimeLimitError    no feasible plan within the time allowed
├── PlanCheckError    a plan failed the independent check: names the rule, where, and by how much
├── TermsError        a tariff book or a contract cannot be meant: names file, key and value
├── BillError         a bill or settlement cannot be made of what is there: names what is missing
└── PrivacyError      a private figure cannot be asked for like this, or OpenDP is not installed
"""

from __future__ import annotations


class OptimizeError(Exception):
    """Base of every error raised by this room."""


class ProblemError(OptimizeError, ValueError):
    """A planning problem that cannot be meant.

    `subject` is the thing ("car 'A7'"), `field` its attribute, `value` what was given, `rule` what may be.
    """

    def __init__(self, subject: str, field: str, value: object, rule: str) -> None:
        super().__init__(subject, field, value, rule)
        self.subject = subject
        self.field = field
        self.value = value
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.subject}: {self.field} is {self.value!s}, {self.rule}"


class SolverError(OptimizeError):
    """The solver ended without a plan for `mode`; `status` is its word for it."""

    def __init__(self, mode: str, status: str, size: str) -> None:
        super().__init__(mode, status, size)
        self.mode = mode
        self.status = status
        self.size = size

    def __str__(self) -> str:
        return f"mode {self.mode}: the solver ended with status {self.status!r} on a model of {self.size}"


class TimeLimitError(SolverError):
    """No feasible plan was found within the time allowed."""


class PlanCheckError(OptimizeError):
    """A plan violates `rule` at `where` by `excess` (in the rule's own unit)."""

    def __init__(self, rule: str, where: str, excess: float) -> None:
        super().__init__(rule, where, excess)
        self.rule = rule
        self.where = where
        self.excess = excess

    def __str__(self) -> str:
        return f"plan check failed: {self.rule} at {self.where}, off by {self.excess:.3g}"


class TermsError(OptimizeError, ValueError):
    """A file of terms (tariff book, contract) in which `key` is `value` and may not be."""

    def __init__(self, file: str, key: str, value: object, rule: str) -> None:
        super().__init__(file, key, value, rule)
        self.file = file
        self.key = key
        self.value = value
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.file}: {self.key} is {str(self.value)[:80]}: {self.rule}"


class BillError(OptimizeError):
    """A bill cannot be made: says what is missing or twice there, and where."""


class PrivacyError(OptimizeError):
    """A differentially private figure cannot be asked for like this; the message says why."""

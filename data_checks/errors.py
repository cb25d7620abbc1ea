"""What can go wrong in checking. Bad data is no error: it is quarantined and reported.

CheckError
├── FrameError   the frame has not the shape of ingested rows
└── SuiteError   Great Expectations could not evaluate an expectation
"""


class CheckError(Exception):
    """Base of everything the checks raise on purpose."""


class FrameError(CheckError):
    """The frame has not the shape of ingested rows (`warehouse.contracts.ingested_contract`)."""


class SuiteError(CheckError):
    """Great Expectations could not evaluate an expectation."""

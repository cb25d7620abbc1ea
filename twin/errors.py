"""Errors of the twin.

TwinError
├── ChemistryError   an unknown chemistry, or one whose parameters do not fit together
├── FederationError  sums of other sites' batteries that cannot be told or taken
├── RecordError      a calibration's record that cannot be read, or does not hold what is asked of it
└── SolveError       PyBaMM did not reach the end of a profile
"""

from __future__ import annotations


class TwinError(Exception):
    """Base of every error that the twin raises."""


class ChemistryError(TwinError):
    """A chemistry is unknown or its parameters contradict each other."""


class RecordError(TwinError, ValueError):
    """A calibration's record is of a newer version, cannot be read, or does not hold what is asked of it."""


class FederationError(TwinError):
    """What sites tell each other of ageing is of too few batteries, or is not what it has to be."""


class SolveError(TwinError):
    """PyBaMM stopped before the end of the profile that it was given."""

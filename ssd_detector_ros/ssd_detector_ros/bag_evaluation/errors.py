"""
The errors of bag evaluation.

    FindingsError (ssd_detector.errors)
    ├── BagError      a recording that can't be read or does not hold what is asked for
    └── GateError     a result that misses a gate; everything was written
"""

from ssd_detector.errors import FindingsError


class BagError(FindingsError):
    """A recording that can't be used."""


class GateError(FindingsError):
    """A result that is not good enough."""

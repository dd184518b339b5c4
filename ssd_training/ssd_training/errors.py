"""
The errors of the training package.

    ssd_detector.errors.FindingsError
    ├── DataError       a data set that can't be used
    ├── WeightsError    a weights file that can't be used, or does not fit the model
    ├── RunError        a run folder that can't be written or read
    └── ExportError     a model that was exported and is not what was trained
"""

from ssd_detector.errors import FindingsError


class DataError(FindingsError):
    """A data set that can't be used."""


class WeightsError(FindingsError):
    """A weights file that can't be used, or does not fit the model."""


class RunError(FindingsError):
    """A run folder that can't be written or read."""


class ExportError(FindingsError):
    """A model that was exported and is not what was trained."""

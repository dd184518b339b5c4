"""
The errors of the training package.

    ssd_detector.errors.FindingsError
    ├── DataError       a data set that can't be used
    ├── WeightsError    a weights file that can't be used, or does not fit the model
    ├── RunError        a run folder that can't be written or read, a training that failed
    │   ├── CheckpointError   a checkpoint that can't be written, read or used here
    │   ├── StoreError        a store that can't be reached, or refuses
    │   │   └── NotStoredError    something that is not there
    │   ├── UploadError       a copy elsewhere that is not complete
    │   └── InterruptedRun    a signal; the state was saved
    ├── LedgerError     a ledger of experiments that can't be read or written
    │   ├── NotClaimableError   an experiment that somebody else has, or that is over
    │   └── LeaseLostError      a claim that somebody else has taken over
    ├── ExportError     a model that was exported and is not what was trained
    └── MissingPackageError   TensorFlow, which the command needs, is not installed
"""

from ssd_detector.errors import FindingsError


class DataError(FindingsError):
    """A data set that can't be used."""


class WeightsError(FindingsError):
    """A weights file that can't be used, or does not fit the model."""


class RunError(FindingsError):
    """A run folder that can't be written or read, or a training that failed."""


class CheckpointError(RunError):
    """A checkpoint that can't be written, read or used here."""


class StoreError(RunError):
    """A store that can't be reached, refuses, or does not answer in time."""


class NotStoredError(StoreError):
    """Something that is not in a store."""


class UploadError(RunError):
    """A copy elsewhere that is not complete."""


class InterruptedRun(RunError):
    """
    A training that a signal ended; its state was saved.

    :param signal_number: 2 for SIGINT, 15 for SIGTERM
    :param finding: what happened, and how to go on
    :param is_preemption: whether a cloud takes the machine away
    """

    def __init__(self, signal_number: int, finding: str, *, is_preemption: bool = False) -> None:
        super().__init__([finding])
        self.is_preemption = is_preemption
        # As a shell has it of what a signal ended.
        self.exit_code = 128 + signal_number


class LedgerError(FindingsError):
    """A ledger of experiments that can't be read or written."""


class NotClaimableError(LedgerError):
    """An experiment that can't be claimed: somebody else has it, or it is over."""


class LeaseLostError(LedgerError):
    """A claim that was lost: its former holder must not write any more."""


class ExportError(FindingsError):
    """A model that was exported and is not what was trained."""


class MissingPackageError(FindingsError):
    """TensorFlow, which the command needs, is not installed."""

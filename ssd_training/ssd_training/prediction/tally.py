"""What became of the images of a source, counted, and the first faults in words."""

from pathlib import Path

from ssd_training.prediction.annotated import Unwritten
from ssd_training.prediction.frame_sources import LeftOut, Unreadable
from ssd_training.prediction.predictions import Prediction

# A stream may have any number of faults.
_MOST_NAMED = 100


class Tally:
    """Counts what `predict` gives."""

    def __init__(self) -> None:
        self._num_predicted = self._num_unwritten = 0
        self._num_unreadable = self._num_left_out = 0
        self._reasons: list[str] = []

    @property
    def is_good(self) -> bool:
        """Whether every picture and frame was predicted and has a copy."""
        return not self._num_unreadable and not self._num_unwritten

    def add(self, found: Prediction | Unreadable | LeftOut) -> None:
        """
        Count one.

        :param found: from predict
        """
        fault: Unwritten | Unreadable | LeftOut
        if isinstance(found, Prediction):
            self._num_predicted += 1
            if isinstance(found.copy, Path):
                return
            self._num_unwritten += 1
            fault = found.copy
        else:
            self._num_unreadable += isinstance(found, Unreadable)
            self._num_left_out += isinstance(found, LeftOut)
            fault = found
        if len(self._reasons) < _MOST_NAMED:
            self._reasons.append(fault.reason)

    def describe_faults(self) -> list[str]:
        """
        Name what was not predicted, or has no copy.

        :return: a sentence each, the first hundred; none where all is well
        """
        num_faults = self._num_unreadable + self._num_unwritten + self._num_left_out
        rest = num_faults - len(self._reasons)
        return [*self._reasons, *([f'... and {rest} more'] if rest else [])]

    def summarize(self) -> str:
        """
        Give the counts.

        :return: such as `1 unreadable, 2 predicted`; those without a copy are predicted, too
        """
        counts = {
            'left out': self._num_left_out,
            'unreadable': self._num_unreadable,
            'without a copy': self._num_unwritten,
        }
        told = [f'{count} {name}' for name, count in counts.items() if count]
        return ', '.join([*told, f'{self._num_predicted} predicted'])

"""What became of the images of a source, counted, and the first faults in words."""

from ssd_training.prediction.frame_sources import LeftOut, Unreadable
from ssd_training.prediction.predictions import Prediction

# A stream may have any number of faults.
_MOST_NAMED = 100


class Tally:
    """Counts what `predict` gives."""

    def __init__(self) -> None:
        self._num_predicted = self._num_unreadable = self._num_left_out = 0
        self._reasons: list[str] = []

    @property
    def is_good(self) -> bool:
        """Whether everything that could be asked of the source was done."""
        return not self._num_unreadable

    def add(self, found: Prediction | Unreadable | LeftOut) -> None:
        """
        Count one.

        :param found: from predict
        """
        if isinstance(found, Prediction):
            self._num_predicted += 1
            return
        if isinstance(found, Unreadable):
            self._num_unreadable += 1
        else:
            self._num_left_out += 1
        if len(self._reasons) < _MOST_NAMED:
            self._reasons.append(found.reason)

    def describe_faults(self) -> list[str]:
        """
        Name what was not predicted.

        :return: a sentence each, the first hundred; none where all is well
        """
        rest = self._num_unreadable + self._num_left_out - len(self._reasons)
        return [*self._reasons, *([f'... and {rest} more'] if rest else [])]

    def summarize(self) -> str:
        """
        Give the counts.

        :return: such as `1 unreadable, 2 predicted`
        """
        counts = {'left out': self._num_left_out, 'unreadable': self._num_unreadable}
        told = [f'{count} {name}' for name, count in counts.items() if count]
        return ', '.join([*told, f'{self._num_predicted} predicted'])

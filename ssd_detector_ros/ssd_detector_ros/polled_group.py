"""Events that may wait, kept out of the executor's way."""

from collections.abc import Callable
import time

from rclpy.callback_groups import CallbackGroup

# Long enough for the round of the executor that begins next.
_OPEN_S = 0.05


class PolledGroup(CallbackGroup):
    """
    Entities that the executor looks at only shortly after open().

    rclpy prepares every entity anew for each round, that is for each image. The events of this
    node's publishers are 14 of its 33 entities and were a third of what a round costs; they only
    report subscribers that ask for a QoS that is not offered.

    :param clock: in seconds
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._open_until_s = -1.0

    def open(self) -> None:
        """Let the executor look at the entities in its next round."""
        self._open_until_s = self._clock() + _OPEN_S

    def can_execute(self, entity: object) -> bool:
        """Tell whether it may look."""
        return self._clock() < self._open_until_s

    def beginning_execution(self, entity: object) -> bool:
        """Let it go on: nothing here excludes anything."""
        return True

    def ending_execution(self, entity: object) -> None:
        """Do nothing, for the same reason."""

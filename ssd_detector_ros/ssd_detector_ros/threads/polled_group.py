"""Events that may wait, and subscriptions of a Receiver, kept out of the executor's way."""

from collections.abc import Callable
import time

from rclpy.callback_groups import CallbackGroup
from rclpy.subscription import Subscription

# Long enough for the round of the executor that begins next.
_OPEN_S = 0.05


class PolledGroup(CallbackGroup):
    """
    Entities that the executor looks at only shortly after open().

    rclpy prepares every entity anew for each round. The events of publishers are 14 of this node's
    33 entities and were a third of what a round costs; they only report subscribers that ask for a
    QoS that is not offered. In Fast DDS those of a subscription wake who waits for them with each
    message as well, and again at once until somebody takes it.

    Subscriptions themselves it never looks at: a Receiver waits for them.

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
        return not isinstance(entity, Subscription) and self._clock() < self._open_until_s

    def beginning_execution(self, entity: object) -> bool:
        """Let it go on: nothing here excludes anything."""
        return True

    def ending_execution(self, entity: object) -> None:
        """Do nothing, for the same reason."""

"""How long tests wait for what has to come, on a machine that may be busy with other things."""

from collections.abc import Callable
import os
from threading import Event, Thread
import time
from typing import Any

# On an idle machine; discovery of DDS alone may take 3 s.
TIMEOUT_S = 20.0


class WaitedTooLong(AssertionError):
    """
    Something that a test waited for did not come.

    :param what: it was
    :param waited_s: so long
    """

    def __init__(self, what: str, waited_s: float) -> None:
        super().__init__(
            f'waited {waited_s:.0f} s for {what}, at a load of {os.getloadavg()[0]:.1f}'
        )


def patience_s(idle_s: float = TIMEOUT_S) -> float:
    """
    Tell how long to wait on this machine as it is now: as many times as long as it is busy.

    :param idle_s: what is enough on an idle machine
    """
    return idle_s * max(os.getloadavg()[0] / len(os.sched_getaffinity(0)), 1.0)


def wait_for(
    condition: Callable[[], Any],
    what: str,
    *,
    idle_s: float = TIMEOUT_S,
    pause: Callable[[], object] = lambda: time.sleep(0.01),
) -> Any:
    """
    Wait until something is so.

    :param condition: returns something true
    :param what: is awaited, for the message
    :param idle_s: what is enough on an idle machine
    :param pause: what to do between two looks, shortly
    :return: what the condition returned
    :raises WaitedTooLong: when it does not come
    """
    start_s = time.monotonic()
    while not (value := condition()):
        waited_s = time.monotonic() - start_s
        if waited_s > patience_s(idle_s):
            raise WaitedTooLong(what, waited_s)
        pause()
    return value


def wait_for_event(event: Event, what: str) -> None:
    """
    Wait until an event is set.

    :param event: by another thread
    :param what: it tells, for the message
    :raises WaitedTooLong: when it does not come
    """
    wait_for(event.is_set, what, pause=lambda: event.wait(1.0))


def wait_for_end(thread: Thread, what: str) -> None:
    """
    Wait until a thread has ended.

    :param thread: started
    :param what: its end tells, for the message
    :raises WaitedTooLong: when it goes on
    """
    wait_for(lambda: not thread.is_alive(), what, pause=lambda: thread.join(1.0))

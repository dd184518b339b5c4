"""The program `detector`: what a signal does to it, from its first line to its last."""

import os
import signal
import sys
from threading import enumerate as all_threads
from threading import Event, Thread
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# From the first signal to the end, whatever runs.
LAST_S = 1.6
# For what is nearly done, such as a snapshot.
_LAST_WORK_S = 0.3
# Threads, by name, that are left to themselves where their work does not end.
_MAY_BE_IN_A_LIBRARY = ('ssd_detector_', 'engine_build')


class OneEnd:
    """
    Handles signals such that the first ends the process, and no other disturbs its end.

    A terminal and ros2 launch, or launch and systemd, send one each within milliseconds, and
    Python's own handler raises KeyboardInterrupt wherever the program is, also amid its end.
    """

    def __init__(self) -> None:
        self._is_rclpy_told = False
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def leave_it_to_rclpy(self) -> None:
        """
        Only look on from now on: rclpy's handler ends its context, and with it `spin`.

        What never returns, such as a model that hangs, would have the process wait for ever.
        """
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        # Python's part of a handler waits until the main thread leaves a library; this does not.
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        Thread(target=_end_soon_after, args=(reader,), daemon=True).start()
        self._is_rclpy_told = True

    def ignore_the_rest(self) -> None:
        """Outlast the interpreter, which gives signals their deadly defaults back as it ends."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._is_rclpy_told:
            os._exit(0)  # There is nothing yet that has to be taken down.


def _end_soon_after(reader: int) -> None:
    """Wait for the first signal, and then not longer than what is promised."""
    os.read(reader, 1)
    Event().wait(LAST_S)
    sys.stderr.write('ssd_detector: ended amid work that does not end\n')
    os._exit(0)


def main() -> int:
    """
    Run the node until it is interrupted.

    :return: 0 after an interrupt, 1 when the node could not start or failed
    """
    end = OneEnd()
    # Imported here: this takes a second, in which a signal would leave a traceback.
    from ssd_detector_ros.start.run import main as run

    try:
        code = run(on_init=end.leave_it_to_rclpy)
    finally:
        end.ignore_the_rest()
    left = [thread for thread in all_threads() if thread.name.startswith(_MAY_BE_IN_A_LIBRARY)]
    for thread in left:
        thread.join(_LAST_WORK_S)
    if any(thread.is_alive() for thread in left):
        # The interpreter would take the thread down amid C++, and that aborts the process.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code

"""The program `detector`: what a signal does to it, from its first line to its last."""

import os
import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
        """Do nothing from now on: rclpy's handler ends its context, and with it `spin`."""
        self._is_rclpy_told = True

    def ignore_the_rest(self) -> None:
        """Outlast the interpreter, which gives signals their deadly defaults back as it ends."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._is_rclpy_told:
            os._exit(0)  # There is nothing yet that has to be taken down.


def main() -> int:
    """
    Run the node until it is interrupted.

    :return: 0 after an interrupt, 1 when the node could not start or failed
    """
    end = OneEnd()
    # Imported here: this takes a second, in which a signal would leave a traceback.
    from ssd_detector_ros.start.run import main as run

    try:
        return run(on_init=end.leave_it_to_rclpy)
    finally:
        end.ignore_the_rest()

"""Runs the node until it is interrupted, and says in words why it could not."""

from collections.abc import Callable
import sys

import rclpy
from rclpy._rclpy_pybind11 import RCLError
from rclpy.exceptions import NameValidationException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from ssd_detector_ros.node import DetectorNode
from ssd_detector_ros.start.memory import forget_what_stays, keep_freed_memory
from ssd_detector_ros.wording.start_errors import explain, find_missing_log_folder


def main(args: list[str] | None = None, *, on_init: Callable[[], object] = lambda: None) -> int:
    """
    Run the node until it is interrupted.

    :param args: command line; None takes that of the process
    :param on_init: called once rclpy handles signals
    :return: 0 after an interrupt, 1 when the node could not start or failed
    """
    if finding := find_missing_log_folder():
        return _fail(finding)
    try:
        rclpy.init(args=args)
    except RCLError as error:
        rclpy.try_shutdown()
        return _fail(explain(error))
    on_init()
    keep_freed_memory()
    node = None
    try:
        # Images are answered from start() on; a signal before spin() would find rclpy making one,
        # whose failure leaves a traceback.
        executor = SingleThreadedExecutor()
        node = DetectorNode()
        if node.get_parameter('autostart').value and not node.start():
            return 1 if rclpy.ok() else 0
        forget_what_stays()
        rclpy.spin(node, executor)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception as error:
        # An interrupt shows as an error of whatever was being done.
        if rclpy.ok():
            if node is None and isinstance(error, (RCLError, NameValidationException)):
                return _fail(explain(error))
            raise
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 1 if node is not None and node.failure else 0


def _fail(finding: str) -> int:
    sys.stderr.write(f'ssd_detector: {finding}\n')
    return 1

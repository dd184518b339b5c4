"""How old images are, against their stamps and by the clock of the node."""

import time
from typing import Any

from rclpy.clock import Clock, ROSClock


def stamp_ns(message: Any) -> int:
    """
    Read the stamp of a message.

    :param message: with a header
    :return: 0 when the publisher set none
    """
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def age_ms(clock: Clock, stamp_ns: int) -> float:
    """
    Tell how old something is.

    :param clock: of the node
    :param stamp_ns: when it came about
    :return: negative when that lies ahead
    """
    # Without a simulation the node's clock is the system's, which Python reads 40 times faster.
    is_system_time = isinstance(clock, ROSClock) and not clock.ros_time_is_active
    now_ns = time.time_ns() if is_system_time else clock.now().nanoseconds
    return float(now_ns - stamp_ns) / 1e6

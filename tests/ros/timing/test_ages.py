"""Stamps of messages, and how old they are by the clock that applies."""

import pytest
from rclpy.clock import Clock, ClockType, ROSClock
from rclpy.time import Time
from std_msgs.msg import Header

from ssd_detector_ros.timing import ages
from ssd_detector_ros.timing.ages import age_ms, stamp_ns


class Stamped:
    def __init__(self, **stamp):
        self.header = Header()
        for name, value in stamp.items():
            setattr(self.header.stamp, name, value)


def test_a_stamp_is_read_to_the_nanosecond_and_0_when_there_is_none():
    assert stamp_ns(Stamped(sec=2, nanosec=3)) == 2_000_000_003
    assert stamp_ns(Stamped()) == 0


@pytest.mark.parametrize(('stamp_s', 'expected_ms'), [(2, 3000.0), (5, 0.0), (6, -1000.0)])
def test_without_a_simulation_ages_are_by_the_clock_of_the_system(
    monkeypatch, stamp_s, expected_ms
):
    monkeypatch.setattr(ages.time, 'time_ns', lambda: 5_000_000_000)
    assert age_ms(ROSClock(), stamp_s * 1_000_000_000) == expected_ms


def test_in_a_simulation_ages_are_by_its_clock():
    clock = ROSClock()
    clock._set_ros_time_is_active(True)
    clock.set_ros_time_override(Time(seconds=7, clock_type=ClockType.ROS_TIME))
    assert age_ms(clock, 2_500_000_000) == 4500.0


def test_a_clock_that_is_no_clock_of_ros_is_asked_itself():
    clock = Clock(clock_type=ClockType.STEADY_TIME)
    before_ns = clock.now().nanoseconds
    # Since the machine was started; the system's clock counts from 1970.
    assert 0 <= age_ms(clock, before_ns) < 3_600_000

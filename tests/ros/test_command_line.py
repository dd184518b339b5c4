"""What the commands of ROS say of a request that can not be; here the stand-ins do so as well."""

import shutil
from threading import Thread

import pytest

if shutil.which('ros2') is None:
    pytest.skip(
        'ROS 2 is not sourced (no rclpy or no ros2); run `make test`', allow_module_level=True
    )

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from tests.ros.processes import outcome


@pytest.fixture
def some_node():
    """Spin a node of no further interest."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(rclpy.create_node('test_commands', context=context))

    def spin():
        try:
            executor.spin()
        except ExternalShutdownException:
            return

    thread = Thread(target=spin)
    thread.start()
    yield '/test_commands'
    context.try_shutdown()
    thread.join()


def test_a_parameter_that_is_not_there_is_one_line(some_node):
    code, output = outcome(['ros2', 'param', 'get', some_node, 'no_such_parameter'])
    assert (code, output.strip()) == (1, 'Parameter not set')


def test_a_field_of_a_request_that_is_not_there_is_one_line():
    command = ['ros2', 'service', 'call', '/enable', 'std_srvs/srv/SetBool', '{no_such_field: 1}']
    code, output = outcome(command)
    assert code == 1
    assert output.startswith('Failed to populate field: ') and output.count('\n') == 1

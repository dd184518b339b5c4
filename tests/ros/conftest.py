"""Of all tests of the node: they need ROS, and most a bundle."""

from importlib.util import find_spec

import pytest

from tests.tiny_bundle import write_tiny_bundle

# These read files, or count.
NEED_NO_ROS = (
    'test_docker.py',
    'test_documents.py',
    'test_packages.py',
    'test_program.py',
    'test_statistics.py',
)


class WithoutRos(pytest.Module):
    """A file of tests on a machine without ROS."""

    def collect(self):
        pytest.skip('ROS 2 is not sourced (no rclpy); run `make test`', allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    if find_spec('rclpy') is not None or module_path.name in NEED_NO_ROS:
        return None
    return WithoutRos.from_parent(parent, path=module_path)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Show what processes say that several tests share: they go on after the one that failed."""
    report = (yield).get_result()
    if report.failed and find_spec('rclpy') is not None:
        from tests.patience import WaitedTooLong
        from tests.ros.processes import last_words

        if words := last_words(is_stuck=call.excinfo.errisinstance(WaitedTooLong)):
            report.sections.append(('Processes at work', words))


@pytest.fixture(scope='session')
def bundle(tmp_path_factory):
    """Give the tiny bundle; a number for a name, for nothing on the way may take it for one."""
    return write_tiny_bundle(tmp_path_factory.mktemp('bundles') / '2024')


@pytest.fixture
def context():
    """Give a context of rclpy of the test's own."""
    import rclpy

    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    yield context
    context.try_shutdown()

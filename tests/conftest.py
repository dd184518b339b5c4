"""A DDS domain for each test process, checked message fields, and no stopwatch in properties."""

# First: it keeps onnxruntime, which some tests import, from reporting home.
import ssd_detector  # noqa: F401

# isort: split
import gc
from importlib.util import find_spec
import os
import random
import signal
import warnings

from hypothesis import HealthCheck, settings
import pytest

# On a busy machine a slow example says nothing about the code: speed is measured by `make bench`.
settings.register_profile(
    'suite', max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# Enough to see a property break; `make test-slow` draws many more.
settings.register_profile('thorough', settings.get_profile('suite'), max_examples=500)
# Until the time of `make fuzz` is over, in rounds of so many.
settings.register_profile('fuzz', settings.get_profile('suite'), max_examples=300)
settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'suite'))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # In the background of a shell; what the tests start and interrupt would ignore it, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# `make test` sets both; a bare `pytest` in a sourced shell is no different.
domain_id = int(os.environ.get('ROS_DOMAIN_ID', random.randint(1, 101)))
# Files run side by side, in workers called gw0, gw1, ...: they must not hear each other.
worker_index = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
os.environ['ROS_DOMAIN_ID'] = str((domain_id + worker_index - 1) % 101 + 1)
# It takes seconds for each model of a test; those of test_cpu_runtimes allow it.
os.environ.setdefault('SSD_MEASURE_RUNTIMES', '0')
# Without it a wrong type in a message field crashes or arrives as garbage.
os.environ.setdefault('ROS_PYTHON_CHECK_FIELDS', '1')

if find_spec('rosidl_generator_py') is not None:
    # rclpy imports it late; its parser (lark 0.12) uses a module that Python 3.11 deprecates.
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        import rosidl_generator_py  # noqa: F401


def pytest_collection_finish():
    """Modules and tests stay to the end: garbage is looked for among what comes after them."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items):
    """Mark what hypothesis draws examples for."""
    for item in items:
        if getattr(getattr(item, 'obj', None), 'is_hypothesis_test', False):
            item.add_marker('property')


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Let the tests that wait for messages be one worker's: the others compute meanwhile."""
    from tests.sharing import WaitingApart

    return WaitingApart(config, log)

"""Memory and garbage collection of the process, in a process of its own."""

import json
import platform
import subprocess
import sys

import pytest

from tests.patience import patience_s

# Frames of 640x480 as they come through DDS: more than one copy at a time.
PROGRAM = """
import gc, json, resource, sys
import numpy as np
from ssd_detector_ros.start.memory import forget_what_stays, keep_freed_memory

def faults_of_frames():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        copies = [np.ones(640 * 480 * 3, np.uint8) for _ in range(4)]
        del copies
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

plain = faults_of_frames()
is_kept = keep_freed_memory()
faults_of_frames()
forget_what_stays()
print(json.dumps([plain, is_kept, faults_of_frames(), gc.get_freeze_count()]))
"""


@pytest.fixture(scope='module')
def measured():
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM],
        capture_output=True,
        text=True,
        timeout=patience_s(60),
        check=True,
    )
    return json.loads(done.stdout)


def test_images_come_and_go_without_page_faults(measured):
    if platform.libc_ver()[0] != 'glibc':
        pytest.skip('the C library is not glibc')
    plain, is_kept, kept, _ = measured
    assert is_kept
    assert kept < plain / 20


def test_what_was_loaded_is_not_searched_for_garbage_again(measured):
    assert measured[-1] > 1000

"""Whose files of shared memory lie on this machine: images reach readers of the same user only."""

from collections.abc import Set
import os
from pathlib import Path

FOLDER = Path('/dev/shm')
# Of Fast DDS 2 (up to Jazzy) and 3. A reader's port can be written to by its own user alone
# (eProsima/Fast-DDS#5265), also where the reader is root.
_PATTERNS = ('fastrtps_*', 'fastdds_*')


def find_other_owners() -> Set[int]:
    """
    List the other users whose processes hand images over in shared memory.

    :return: user ids; none where there is no such folder
    """
    owners = set()
    for pattern in _PATTERNS:
        for path in FOLDER.glob(pattern):
            try:
                owners.add(path.stat().st_uid)
            except FileNotFoundError:  # Its process ended.
                continue
    return owners - {os.geteuid()}

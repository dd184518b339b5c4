"""A disk without room, as far as a process can tell."""

from collections.abc import Iterator
from contextlib import contextmanager
import resource


@contextmanager
def files_limited_to(size_bytes: int) -> Iterator[None]:
    """
    Let no file of this process grow beyond a size.

    :param size_bytes: that a file may have
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

"""Settings of the whole process that keep a frame's way short: memory and garbage collection."""

import ctypes
import gc

# Of mallopt(3), as in glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# The most that glibc takes; one image of 8 megapixels, rgb8, is less.
_LARGEST_KEPT_BYTES = 32 * 1024 * 1024
_KEPT_BYTES = 64 * 1024 * 1024
# Each keeps memory of its own; by default there are eight a core.
_NUM_ARENAS = 2


def keep_freed_memory() -> bool:
    """
    Let malloc keep what was freed for the next image.

    By default glibc gives blocks of an image's size back to the kernel at once, and gets each page
    of the next one anew: some 600 page faults and 1.3 ms for each 640x480 image.

    :return: whether the C library could be told; others than glibc can't
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    settings = (
        (_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES),
        (_M_TRIM_THRESHOLD, _KEPT_BYTES),
        (_M_ARENA_MAX, _NUM_ARENAS),
    )
    results = [mallopt(*setting) for setting in settings]
    return all(results)


def forget_what_stays() -> None:
    """
    Take everything that exists now out of the garbage collection.

    What was imported and loaded stays until the end; to search it again and again would halt the
    node for tens of milliseconds each time.
    """
    gc.collect()
    gc.freeze()

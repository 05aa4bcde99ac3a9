"""The C library's allocator, where it costs time."""

import ctypes
import platform

_TRIM_THRESHOLD = -1
_MAP_THRESHOLD = -3


def keep_freed_memory() -> None:
    """Let the process keep what it frees, on Linux with glibc; elsewhere do nothing.

    Networks free and take the same large blocks at every step; blocks over 32 MiB are given back
    to the kernel and cost page faults each time (measured in benchmarks/loading.py).
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter in (_TRIM_THRESHOLD, _MAP_THRESHOLD):
            libc.mallopt(parameter, 1 << 30)


def release_freed_memory() -> None:
    """Give what was freed back to the kernel, so that a peak that follows can be measured."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)

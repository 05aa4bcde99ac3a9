"""The C library's allocator, where it costs time, and the peak of the memory of this process."""

import ctypes
import platform
import resource
from pathlib import Path

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


class PeakMemory:
    """The kernel's high-water mark of the resident memory of this process, which can start anew."""

    def __init__(self) -> None:
        """Nothing was lost so far."""
        self._earlier = 0

    def restart(self) -> None:
        """Let the mark start anew from what is held now, where it can (Linux)."""
        self._earlier = self.of_process()
        release_freed_memory()
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return

    def since_restart(self) -> int:
        """Bytes."""
        try:
            status = Path("/proc/self/status").read_text()
            return 1024 * int(status.split("VmHWM:")[1].split()[0])
        except (OSError, IndexError):
            unit = 1 if platform.system() == "Darwin" else 1024
            return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def of_process(self) -> int:
        """Bytes, of all the time of the process."""
        return max(self._earlier, self.since_restart())


# One for the process, because the kernel has one.
PEAK = PeakMemory()

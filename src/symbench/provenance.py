"""Where a result comes from: code, packages, machine, time and memory."""

import importlib.metadata
import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from symbench.memory import release_freed_memory

PACKAGES = (
    "symbench",
    "torch",
    "the_well",
    "neuraloperator",
    "exponax",
    "e3nn",
    "pennylane",
    "pyscf",
    "numpy",
    "snakemake",
)


@dataclass
class Cost:
    """What a block of code cost.

    Attributes:
        seconds: wall time.
        peak_memory: bytes: on a GPU what torch allocated, else the peak resident set.

    """

    seconds: float = 0.0
    peak_memory: int = 0


@contextmanager
def measure(gpu: bool = False) -> Iterator[Cost]:
    """Measure wall time and peak memory of a block; the values are there when it ends."""
    cost = Cost()
    if gpu:
        import torch

        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    else:
        _reset_peak_memory()
    start = time.perf_counter()
    yield cost
    if gpu:
        torch.cuda.synchronize()
        cost.peak_memory = torch.cuda.max_memory_allocated()
    else:
        cost.peak_memory = _peak_memory()
    cost.seconds = time.perf_counter() - start


def _reset_peak_memory() -> None:
    """Let the kernel's high-water mark start anew, where it can (Linux)."""
    release_freed_memory()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_memory() -> int:
    try:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        unit = 1 if platform.system() == "Darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def describe(fingerprint: str, seed: int | None = None) -> dict[str, Any]:
    """Provenance of an artifact that is made now.

    Args:
        fingerprint: hash of the part of the config that the artifact depends on.
        seed: the seed it was made with.

    """
    record: dict[str, Any] = {
        "config": fingerprint,
        "commit": _commit(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if seed is not None:
        record["seed"] = seed
    return record


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"

"""Where a result comes from: code, packages, machine, time, memory and energy."""

import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from symbench.memory import PEAK
from symbench.nvml import driver_version, energy_used

if TYPE_CHECKING:
    import torch

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
# Variables that lead git to another repository than the folder it is asked in, as hooks have them.
_REPOSITORY_VARIABLES = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"}


@dataclass
class Cost:
    """What a block of code cost.

    Attributes:
        seconds: wall time.
        peak_memory: bytes: on a GPU what torch allocated, else the peak resident set.
        energy: joules that the GPU used, other processes on it included; None if not measured.

    """

    seconds: float = 0.0
    peak_memory: int = 0
    energy: float | None = None

    def measured(self) -> dict[str, float]:
        """What was measured, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@contextmanager
def measure(device: "torch.device | None" = None) -> Iterator[Cost]:
    """Measure time, peak memory and energy of a block; the values are there when it ends.

    Args:
        device: that it computes on; the processor by default.

    """
    cost = Cost()
    gpu = device if device is not None and device.type == "cuda" else None
    before = None
    if gpu:
        import torch

        torch.cuda.synchronize(gpu)
        torch.cuda.reset_peak_memory_stats(gpu)
        before = energy_used(gpu)
    else:
        PEAK.restart()
    start = time.perf_counter()
    yield cost
    if gpu:
        torch.cuda.synchronize(gpu)
        cost.peak_memory = torch.cuda.max_memory_allocated(gpu)
    else:
        cost.peak_memory = PEAK.since_restart()
    cost.seconds = time.perf_counter() - start
    if gpu and before is not None and (after := energy_used(gpu)) is not None:
        cost.energy = after - before


def describe(
    fingerprint: str, seed: int | None = None, device: "torch.device | None" = None
) -> dict[str, object]:
    """Provenance of an artifact that is made now.

    Args:
        fingerprint: hash of the part of the config that the artifact depends on.
        seed: the seed it was made with.
        device: that it was computed on; the processor by default.

    Returns:
        What goes into JSON: config, commit, made, python, packages, processor, what
        `describe_device` says, cores, system, and the seed if there is one.

    """
    record: dict[str, object] = {
        "config": fingerprint,
        "commit": _commit(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "processor": _processor(),
        **describe_device(device),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if seed is not None:
        record["seed"] = seed
    return record


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """The commit of the checkout that this package is run from; "unknown" where it is in none.

    Only files that are tracked are of a checkout: a package installed in an environment that lies
    within some repository is not of that repository.
    """
    own = Path(__file__)
    if not _git(own.parent, "ls-files", "--error-unmatch", own.name):
        return "unknown"
    return _git(own.parent, "describe", "--always", "--dirty", "--abbrev=12") or "unknown"


def _git(folder: Path, *arguments: str) -> str:
    """What git says in a folder; empty if it refuses, or is not there."""
    environment = {k: v for k, v in os.environ.items() if k not in _REPOSITORY_VARIABLES}
    command = ["git", "-C", str(folder), *arguments]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment
        )
    except OSError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def describe_device(device: "torch.device | None") -> dict[str, object]:
    """What a device is: `device`, "cpu" or the name of a GPU.

    Of a GPU also `device_memory` (bytes), `cuda` (the version that torch was built for) and, where
    NVML can be asked, `driver`.
    """
    if device is None or device.type != "cuda":
        return {"device": "cpu"}
    import torch

    properties = torch.cuda.get_device_properties(device)
    driver = driver_version()
    return {
        "device": properties.name,
        "device_memory": properties.total_memory,
        "cuda": torch.version.cuda,
        **({"driver": driver} if driver is not None else {}),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"

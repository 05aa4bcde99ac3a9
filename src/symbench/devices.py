"""Which device computes: chosen in one place, and shared with the other jobs of this machine.

Torch is imported only where a device is chosen: Snakemake counts GPUs without it.
"""

import fcntl
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from symbench.errors import ConfigError

if TYPE_CHECKING:
    import torch

DEVICE = "SYMBENCH_DEVICE"
JOBS = "SYMBENCH_JOBS_PER_GPU"
_VISIBLE = "CUDA_VISIBLE_DEVICES"
# Seconds between two looks for a GPU that has become free.
_PATIENCE = 1.0


def count_gpus() -> int:
    """GPUs that jobs of this machine may use, as its driver and the environment say.

    Raises:
        ConfigError: if the environment names a device that is none.

    """
    index = _index(os.environ.get(DEVICE, ""))
    if os.environ.get(DEVICE) == "cpu":
        return 0
    try:
        listing = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return 0
    count = sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
    if (visible := os.environ.get(_VISIBLE)) is not None:
        named_there = [name for name in visible.split(",") if name.strip() not in ("", "-1")]
        count = min(count, len(named_there))
    return min(count, 1) if index is not None else count


def jobs_per_gpu() -> int:
    """How many jobs share a GPU and its memory, as the environment says; one by default.

    Raises:
        ConfigError: if it says no positive number.

    """
    said = os.environ.get(JOBS, "1")
    if not said.isdecimal() or int(said) < 1:
        raise ConfigError(f"{JOBS} is '{said}'; allowed: a whole number from 1 on.")
    return int(said)


def chosen_device() -> "torch.device":
    """The device of this process, the same at every call.

    It is what SYMBENCH_DEVICE names: `cpu`, `cuda`, or one GPU such as `cuda:1`. For `cuda`, and
    where nothing is named and there are GPUs, the process takes one that no other process of this
    user has taken, and waits for one if need be: each process that torchrun started takes a whole
    GPU, and of others as many share one as SYMBENCH_JOBS_PER_GPU says, each within its part of the
    memory. A process keeps what it has taken until it ends, however it ends.

    Raises:
        ConfigError: if the named device is none, or is not there.

    """
    processes = int(os.environ.get("WORLD_SIZE", 1))
    return _device(os.environ.get(DEVICE, ""), processes, jobs_per_gpu())


@cache
def _device(named: str, processes: int, jobs: int) -> "torch.device":
    import torch

    index = _index(named)
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if named == "cpu" or not (named or there):
        return torch.device("cpu")
    if not there or (index is not None and index >= there):
        raise ConfigError(
            f"{DEVICE} is '{named}', but torch {torch.__version__} finds "
            f"{f'{there} GPU(s)' if there else 'no GPU'} here: name another device, or none."
        )
    if index is not None and processes > 1:
        raise ConfigError(
            f"{DEVICE} names one GPU, {named}, for {processes} processes, each of which needs one: "
            "say 'cuda'."
        )
    if index is None:
        cards = [str(torch.cuda.get_device_properties(each).uuid) for each in range(there)]
        index = take_card(cards, jobs, whole=processes > 1)
        if jobs > 1 and processes == 1:
            torch.cuda.set_per_process_memory_fraction(1 / jobs, index)
    device = torch.device("cuda", index)
    torch.cuda.set_device(device)
    return device


def _index(named: str) -> int | None:
    """The number in the name of a device; None where it names no single GPU."""
    match = re.fullmatch(r"(?:cpu|cuda(?::(\d+))?)?", named)
    if match is None:
        raise ConfigError(f"{DEVICE} is '{named}'; allowed: cpu, cuda, or one GPU such as cuda:0.")
    return int(match[1]) if match[1] else None


def take_card(cards: Sequence[str], jobs: int, *, whole: bool = False) -> int:
    """Take a place on a card for as long as this process lives, and wait until one is free.

    Places are locks of files in the folder of temporary files, which the kernel takes back when a
    process ends.

    Args:
        cards: their names, which are the same in every process of this machine.
        jobs: places of each card.
        whole: take all places of a card.

    Returns:
        The position of the card among the names: one with the fewest places taken.

    """
    folder = Path(tempfile.gettempdir(), f"symbench-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    offers = [range(jobs)] if whole else [range(place, place + 1) for place in range(jobs)]
    told = False
    while True:
        for places in offers:
            for number, card in enumerate(cards):
                if _lock_all(folder / f"{card}.{place}" for place in places):
                    return number
        if not told:
            told = True
            print(
                f"waiting for a GPU: other processes have taken all places ({JOBS}={jobs}) of "
                f"{len(cards)} GPU(s); {DEVICE}=cpu computes without.",
                file=sys.stderr,
                flush=True,
            )
        time.sleep(_PATIENCE)


def _lock_all(files: Iterable[Path]) -> bool:
    """Lock files for the rest of this process, all or none; whether none was locked by another."""
    held = []
    for file in files:
        held.append(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        try:
            fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            for descriptor in held:
                os.close(descriptor)
            return False
    return True

"""Lines in the log of a training: how far it is, its losses, its memory, and the time left."""

import time
from collections.abc import Mapping
from datetime import timedelta

import torch

from symbench.memory import PEAK
from symbench.nvml import driver_version, energy_used

# Seconds between two lines, but for the first epoch and the last.
_BETWEEN = 30.0


class ProgressLog:
    """Says what a training does; see `tell`."""

    def __init__(self, epochs: int, begun: int, device: torch.device, name: str = "") -> None:
        """Say where it runs, and from which epoch on.

        Args:
            epochs: of the whole training.
            begun: that were done before, by a process that was interrupted.
            device: of the network.
            name: of the training, where the log tells of several.

        """
        self.prefix = f"{name}: " if name else ""
        self.epochs = epochs
        self.begun = begun
        self.device = device
        self.start = time.monotonic()
        self.told = float("-inf")
        self.energy = energy_used(device) if device.type == "cuda" else None
        resumed = f", after {begun} that are done" if begun else ""
        print(f"{self.prefix}training for {epochs} epochs{resumed}: {_name(device)}", flush=True)

    def tell(self, row: Mapping[str, float], *, last: bool = False) -> None:
        """A line on an epoch that is over, unless one was written a moment ago.

        Args:
            row: of the history.
            last: it is the last one, which is always told.

        """
        now = time.monotonic()
        if not last and now - self.told < _BETWEEN:
            return
        self.told = now
        done = int(row["epoch"]) + 1
        left = (now - self.start) / (done - self.begun) * (self.epochs - done)
        on_gpu = self.device.type == "cuda"
        memory = torch.cuda.max_memory_allocated(self.device) if on_gpu else PEAK.since_restart()
        print(
            f"{self.prefix}epoch {done}/{self.epochs}: training loss {row['train_loss']:.4g}, "
            f"validation loss {row['valid_loss']:.4g}; {timedelta(seconds=round(left))} left; "
            f"{memory / 1e9:.2f} GB{self._energy()}",
            flush=True,
        )

    def _energy(self) -> str:
        """What the GPU used so far, where it can be asked."""
        if self.energy is None or (now := energy_used(self.device)) is None:
            return ""
        return f", {(now - self.energy) / 1e3:.2f} kJ"


def _name(device: torch.device) -> str:
    """A device in words: a GPU with its memory and driver, or the threads of the processor."""
    if device.type != "cuda":
        threads = torch.get_num_threads()
        return f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    properties, driver = torch.cuda.get_device_properties(device), driver_version()
    words = [
        properties.name,
        f"{properties.total_memory / 1e9:.0f} GB",
        f"CUDA {torch.version.cuda}",
    ]
    return ", ".join([*words, *([f"driver {driver}"] if driver else [])])

"""What a training asks of the device that it runs on; the answers of a CPU.

`symbench.training.cuda` has those of a GPU, and chooses between both.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from symbench.data.batch import Batch, V

Work = Callable[[], None]


class Device:
    """A device: how batches come to it, and how far ahead.

    Attributes:
        device: as torch names it.
        graphs: whether it has graphs, see `capture`.
        ahead: batches that a thread prepares while the device works; 0 for no thread, which on a
            CPU would take a core from the training.

    """

    ahead = 0
    graphs = False

    def __init__(self, device: torch.device) -> None:
        """Take the device."""
        self.device = device

    def memory(self) -> tuple[int, int]:
        """Bytes that are free, and all that there are."""
        page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
        # macOS does not say how many are free.
        known = "SC_AVPHYS_PAGES" in os.sysconf_names
        free = os.sysconf("SC_AVPHYS_PAGES") if known else pages
        return page * free, page * pages

    def check_deterministic(self) -> None:
        """Raise `TrainingError` if it cannot compute the same bits each time as it is set up."""

    def room_for_samples(self) -> int:
        """Bytes that samples may take on the device, to be held there for the whole training."""
        return 0

    def fuses(self, parameters: Iterable[Tensor]) -> bool:
        """Whether an optimiser of these parameters should update them in one kernel."""
        return False

    def fork(self) -> None:
        """Begin to work beside other trainings of this process."""

    def join(self) -> None:
        """Let the process see all that was done since `fork`."""

    def wait(self) -> None:
        """Wait until this training's work on the device is done."""

    def working(self) -> AbstractContextManager[object]:
        """A context in which work goes to this training's part of the device."""
        return nullcontext()

    def capture(self, work: Work) -> Work:
        """Record work as a graph, and return what does it again; on a CPU the work itself."""
        return work

    def upload(self, batch: Batch[V]) -> Callable[[], Batch[V]]:
        """Begin to copy a batch to the device; what is returned gives the copy to its work."""
        there = batch.to(self.device)
        return lambda: there

"""Which samples each step sees: decided by seed, epoch and step alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

import numpy as np
import torch

from symbench.config.settings import TrainingSettings
from symbench.data.batch import Batch, V
from symbench.data.dataset import Split
from symbench.errors import TrainingError
from symbench.training.device import Device
from symbench.training.processes import Processes


@dataclass(frozen=True)
class PreparedStep(Generic[V]):
    """What a step needs, on its way to the device.

    Attributes:
        parts: of its batch, one unless gradients are accumulated; each gives itself when called.
        shares: of the samples of the batch in each part.
        generator: the source of all that is random in the step but the layers of the network.

    """

    parts: tuple[Callable[[], Batch[V]], ...]
    shares: tuple[float, ...]
    generator: torch.Generator


class Batches(Generic[V]):
    """The batches of a training, of those of its samples that this process sees.

    Attributes:
        steps_per_epoch: steps in an epoch.
        samples_per_epoch: samples in an epoch, of all processes.

    """

    def __init__(
        self,
        split: Split[V],
        settings: TrainingSettings,
        seed: int,
        processes: Processes,
        device: Device,
    ) -> None:
        """Count the steps.

        Args:
            split: the training samples.
            settings: of the training.
            seed: of the training.
            processes: that share each batch.
            device: that batches are copied to.

        Raises:
            TrainingError: if there are fewer samples than processes.

        """
        available = len(split.samples)
        if (shared := min(settings.batch_size, available)) < processes.count:
            raise TrainingError(
                f"{processes.count} process(es) cannot share a batch of {shared} samples "
                f"(batch_size {settings.batch_size}, {available} training samples): each needs one."
            )
        self.split = split
        self.settings = settings
        self.seed = seed
        self.processes = processes
        self.device = device
        wanted = min(settings.samples_per_epoch or available, available)
        self.steps_per_epoch = max(1, wanted // settings.batch_size)
        self.samples_per_epoch = min(self.steps_per_epoch * settings.batch_size, available)
        self._order = (-1, np.arange(0))

    def prepare(self, step: int) -> PreparedStep[V]:
        """Make the batch of a step, counted from 0, and begin to copy it.

        Where a split draws samples, it draws those of all parts before anything else is drawn.
        """
        epoch, number = divmod(step, self.steps_per_epoch)
        size = self.settings.batch_size
        chosen = self._order_of(epoch)[number * size : (number + 1) * size]
        rows = self.split.samples[chosen[self.processes.rank :: self.processes.count]]
        seed = np.random.SeedSequence([self.seed, step, self.processes.rank]).generate_state(1)[0]
        generator = torch.Generator().manual_seed(int(seed))
        parts = np.array_split(rows, min(self.settings.accumulate, len(rows)))
        return PreparedStep(
            tuple(self.device.upload(self.split.batch(part, generator)) for part in parts),
            tuple(len(part) / len(rows) for part in parts),
            generator,
        )

    def _order_of(self, epoch: int) -> np.ndarray:
        """The samples of an epoch in a random order."""
        known, order = self._order
        if known != epoch:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.split.samples))
            self._order = epoch, order
        return order

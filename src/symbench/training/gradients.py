"""Forward and backward through a network: what a batch adds to the gradients."""

from dataclasses import replace
from typing import Generic

import torch
from torch import Tensor, nn

from symbench.config.settings import TrainingSettings
from symbench.data.batch import Batch, V
from symbench.data.dataset import Split
from symbench.errors import TrainingError
from symbench.models.phased import PhasedModule
from symbench.training.captured import CapturedStep
from symbench.training.failures import is_too_small_for_batch_norm
from symbench.training.losses import Losses
from symbench.training.processes import Processes
from symbench.training.treatments.treatment import Treatment


class Gradients(Generic[V]):
    """Adds up gradients of the training loss.

    Attributes:
        captured: does the same as a graph, where there is one.

    """

    def __init__(
        self,
        network: nn.Module,
        split: Split[V],
        treatment: Treatment[V],
        settings: TrainingSettings,
        processes: Processes,
        losses: Losses,
    ) -> None:
        """Take what a gradient is made with.

        Args:
            network: the model, as the processes share it.
            split: the training samples, which know the loss.
            treatment: attached to the model.
            settings: of the training.
            processes: that share the training.
            losses: where the loss of each part of a batch is kept.

        """
        self.network = network
        self.phased = [each for each in network.modules() if isinstance(each, PhasedModule)]
        self.split = split
        self.treatment = treatment
        self.settings = settings
        self.processes = processes
        self.losses = losses
        self.captured: CapturedStep[V] | None = None

    def add(
        self, batch: Batch[V], share: float, first_phase: bool, generator: torch.Generator
    ) -> None:
        """Add the gradients of a part of a batch, and keep its loss.

        Args:
            batch: the part.
            share: of the batch that it is; its gradients count as much.
            first_phase: whether the training is in its first phase.
            generator: the source of what the treatment draws.

        Raises:
            TrainingError: if the part is too small for batch norm.

        """
        inputs, targets = self.treatment(batch.inputs, batch.targets, batch.samples, generator)
        seen = replace(batch, inputs=inputs, targets=targets)
        if self.captured is not None:
            captured = self.captured(seen, first_phase)
            if captured is not None:
                self.losses.add(captured, share)
                return
        loss, total = self._losses(seen, first_phase, generator)
        # Before gradients, which may fail where the loss is not finite.
        self.losses.add(loss, share)
        (total if share == 1 else share * total).backward()

    def backward(self, batch: Batch[V], first_phase: bool) -> Tensor:
        """Add the gradients of a batch as the network sees it; the treatment must draw nothing.

        Returns the loss, without what the treatment adds.
        """
        loss, total = self._losses(batch, first_phase, torch.Generator())
        total.backward()
        return loss.detach()

    def _losses(
        self, batch: Batch[V], first_phase: bool, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The loss of the prediction for a batch, without and with what the treatment adds."""
        for module in self.phased:
            module.first_phase = first_phase
        prediction = self._predict(batch.inputs, batch.samples, generator)
        loss_of = self.split.first_phase_loss if first_phase else self.split.loss
        loss = loss_of(prediction.float(), batch)
        term = self.treatment.loss_term(
            self.network, batch.inputs, prediction, loss, batch.samples, generator
        )
        return loss, loss if term is None else loss + term

    def _predict(self, inputs: V, samples: int, generator: torch.Generator) -> Tensor:
        kind, mixed = self.processes.device.type, self.settings.precision == "bfloat16"
        try:
            with torch.autocast(kind, torch.bfloat16, enabled=mixed):
                return self.treatment.predict(self.network, inputs, samples, generator)
        except (ValueError, RuntimeError) as error:
            if not is_too_small_for_batch_norm(error):
                raise
            raise TrainingError(
                f"Batch norm cannot train on {samples} of {len(self.split.samples)} training "
                f"samples at once (batch_size {self.settings.batch_size}, accumulate "
                f"{self.settings.accumulate}, processes {self.processes.count}): choose a larger "
                "batch_size or a smaller accumulate."
            ) from None

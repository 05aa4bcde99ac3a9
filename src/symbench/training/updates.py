"""One step of training, once there are gradients: rates, clipping, weights, and the treatment."""

import torch
from torch import nn

from symbench.config.settings import TrainingSettings
from symbench.data.batch import V
from symbench.training.schedule import learning_rate
from symbench.training.treatments.treatment import Treatment

OPTIMIZERS = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


class Updates:
    """The optimiser of a model's weights, and what a treatment does after each of its steps.

    Attributes:
        epochs: how many there are.
        optimizer: of the weights, and of what the treatment has beside them.

    """

    def __init__(
        self,
        model: nn.Module,
        treatment: Treatment[V],
        settings: TrainingSettings,
        steps_per_epoch: int,
        *,
        fused: bool = False,
    ) -> None:
        """Make the optimiser of a model that the treatment is attached to.

        Args:
            model: whose weights are updated.
            treatment: attached to the model.
            settings: of the training.
            steps_per_epoch: of the training.
            fused: whether all weights are updated by one kernel, which rounds otherwise.

        """
        self.model = model
        self.after_step = treatment.after_step
        self.settings = settings
        self.steps_per_epoch = steps_per_epoch
        self.epochs = settings.epochs_of(steps_per_epoch)
        self.optimizer = OPTIMIZERS[settings.optimizer](
            treatment.parameter_groups(model),
            weight_decay=settings.weight_decay,
            # None lets torch choose between loops and lists.
            fused=fused or None,
        )

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What moves, in the order of its groups."""
        return [each for group in self.optimizer.param_groups for each in group["params"]]

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0, before factors of groups."""
        return learning_rate(self.settings, step, self.steps_per_epoch)

    def begin(self, step: int) -> None:
        """Set the learning rates of a step, counted from 0, and forget the last gradients."""
        rate = self.rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        self.optimizer.zero_grad()

    def finish(self, step: int) -> None:
        """Move along the gradients, cut if they are large, and let the treatment follow."""
        if self.settings.clip_gradient_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_gradient_norm)
        self.optimizer.step()
        self.after_step((step + 1) / (self.epochs * self.steps_per_epoch))

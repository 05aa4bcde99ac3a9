"""What a training treatment may do: the hooks that the training loop calls."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from symbench.models.homotopy import projected, relaxations
from symbench.symmetry.symmetry import Symmetry


class Treatment:
    """`none`: leaves samples, loss and model as they are; the base of all treatments.

    Free branches of a model with homotopy layers stay switched on, γ = 1.

    Attributes:
        projects: whether free branches are on in training only: validated, and kept, is γ = 0.

    """

    projects: ClassVar[bool] = False

    def __init__(self, symmetry: Symmetry) -> None:
        """Take the symmetry of the task."""
        self.symmetry = symmetry

    def attach(self, model: nn.Module) -> None:
        """Take hold of the model before its optimiser is made."""
        for relaxation in relaxations(model).values():
            relaxation.gamma.requires_grad_(False)

    def parameter_groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """Groups for the optimiser; `rate` multiplies the learning rate of a group."""
        return [{"params": list(model.parameters()), "rate": 1.0}]

    def __call__(
        self, inputs: Any, targets: Tensor, samples: int, generator: torch.Generator
    ) -> tuple[Any, Tensor]:
        """The batch of so many samples as the model shall see it."""
        return inputs, targets

    def loss_term(
        self,
        network: nn.Module,
        inputs: Any,
        prediction: Tensor,
        loss: Tensor,
        samples: int,
        generator: torch.Generator,
    ) -> Tensor | None:
        """What is added to the loss, a scalar; None for nothing."""
        return None

    def after_step(self, progress: float) -> None:
        """Called after each step of the optimiser with the share of training that is done."""

    def deployed(self, model: nn.Module) -> AbstractContextManager[None]:
        """The model as it will be used, for validation and for the weights that are kept."""
        return projected(model) if self.projects else nullcontext()

    def record(self) -> dict[str, float]:
        """Columns of the history, one number for each epoch."""
        return {}

    def state(self) -> dict[str, Any]:
        """What a resumed run needs: tensors, numbers and containers of them."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a state back."""

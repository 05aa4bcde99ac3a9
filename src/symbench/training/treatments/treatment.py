"""What a training treatment may do: the methods that the training loop calls."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar, Generic

import torch
from torch import Tensor, nn

from symbench.data.batch import V
from symbench.models.homotopy import projected, relaxations
from symbench.symmetry.symmetry import Symmetry


class Treatment(Generic[V]):
    """`none`: leaves samples, loss and model as they are; the base of all treatments.

    Free branches of a model with homotopy layers stay switched on, γ = 1.

    Attributes:
        projects: whether free branches are on in training only: validated, and kept, is γ = 0.
        finite: whether the group must have a list of elements; the config reads it in the source.
        capturable: whether `predict` and `loss_term` do the same at every step, on tensors that
            stay where they are, and draw nothing, so that a GPU may replay them; a subclass that
            has its own of them says so again, and of one that has none it is not asked.
        symmetry: the symmetry of the task.
        begins: share of training before its main part, in which no patience is lost.

    """

    begins = 0.0
    projects: ClassVar[bool] = False
    finite: ClassVar[bool] = False
    capturable: ClassVar[bool] = False

    def __init__(self, symmetry: Symmetry[V]) -> None:
        """Take the symmetry of the task; subclasses take their settings as keywords."""
        self.symmetry = symmetry

    def wrap(self, model: nn.Module) -> nn.Module:
        """The network that is trained, kept and evaluated, made of that of the architecture.

        It is made anew wherever weights are loaded, from the random state of the run's seed, so
        that it depends on nothing but the treatment's settings and that state.
        """
        return model

    def attach(self, model: nn.Module) -> None:
        """Take hold of the model, as `wrap` gave it, before its optimiser is made."""
        for relaxation in relaxations(model).values():
            relaxation.gamma.requires_grad_(False)

    def parameter_groups(self, model: nn.Module) -> list[dict[str, object]]:
        """Groups for the optimiser; `rate` multiplies the learning rate of a group."""
        return [{"params": list(model.parameters()), "rate": 1.0}]

    def __call__(
        self, inputs: V, targets: Tensor, samples: int, generator: torch.Generator
    ) -> tuple[V, Tensor]:
        """The batch as the model shall see it.

        Args:
            inputs: of the batch.
            targets: of the batch; see `Batch`.
            samples: number of samples in the batch.
            generator: the only source of what is random here.

        Returns:
            Inputs and targets of the same shapes.

        """
        return inputs, targets

    def predict(
        self, network: nn.Module, inputs: V, samples: int, generator: torch.Generator
    ) -> Tensor:
        """The prediction that the loss of a batch in training is of; arguments of `loss_term`."""
        prediction: Tensor = network(inputs)
        return prediction

    def loss_term(
        self,
        network: nn.Module,
        inputs: V,
        prediction: Tensor,
        loss: Tensor,
        samples: int,
        generator: torch.Generator,
    ) -> Tensor | None:
        """What is added to the loss, a scalar; None for nothing.

        Args:
            network: the model, to be called as often as is needed.
            inputs: of the batch, as `__call__` gave them.
            prediction: of the network for these inputs.
            loss: of the prediction, a scalar.
            samples: number of samples in the batch.
            generator: the only source of what is random here.

        """
        return None

    def after_step(self, progress: float) -> None:
        """Called after each step of the optimiser with the share of training that is done."""

    def deployed(self, model: nn.Module) -> AbstractContextManager[None]:
        """The model as it will be used, for validation and for the weights that are kept."""
        return projected(model) if self.projects else nullcontext()

    def record(self) -> dict[str, float]:
        """Columns of the history, one number for each epoch."""
        return {}

    def state(self) -> dict[str, object]:
        """What a resumed run needs: tensors, numbers and containers of them."""
        return {}

    def load_state(self, state: Mapping[str, object]) -> None:
        """Take a state back; any error means that it is of another version of the treatment."""

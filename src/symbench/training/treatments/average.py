"""Training through the average over the group, or through a random part of it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from symbench.data.batch import V
from symbench.errors import ConfigError
from symbench.symmetry.chunks import checked_chunk
from symbench.symmetry.groups import Group
from symbench.symmetry.reynolds import Averaged, added
from symbench.symmetry.symmetry import Elements, Symmetry
from symbench.training.treatments.augment import act_on_each, moved_to
from symbench.training.treatments.checks import share
from symbench.training.treatments.treatment import Treatment


class RandomAverage(Treatment[V]):
    """`random_average`: the loss is that of a mean over a few random elements for each sample.

    For an invariant loss one element is augmentation: the loss of ψ(g)⁻¹ f(φ(g) x) against y is
    that of f(φ(g) x) against ψ(g) y. Under squared error k elements cost, in expectation, what the
    whole average costs, and 1/k of the orbit variance.
    """

    def __init__(self, symmetry: Symmetry[V], *, elements: int = 2) -> None:
        """Set the number of elements, each one pass; raises `ConfigError` if it is below 1."""
        super().__init__(symmetry)
        if elements < 1:
            raise ConfigError(f"RandomAverage: elements is {elements!r}; give at least 1.")
        self.elements = elements

    def predict(
        self, network: nn.Module, inputs: V, samples: int, generator: torch.Generator
    ) -> Tensor:
        """The mean of the predictions for moved inputs, each moved back."""
        total: Tensor | None = None
        for _ in range(self.elements):
            drawn = self.symmetry.group.sample(samples, generator)
            there = moved_to(drawn, inputs.device)
            back = moved_to(_inverses(self.symmetry.group, drawn), inputs.device)
            moved: Tensor = network(act_on_each(self.symmetry.act_on_input, there, inputs))
            total = added(total, act_on_each(self.symmetry.act_on_output, back, moved))
        assert total is not None
        return total / self.elements


def _inverses(group: Group, elements: Elements) -> Elements:
    """The inverse of each element, in the same form."""
    found = [group.inverse(element) for element in elements]
    if isinstance(elements, Tensor):
        return torch.stack([torch.as_tensor(each) for each in found])
    return [int(each) for each in found]


class GroupAverage(Treatment[V]):
    """`group_average`: the network, averaged over all elements, is trained, kept and evaluated."""

    finite = True

    def __init__(self, symmetry: Symmetry[V], *, chunk: int = 1) -> None:
        """Set how many elements are folded into one call of the network, where inputs are tensors.

        Raises:
            ConfigError: if the group has infinitely many elements.
            SymmetryError: if it has too many for a list, or chunk is below 1.

        """
        super().__init__(symmetry)
        if symmetry.group.order is None:
            raise ConfigError(
                f"{type(self).__name__}: {symmetry.group} has infinitely many elements, and no "
                "network goes through all of them: take 'random_average'."
            )
        symmetry.group.listed()
        self.chunk = checked_chunk(chunk)

    def wrap(self, model: nn.Module) -> nn.Module:
        """The average, which is exactly equivariant whatever the model is (P1)."""
        return Averaged(model, self.symmetry, chunk=self.chunk)


class Tuned(Averaged[V]):
    """A network whose training begins without the average; outside training it is averaged.

    Attributes:
        averages: whether it is averaged in training too.

    """

    averages = False

    def forward(self, values: V | None = None, /, *arguments: object, **named: object) -> Tensor:
        """The average; the model itself in the first part of training."""
        if self.training and not self.averages:
            given = arguments if values is None else (values, *arguments)
            return self.model(*given, **named)
        return super().forward(values, *arguments, **named)


class EquiTuning(GroupAverage[V]):
    """`equi_tuning`: plain training, whose last part is through the average.

    Source: Basu et al., arXiv 2210.06475, who tune networks that others have trained. Here both
    parts share one schedule of the learning rate, and weights are chosen from both, by the
    validation loss of the averaged network.
    """

    network: Tuned[V]

    def __init__(self, symmetry: Symmetry[V], *, fine_tuning: float = 0.2, chunk: int = 1) -> None:
        """Set the share of training that is through the average, above 0 and at most 1.

        Raises:
            ConfigError: for other shares, and as `GroupAverage`.
            SymmetryError: as `GroupAverage`.

        """
        super().__init__(symmetry, chunk=chunk)
        self.fine_tuning = share(fine_tuning, "EquiTuning: fine_tuning", above_zero=True)
        self.begins = 1 - self.fine_tuning

    def wrap(self, model: nn.Module) -> nn.Module:
        """The average, which the first part of training leaves out."""
        return Tuned(model, self.symmetry, chunk=self.chunk)

    def attach(self, model: nn.Module) -> None:
        """Begin without the average."""
        super().attach(model)
        assert isinstance(model, Tuned)
        self.network = model
        self.after_step(0)

    def after_step(self, progress: float) -> None:
        """Begin with the average, once what is left is the last part."""
        self.network.averages = progress >= self.begins

    def state(self) -> dict[str, object]:
        """Which part it is."""
        return {"averages": self.network.averages}

    def load_state(self, state: Mapping[str, object]) -> None:
        """Go on in that part."""
        self.network.averages = bool(state["averages"])

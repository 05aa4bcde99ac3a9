"""A batch of samples, as the loops see it: whatever a model takes, and what it should give."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Generic, Protocol, Self, TypeVar, cast

import torch
from torch import Tensor


class ModelInputs(Protocol):
    """What a model sees: a tensor of shape (sample, ...), or a subclass of `Inputs`."""

    @property
    def device(self) -> torch.device:
        """Where it is."""

    def to(self, device: torch.device, /) -> Self:
        """The same on another device."""


V = TypeVar("V", bound=ModelInputs)


@dataclass(frozen=True)
class Inputs:
    """What a model sees where that is more than a tensor: a subclass with tensors as fields."""

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same inputs with each tensor replaced."""
        return type(self)(
            **{field.name: function(getattr(self, field.name)) for field in fields(self)}
        )

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        found: torch.device = getattr(self, fields(self)[0].name).device
        return found

    def to(self, device: torch.device, /) -> Self:
        """The inputs on another device."""
        return self.map(lambda values: values.to(device))


@dataclass(frozen=True)
class Batch(Generic[V]):
    """Inputs and targets of some samples.

    Attributes:
        inputs: what the model sees of them.
        targets: shape (sample, ...), or one row for each output of a sample.
        samples: number of samples.
        sample_of_output: the sample of each row of the targets, where a sample has many (nodes of
            graphs, pairs of nodes); None where the first axis of the targets is the sample.

    """

    inputs: V
    targets: Tensor
    samples: int
    sample_of_output: Tensor | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same batch with each tensor replaced, those of its inputs too."""
        index = self.sample_of_output
        return replace(
            self,
            inputs=_mapped(self.inputs, function),
            targets=function(self.targets),
            sample_of_output=None if index is None else function(index),
        )

    def to(self, device: torch.device) -> Self:
        """The batch on another device."""
        return self.map(lambda values: values.to(device))

    def mean_per_sample(self, values: Tensor) -> Tensor:
        """Mean over all outputs of each sample, shape (sample,); values shaped like targets."""
        if self.sample_of_output is None:
            return values[..., None].flatten(1).mean(dim=1)
        rows = values.flatten(1).mean(dim=1) if values.ndim > 1 else values
        sums = rows.new_zeros(self.samples).index_add_(0, self.sample_of_output, rows)
        return sums / self.sample_of_output.bincount(minlength=self.samples)


def _mapped(inputs: V, function: Callable[[Tensor], Tensor]) -> V:
    if isinstance(inputs, Inputs):
        return inputs.map(function)
    return cast(V, function(cast(Tensor, inputs)))

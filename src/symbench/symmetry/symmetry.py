"""A symmetry: a group, how it acts on what a model sees and gives, and whether it holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from symbench.symmetry.groups import Group

# What a model sees: a tensor, or an object of tensors such as a graph of points.
V = TypeVar("V")
Model = Callable[[V], Tensor]
# An index in a `FiniteGroup`, an array in the groups of `points`.
Element = int | Tensor
Elements = Sequence[int] | Tensor


def stacked(elements: Elements) -> Tensor:
    """A list of arrays as one, with one axis more; no elements where their shapes differ."""
    if isinstance(elements, Tensor):
        return elements
    arrays = [torch.as_tensor(element) for element in elements]
    alike = len({array.shape for array in arrays}) == 1
    return torch.stack(arrays) if alike else torch.zeros(0)


@dataclass(frozen=True)
class Symmetry(Generic[V]):
    """A group, how it acts on the inputs and on the outputs of a model, and whether it is exact.

    Attributes:
        group: the group; actions take its elements: an index in a `FiniteGroup`, an array in the
            groups of `points`.
        act_on_input: phi, applied as `act_on_input(element, inputs)`.
        act_on_output: psi, applied as `act_on_output(element, outputs)`.
        exact: whether dynamics and data distribution are both invariant.
        frame: the elements that move each sample to its canonical poses, shape (frame, sample,
            ...), for groups of arrays; None where there is no frame. See `frame_averaging`.
        parts: the tensors of an output of several, such as an energy with forces; None where an
            output is one tensor.

    """

    group: Group
    act_on_input: Callable[[Element, V], V]
    act_on_output: Callable[[Element, Tensor], Tensor]
    exact: bool = True
    frame: Callable[[V], Tensor] | None = None
    parts: Callable[[object], Sequence[Tensor]] | None = None

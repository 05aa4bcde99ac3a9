"""A symmetry: a group, how it acts on what a model sees and gives, and whether it holds."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor

from symbench.errors import SymmetryError
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


class TensorAction(ABC):
    """An action on batches of tensors that moves one batch by several elements at once."""

    @abstractmethod
    def __call__(self, element: Element, values: Tensor) -> Tensor:
        """Act with an element on values of shape (batch, ...)."""

    @abstractmethod
    def of_all(self, elements: Sequence[Element], values: Tensor) -> Tensor:
        """Act with each element on all values.

        Args:
            elements: of the group.
            values: shape (batch, ...).

        Returns:
            The moved batches one after the other, shape (element·batch, ...).

        """

    @abstractmethod
    def of_each(self, elements: Sequence[Element], values: Tensor) -> Tensor:
        """Act with each element on its own part of the batch, of shape (element·batch, ...)."""


def moved_by_all(action: Callable[[Element, V], V], elements: Sequence[Element], values: V) -> V:
    """Values moved by each element, one after the other in one batch.

    Raises:
        SymmetryError: if there are several elements and the values are no tensor.

    """
    if len(elements) == 1:
        return action(elements[0], values)
    if isinstance(action, TensorAction):
        return cast(V, action.of_all(elements, cast(Tensor, values)))
    moved = [action(element, values) for element in elements]
    if not all(isinstance(each, Tensor) for each in moved):
        raise SymmetryError(
            f"Inputs of type {type(moved[0]).__name__} cannot be folded into one batch: chunk=1."
        )
    return cast(V, torch.cat(cast(list[Tensor], moved)))


def moved_in_parts(
    action: Callable[[Element, Tensor], Tensor], elements: Sequence[Element], values: Tensor
) -> Sequence[Tensor]:
    """The parts of a batch of shape (element·batch, ...), each moved by its own element.

    Raises:
        SymmetryError: if the batch has no such parts.

    """
    if len(elements) == 1:
        return [action(elements[0], values)]
    if not values.ndim:
        raise SymmetryError(
            f"The model gives one number for {len(elements)} batches that are folded into one: "
            "chunk=1."
        )
    shape = (len(elements), values.shape[0] // len(elements))
    if values.shape[0] % len(elements):
        raise SymmetryError(
            f"The model gives {values.shape[0]} outputs for {len(elements)} batches that are "
            "folded into one: chunk=1."
        )
    if isinstance(action, TensorAction):
        return action.of_each(elements, values).unflatten(0, shape).unbind()
    parts = values.unflatten(0, shape).unbind()
    return [action(element, part) for element, part in zip(elements, parts, strict=True)]


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
        output_action: psi for the outputs of one input, where it asks for more than the outputs
            tell, such as which nodes are of which graph; None where it does not.

    """

    group: Group
    act_on_input: Callable[[Element, V], V]
    act_on_output: Callable[[Element, Tensor], Tensor]
    exact: bool = True
    frame: Callable[[V], Tensor] | None = None
    parts: Callable[[object], Sequence[Tensor]] | None = None
    output_action: Callable[[V], Callable[[Element, Tensor], Tensor]] | None = None

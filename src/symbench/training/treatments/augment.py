"""Augmentation: a random group element for each training sample, in physical units."""

from collections import Counter
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from symbench.data.batch import V
from symbench.errors import SymmetryError
from symbench.symmetry.symmetry import Element, Elements
from symbench.training.treatments.treatment import Treatment


class Augment(Treatment[V]):
    """Training treatment that moves input and target of each sample by the same random element."""

    def __call__(
        self, inputs: V, targets: Tensor, samples: int, generator: torch.Generator
    ) -> tuple[V, Tensor]:
        """Move the batch; the generator alone decides the elements."""
        elements = moved_to(self.symmetry.group.sample(samples, generator), inputs.device)
        return (
            act_on_each(self.symmetry.act_on_input, elements, inputs),
            act_on_each(self.symmetry.act_on_output, elements, targets),
        )


def moved_to(elements: Elements, device: torch.device) -> Elements:
    """Elements on the device of what they act on; drawn on the CPU, they are the same on all.

    Once here, and not by each action.
    """
    return elements.to(device, non_blocking=True) if isinstance(elements, Tensor) else elements


def act_on_each(action: Callable[[Element, V], V], elements: Elements, values: V) -> V:
    """Act on each sample with its own element.

    Args:
        action: of one element, or of a stack of arrays, one for each sample.
        elements: one for each sample: indices in a finite group, or a stack of arrays.
        values: of all samples; a tensor of shape (sample, ...) where elements are indices.

    Returns:
        The moved values, of the same shape.

    Raises:
        SymmetryError: if elements are indices and the values are no tensor.

    """
    if isinstance(elements, Tensor):
        return action(elements, values)
    if not isinstance(values, Tensor):
        raise SymmetryError(
            f"Samples of {type(values).__name__} cannot be moved one by one by the elements of a "
            "finite group: use a group whose elements are arrays."
        )
    # One action per element of a list, not per sample: large batches share it.
    order = sorted(range(len(elements)), key=elements.__getitem__)
    rows = torch.tensor(order).to(values.device, non_blocking=True)
    counts = Counter(elements)
    parts = values.index_select(0, rows).split([counts[each] for each in sorted(counts)])
    moved = [
        cast(Tensor, action(element, cast(V, part)))
        for element, part in zip(sorted(counts), parts, strict=True)
    ]
    return cast(V, torch.empty_like(values).index_copy_(0, rows, torch.cat(moved)))

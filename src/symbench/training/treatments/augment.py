"""Augmentation: a random group element for each training sample, in physical units."""

from typing import Any

import torch
from torch import Tensor

from symbench.symmetry.reynolds import Action
from symbench.training.treatments.treatment import Treatment


class Augment(Treatment):
    """Training treatment that moves input and target of each sample by the same random element."""

    def __call__(
        self, inputs: Any, targets: Tensor, samples: int, generator: torch.Generator
    ) -> tuple[Any, Tensor]:
        """Move a batch of so many samples; the generator alone decides the elements."""
        elements = self.symmetry.group.sample(samples, generator)
        return (
            act_on_each(self.symmetry.act_on_input, elements, inputs),
            act_on_each(self.symmetry.act_on_output, elements, targets),
        )


def act_on_each(action: Action, elements: Any, values: Any) -> Any:
    """Act on each sample with its own element."""
    if isinstance(elements, Tensor):
        return action(elements, values)
    moved = torch.empty_like(values)
    # One action per element of a list, not per sample: large batches share it.
    for element in sorted(set(elements)):
        chosen = torch.tensor([other == element for other in elements], device=values.device)
        moved[chosen] = action(element, values[chosen])
    return moved

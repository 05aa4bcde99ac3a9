"""Augmentation: a random group element for each training sample, in physical units."""

import torch
from torch import Tensor

from symbench.symmetry.reynolds import Symmetry


class Augment:
    """Training treatment that moves input and target of each sample by the same random element."""

    def __init__(self, symmetry: Symmetry) -> None:
        """Take the symmetry of the task."""
        self.symmetry = symmetry

    def __call__(
        self, inputs: Tensor, targets: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Transform a batch of shape (batch, ...); the generator alone decides the elements."""
        elements = torch.randint(self.symmetry.group.order, (len(inputs),), generator=generator)
        moved_inputs, moved_targets = torch.empty_like(inputs), torch.empty_like(targets)
        # One action per element, not per sample: large batches share it.
        for element in sorted(set(elements.tolist())):
            chosen = (elements == element).to(inputs.device)
            moved_inputs[chosen] = self.symmetry.act_on_input(element, inputs[chosen])
            moved_targets[chosen] = self.symmetry.act_on_output(element, targets[chosen])
        return moved_inputs, moved_targets

"""A model averaged over the frame of each input.

A frame F(x) is a small set of elements, chosen by the input itself so that F(g x) = F(x) g^-1;
averaging a model over it instead of over the group,

    f_F(x) = 1/|F(x)| sum_{g in F(x)} psi(g)^-1 f(phi(g) x),

is exactly equivariant. A frame of one element is a canonicalisation. Frames are in
`points.principal_axes`, `points.canonical_signs` and `grids.canonical_shifts`.
Source: Puny et al., arXiv 2110.03336; Kaba et al., arXiv 2211.06489.
"""

from collections.abc import Callable
from typing import Generic

import torch
from torch import Tensor, nn

from symbench.errors import SymmetryError
from symbench.symmetry.symmetry import Symmetry, V


class FrameAveraged(nn.Module, Generic[V]):
    """A model made exactly equivariant, wherever the frame is, at the price of |frame| passes."""

    def __init__(self, model: Callable[[V], Tensor], symmetry: Symmetry[V]) -> None:
        """Wrap a model; raises `SymmetryError` if the symmetry has no frame."""
        super().__init__()
        if symmetry.frame is None:
            raise SymmetryError(f"There is no frame for {symmetry.group}.")
        self.model = model
        self.symmetry = symmetry
        self.frame = symmetry.frame

    def forward(self, inputs: V) -> Tensor:
        """Mean over the frame of the predictions in the canonical poses, moved back.

        Raises:
            SymmetryError: if the frame has elements that are none of the group, such as
                reflections where the group is SO(3): they would average away what is chiral.

        """
        elements = self.frame(inputs)
        group = self.symmetry.group
        group.check(elements.reshape(-1, *torch.as_tensor(group.identity).shape))
        outputs = [
            self.symmetry.act_on_output(
                group.inverse(g), self.model(self.symmetry.act_on_input(g, inputs))
            )
            for g in elements
        ]
        total = outputs[0]
        for output in outputs[1:]:
            total = total + output
        return total / len(elements)

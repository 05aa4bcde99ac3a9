"""A model averaged over the frame of each input."""

from typing import Any

from torch import Tensor, nn

from symbench.errors import SymmetryError
from symbench.symmetry.reynolds import Model, Symmetry


class FrameAveraged(nn.Module):
    """A model made exactly equivariant, wherever the frame is, at the price of |frame| passes."""

    def __init__(self, model: Model, symmetry: Symmetry) -> None:
        """Wrap a model; raises `SymmetryError` if the symmetry has no frame."""
        super().__init__()
        if symmetry.frame is None:
            raise SymmetryError(f"There is no frame for {symmetry.group}.")
        self.model = model
        self.symmetry = symmetry
        self.frame = symmetry.frame

    def forward(self, inputs: Any) -> Tensor:
        """Mean over the frame of the predictions in the canonical poses, moved back."""
        elements = self.frame(inputs)
        group = self.symmetry.group
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

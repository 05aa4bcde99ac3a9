"""A learned canonicaliser, trained together with the network that sees the poses it chooses."""

from torch import Tensor, nn

from symbench.errors import ConfigError
from symbench.models.fields.canonicaliser import Canonicalised, last_frame
from symbench.symmetry.symmetry import Symmetry
from symbench.training.treatments.treatment import Treatment


class Canonicalise(Treatment[Tensor]):
    """`canonicalise`: a small network chooses the pose of each sample, in training and after it."""

    finite = True

    def __init__(self, symmetry: Symmetry[Tensor], *, width: int = 8) -> None:
        """Set the width of the small network.

        Raises:
            ConfigError: if it is below 1.
            SymmetryError: unless the data are fields on a grid.

        """
        super().__init__(symmetry)
        last_frame(symmetry)
        if width < 1:
            raise ConfigError(f"Canonicalise: width is {width!r}; give at least 1.")
        self.width = width

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model behind the choice of a pose."""
        return Canonicalised(model, self.symmetry, self.width)

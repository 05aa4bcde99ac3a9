"""A learned canonicaliser: a small network chooses the pose in which another one sees a sample.

    f'(x) = psi(g)^-1 f(phi(g) x) with g = argmax_h s(phi(h) x)

is equivariant whatever f and s are, but where the best score is that of several poses. Source:
Kaba et al., arXiv 2211.06489, for finite groups.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from symbench.errors import SymmetryError
from symbench.symmetry.grids.fields import FieldAction, InputAction
from symbench.symmetry.symmetry import Symmetry

# Cells of its kernels along each axis; every layer looks at each second cell.
SIZE, STRIDE = 5, 2


class Canonicalised(nn.Module):
    """A model that sees each sample in the pose with the highest score; same inputs and outputs.

    The choice has no gradient: that of the softmax of the scores stands in for it, in the pose
    that the model sees and in how its output is moved back (straight through).
    """

    def __init__(self, model: nn.Module, symmetry: Symmetry[Tensor], width: int = 8) -> None:
        """Put the network of scores before a model.

        Args:
            model: whatever predicts.
            symmetry: a finite group on fields on a grid.
            width: channels of the two convolutions that give the score.

        Raises:
            SymmetryError: for other data; see `last_frame`.

        """
        super().__init__()
        self.model = model
        self.symmetry = symmetry
        self.channels, dimension = last_frame(symmetry)
        self.elements = symmetry.group.listed()
        self.inverses = [symmetry.group.inverse(element) for element in self.elements]
        convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimension - 1]
        self.score = nn.Sequential(
            convolution(self.channels, width, SIZE, stride=STRIDE, padding=SIZE // 2),
            nn.GELU(),
            convolution(width, width, SIZE, stride=STRIDE, padding=SIZE // 2),
            nn.GELU(),
            nn.Flatten(2),
        )
        self.head = nn.Linear(width, 1)

    def forward(self, values: Tensor) -> Tensor:
        """Values of shape (sample, channel, *space) to what the model gives."""
        poses = [self.symmetry.act_on_input(element, values) for element in self.elements]
        weights = self.weights(torch.stack(poses, dim=1))
        output: Tensor = self.model(weighted(weights, poses))
        back = [self.symmetry.act_on_output(inverse, output) for inverse in self.inverses]
        return weighted(weights, back)

    def weights(self, poses: Tensor) -> Tensor:
        """1 for the chosen element and 0 for others, with the gradient of a softmax.

        Args:
            poses: shape (sample, element, channel, *space).

        Returns:
            Shape (sample, element).

        """
        # The last frame and constant fields are the last channels.
        features = self.score(poses[:, :, -self.channels :].flatten(0, 1)).mean(dim=2)
        scores = self.head(features).float().reshape(poses.shape[:2])
        soft = scores.softmax(dim=1)
        chosen = one_hot(scores.argmax(dim=1), len(self.elements))
        # The difference is zero exactly.
        return chosen + (soft - soft.detach())


def weighted(weights: Tensor, values: list[Tensor]) -> Tensor:
    """Sum of one tensor (sample, ...) for each element, weighted by (sample, element)."""
    shape = (-1, *[1] * (values[0].ndim - 1))
    total = torch.zeros_like(values[0])
    for weight, value in zip(weights.unbind(dim=1), values, strict=True):
        total = total + weight.reshape(shape).to(value) * value
    return total


def last_frame(symmetry: Symmetry[Tensor]) -> tuple[int, int]:
    """Channels of a frame with the constant fields, and the dimension of space.

    Raises:
        SymmetryError: unless the symmetry acts on fields on a grid.

    """
    match symmetry.act_on_input:
        case InputAction(frames=frames, constants=constants):
            channels = frames.channels + constants.channels
        case FieldAction() as frames:
            channels = frames.channels
        case _:
            raise SymmetryError(
                f"A learned pose needs fields on a grid, and {symmetry.group} acts on other data."
            )
    return channels, frames.group.elements[0].dimension

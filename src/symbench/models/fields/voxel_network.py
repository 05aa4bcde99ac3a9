"""A small convolutional network for shapes on a grid; it knows no symmetry but translations."""

from itertools import pairwise

from torch import Tensor, nn


class VoxelNetwork(nn.Module):
    """`voxel_network`: logits of the classes of occupied cells."""

    def __init__(self, classes: int, width: int = 16, dropout: float = 0.3, side: int = 32) -> None:
        """Set the width of the first layer; each of the three layers halves the side.

        The side is that of the grid, any number of cells.
        """
        super().__init__()
        widths = [1, width, 2 * width, 4 * width]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [
                nn.Conv3d(before, after, 3, stride=2, padding=1),
                nn.BatchNorm3d(after),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(4 * width * (-(-side // 8)) ** 3, 8 * width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(8 * width, classes),
        )

    def forward(self, values: Tensor) -> Tensor:
        """Values (sample, 1, x, y, z) to logits (sample, class)."""
        logits: Tensor = self.head(self.layers(values))
        return logits

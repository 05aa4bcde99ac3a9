"""The published network that predicts how pedestrians walk on.

Source: Mohamed et al., Social-STGCNN, CVPR 2020 (arXiv 2002.11927), and its public code. Tensors
have the names of the published files. The network depends on the order of the pedestrians of a
window: its later convolutions take them as an axis of a picture.
"""

from typing import cast

import torch
from torch import Tensor, nn

from symbench.data.points.pedestrian_data import PREDICTED, SEEN, PedestrianInputs

CHANNELS = 5


class SocialSTGCNN(nn.Module):
    """One graph convolution over pedestrians and time, and five convolutions of pictures."""

    def __init__(self) -> None:
        """Build the network."""
        super().__init__()
        self.st_gcns = nn.ModuleList([_GraphConvolution()])
        widths = [SEEN] + 5 * [PREDICTED]
        self.tpcnns = nn.ModuleList(
            nn.Conv2d(before, PREDICTED, 3, padding=1) for before in widths[:-1]
        )
        # The public code spells it so.
        self.tpcnn_ouput = nn.Conv2d(PREDICTED, PREDICTED, 3, padding=1)
        self.prelus = nn.ModuleList(nn.PReLU() for _ in self.tpcnns)

    def forward(self, inputs: PedestrianInputs) -> Tensor:
        """Mean and covariance of the displacements of the chosen, shape (chosen, frame, 5).

        The five numbers are x, y, and xx, xy, yy of the covariance, in m and m².
        """
        counts = torch.unique_consecutive(inputs.window, return_counts=True)[1]
        starts = counts.cumsum(0) - counts
        outputs = inputs.displacements.new_zeros(len(inputs.window), PREDICTED, CHANNELS)
        for count in counts.unique().tolist():
            rows = starts[counts == count][:, None] + torch.arange(count, device=starts.device)
            outputs[rows] = self._of_equal(inputs.displacements[rows])
        return outputs[inputs.chosen]

    def _of_equal(self, displacements: Tensor) -> Tensor:
        """Windows of equally many, (window, pedestrian, frame, axis) to (..., frame, 5)."""
        values = self.st_gcns[0](displacements.permute(0, 3, 2, 1), laplacians(displacements))
        windows, _, _, count = values.shape
        # Seen as another shape, not permuted, as in the public code.
        values = values.reshape(windows, SEEN, CHANNELS, count)
        values = self.prelus[0](self.tpcnns[0](values))
        # The last of the file is not used there.
        for convolution, activation in list(zip(self.tpcnns, self.prelus, strict=True))[1:-1]:
            values = values + activation(convolution(values))
        values = self.tpcnn_ouput(values).reshape(windows, CHANNELS, PREDICTED, count)
        x, y, log_x, log_y, correlation = values.unbind(dim=1)
        deviation_x, deviation_y = log_x.exp(), log_y.exp()
        joint = correlation.tanh() * deviation_x * deviation_y
        found = torch.stack([x, y, deviation_x.square(), joint, deviation_y.square()], dim=-1)
        return found.permute(0, 2, 1, 3)


class _GraphConvolution(nn.Module):
    """Graph convolution of each frame, then a convolution over three frames, and a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.gcn = nn.Module()
        self.gcn.conv = nn.Conv2d(2, CHANNELS, 1)
        self.tcn = nn.Sequential(
            _normalisation(),
            nn.PReLU(),
            nn.Conv2d(CHANNELS, CHANNELS, (3, 1), padding=(1, 0)),
            _normalisation(),
        )
        self.residual = nn.Sequential(nn.Conv2d(2, CHANNELS, 1), _normalisation())
        self.prelu = nn.PReLU()

    def forward(self, values: Tensor, laplacian: Tensor) -> Tensor:
        """Map (window, axis, frame, pedestrian) to (window, channel, frame, pedestrian)."""
        convolved = cast("nn.Module", self.gcn.conv)(values)
        spread = torch.einsum("nctv,ntvw->nctw", convolved, laplacian)
        return cast("Tensor", self.prelu(self.tcn(spread) + self.residual(values)))


def laplacians(displacements: Tensor) -> Tensor:
    """Normalised Laplacian of each frame, shape (window, frame, pedestrian, pedestrian).

    Two pedestrians are joined by the inverse distance of their displacements, not at all where
    these are equal, and each to themselves by 1; D^(-1/2) (D - A) D^(-1/2).
    """
    vectors = displacements.transpose(1, 2)
    distances = (vectors[:, :, :, None] - vectors[:, :, None]).norm(dim=-1)
    apart = distances > 0
    joined = torch.where(apart, 1 / distances.where(apart, 1.0), 0.0)
    joined = joined + torch.eye(joined.shape[-1], device=joined.device)
    degrees = joined.sum(dim=-1)
    scale = degrees.rsqrt()
    return scale[..., None] * (torch.diag_embed(degrees) - joined) * scale[..., None, :]


def _normalisation() -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(CHANNELS)
    # Of shape (1,) in the published files.
    layer.register_buffer("num_batches_tracked", torch.zeros(1, dtype=torch.long))
    return layer

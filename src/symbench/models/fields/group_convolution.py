"""Group convolutions for PDE surrogates, with free convolutions beside them.

The kernels of an equivariant convolution are the Reynolds average of free kernels, for any group of
grid isometries without shifts and any fields; hidden features are functions on the group (Cohen and
Welling, arXiv 1602.07576). Grids are periodic, or there are zeros beyond their edges, by which a
network knows where the boundary is.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from symbench.errors import ConfigError, SymmetryError
from symbench.models.constant import Constant
from symbench.models.homotopy import Free, Homotopy
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import FieldAction, Normalizer
from symbench.symmetry.grids.isometries import GridGroup
from symbench.symmetry.symmetry import Symmetry


def field_representation(action: FieldAction) -> Tensor:
    """How the channels of one frame mix, shape (element, channel, channel)."""
    channels = action.channels
    space = [1] * action.group.elements[0].dimension
    basis = torch.eye(channels, dtype=torch.float64).reshape(channels, channels, *space)
    plain = FieldAction(action.group, action.fields)
    return torch.stack(
        [plain(g, basis).reshape(channels, channels).mT for g in range(action.group.order)]
    )


def regular_representation(group: GridGroup) -> Tensor:
    """Functions on the group: (g f)(h) = f(g^-1 h), shape (element, element, element)."""
    matrices = torch.zeros(group.order, group.order, group.order, dtype=torch.float64)
    columns = torch.arange(group.order)
    for g in range(group.order):
        matrices[g, torch.from_numpy(group.table[g]), columns] = 1
    return matrices


def copies(representation: Tensor, count: int) -> Tensor:
    """So many copies of a representation, one after the other."""
    return torch.stack([torch.kron(torch.eye(count).double(), m) for m in representation])


class ReynoldsConvolution(nn.Module):
    """Convolution with the average of a free kernel over a group: exactly equivariant."""

    index: Tensor
    sign: Tensor

    def __init__(
        self,
        group: GridGroup,
        into: Tensor,
        out: Tensor,
        size: int,
        bias: bool,
        periodic: bool = True,
    ) -> None:
        """Tabulate how each element moves the entries of a kernel.

        Args:
            group: without shifts.
            into: representation of the input channels by signed permutations.
            out: of the output channels.
            size: odd width of the kernel.
            bias: one number for each orbit of output channels; for permutations only.
            periodic: whether the grid is; else there are zeros beyond its edges.

        """
        super().__init__()
        self.periodic = periodic
        dimension = group.elements[0].dimension
        shape = (out.shape[1], into.shape[1], *[size] * dimension)
        self.shape = shape
        count = torch.Size(shape).numel()
        # Entries are numbered from 1, so that their signs survive.
        entries = torch.arange(1, count + 1, dtype=torch.float64).reshape(shape)
        on_scalars = FieldAction(group, [Field("kernel")])
        moved = []
        for g in range(group.order):
            turned = on_scalars(g, entries.reshape(-1, 1, *shape[2:])).reshape(shape)
            moved.append(torch.einsum("op,pi...,qi->oq...", out[g], turned, into[g]).flatten())
        stacked = torch.stack(moved)
        self.register_buffer("index", stacked.abs().long() - 1, persistent=False)
        self.register_buffer("sign", stacked.sign().float(), persistent=False)
        # The mean over the orbit shrinks independent entries by the root of its size.
        bound = (3 * group.order / (count / shape[0])) ** 0.5
        self.weight = nn.Parameter((2 * torch.rand(count) - 1) * bound)
        self.orbit = group.order
        self.bias = nn.Parameter(torch.zeros(shape[0] // group.order)) if bias else None

    def kernel(self) -> Tensor:
        """The average over the group, shape (output channel, input channel, *space)."""
        return (self.weight[self.index] * self.sign).mean(dim=0).reshape(self.shape)

    def forward(self, values: Tensor) -> Tensor:
        """Values of shape (sample, channel, *space)."""
        out = same_convolution(values, self.kernel(), self.periodic)
        if self.bias is None:
            return out
        bias = self.bias.repeat_interleave(self.orbit)
        return out + bias.reshape(-1, *[1] * (values.ndim - 2))


def same_convolution(values: Tensor, kernel: Tensor, periodic: bool) -> Tensor:
    """Convolution that keeps the size of a grid; zeros lie beyond one that is not periodic."""
    dimension = values.ndim - 2
    width = kernel.shape[-1] // 2
    mode = "circular" if periodic else "constant"
    padded = nn.functional.pad(values, [width] * 2 * dimension, mode=mode)
    convolve = (nn.functional.conv1d, nn.functional.conv2d, nn.functional.conv3d)[dimension - 1]
    return convolve(padded, kernel)


class GroupConvolutions(nn.Module):
    """`group_convolution`: group convolutions from frames to the change of the last frame.

    Where other fields are predicted than are given, to those fields.
    """

    def __init__(
        self,
        symmetry: Symmetry[Tensor],
        dim_in: int,
        dim_out: int,
        n_spatial_dims: int,
        spatial_resolution: tuple[int, ...],
        width: int = 4,
        layers: int = 4,
        size: int = 5,
        free: bool = True,
        periodic: bool = True,
    ) -> None:
        """Set the network.

        Args:
            symmetry: of the task; the group of the architecture.
            dim_in: channels of all frames that are given.
            dim_out: channels of the frame that is predicted.
            n_spatial_dims: dimension of space.
            spatial_resolution: cells along each axis.
            width: functions on the group in each hidden layer.
            layers: hidden convolutions, each added to what came before.
            size: width of the kernels.
            free: whether each convolution has a free one beside it.
            periodic: whether the grid is; else there are zeros beyond its edges.

        Raises:
            SymmetryError: for constant fields, or a group with shifts.
            ConfigError: for a size that the grid has not.

        """
        super().__init__()
        if size % 2 == 0 or size // 2 > min(spatial_resolution):
            raise ConfigError(
                f"'size' of group_convolution is {size}, for a grid of "
                f"{' x '.join(map(str, spatial_resolution))}; it is odd, and at most "
                f"{2 * min(spatial_resolution) + 1} here."
            )
        given, predicted = symmetry.act_on_input, symmetry.act_on_output
        assert isinstance(predicted, FieldAction)
        group = predicted.group
        if not isinstance(given, FieldAction) or any(any(g.shift) for g in group.elements):
            raise SymmetryError(
                f"Group convolutions take frames without constant fields and groups without "
                f"shifts, not {dim_in} channels for {dim_out} and {group}."
            )
        hidden = copies(regular_representation(group), width)
        frames = copies(field_representation(given), dim_in // given.channels)
        shapes = [frames, *[hidden] * (layers + 1), field_representation(predicted)]
        self.layers = nn.ModuleList()
        for number, (into, out) in enumerate(pairwise(shapes)):
            bias = number <= layers
            layer = self.layer(group, into, out, size, bias, periodic)
            if free:
                layer = Homotopy(layer, Free(_free(n_spatial_dims, into, out, size, periodic)))
            self.layers.append(layer)
        # One scale for each field: scales of components do not commute with the group.
        self.channels = given.channels
        self.given = _common_scale(given, n_spatial_dims)
        self.predicted = _common_scale(predicted, n_spatial_dims)
        self.changes = given.fields == predicted.fields

    def layer(
        self, group: GridGroup, into: Tensor, out: Tensor, size: int, bias: bool, periodic: bool
    ) -> nn.Module:
        """One convolution without what is free; see `ReynoldsConvolution`."""
        return ReynoldsConvolution(group, into, out, size, bias, periodic)

    def forward(self, values: Tensor) -> Tensor:
        """Normalised frames (sample, steps·channel, *space) to the one that is predicted."""
        frames = values.unflatten(1, (-1, self.channels))
        mean, std = (each.to(values.dtype) for each in self.given())
        features = (frames * std + mean).flatten(1, 2)
        features = nn.functional.gelu(self.layers[0](features))
        for layer in list(self.layers)[1:-1]:
            features = features + nn.functional.gelu(layer(features))
        output = self.layers[-1](features)
        mean, std = (each.to(output.dtype) for each in self.predicted())
        return frames[:, -1] + output / std if self.changes else (output - mean) / std


def _free(dimension: int, into: Tensor, out: Tensor, size: int, periodic: bool) -> nn.Module:
    convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimension - 1]
    return convolution(
        into.shape[1],
        out.shape[1],
        size,
        padding=size // 2,
        padding_mode="circular" if periodic else "zeros",
    )


def _common_scale(frames: FieldAction, dimension: int) -> Constant:
    """From normalised channels to physical ones over one scale for each field.

    Means and standard deviations, shape (2, channel, ...) with an axis of length 1 for each of
    space.
    """
    normalizer = frames.normalizer or Normalizer((0.0,) * frames.channels, (1.0,) * frames.channels)
    scales: list[float] = []
    for field in frames.fields:
        part = normalizer.std[len(scales) :][: field.channels(dimension)]
        scales += [(sum(std**2 for std in part) / len(part)) ** 0.5] * len(part)
    both = [
        [value / scale for value, scale in zip(values, scales, strict=True)]
        for values in (normalizer.mean, normalizer.std)
    ]
    shape = (2, frames.channels, *[1] * dimension)
    return Constant(torch.tensor(both, dtype=torch.float64).reshape(shape))

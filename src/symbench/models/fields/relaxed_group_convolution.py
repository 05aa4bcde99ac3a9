"""Relaxed group convolutions: group convolutions whose kernels may differ from element to element.

A relaxed kernel is the sum over l of some equivariant kernels, each weighted by w_l(g) where its
output belongs to the element g. It is equivariant where no w_l depends on g, as at the start; what
training makes of w_l says which elements the data break. Source: Wang, Walters and Yu, arXiv
2201.11969, and Wang et al., arXiv 2310.02299; the weights are those of the public code of the
second, by the element of the output. The last layer gives fields, which are no functions on the
group: there the element of the input counts.
"""

import torch
from torch import Tensor, nn

from symbench.errors import ConfigError
from symbench.models.fields.group_convolution import GroupConvolutions, ReynoldsConvolution
from symbench.symmetry.grids.isometries import GridGroup
from symbench.symmetry.symmetry import Symmetry


class RelaxedConvolution(ReynoldsConvolution):
    """A convolution with a relaxed kernel, equivariant at first.

    Attributes:
        weights: w_l(g), shape (filter bank, element).

    """

    def __init__(
        self,
        group: GridGroup,
        into: Tensor,
        out: Tensor,
        size: int,
        bias: bool,
        periodic: bool = True,
        filter_banks: int = 1,
    ) -> None:
        """Make the equivariant kernels; see `ReynoldsConvolution`.

        Args:
            group: without shifts.
            into: representation of the input channels.
            out: of the output channels.
            size: odd width of the kernels.
            bias: whether there is one, as where the output channels are functions on the group.
            periodic: whether the grid is.
            filter_banks: number of equivariant kernels.

        """
        super().__init__(group, into, out, size, bias, periodic)
        self.further = nn.ModuleList(
            ReynoldsConvolution(group, into, out, size, bias=False) for _ in range(filter_banks - 1)
        )
        # The sum of independent kernels is as large as one of them.
        self.weights = nn.Parameter(torch.full((filter_banks, group.order), filter_banks**-0.5))
        axis = 0 if bias else 1
        # Functions on the group lie one after the other, each with all elements.
        self.functions = self.shape[axis] // group.order
        self.places = [-1 if number == axis else 1 for number in range(len(self.shape))]

    def kernel(self) -> Tensor:
        """The relaxed kernel, shape (output channel, input channel, *space)."""
        banks = [bank for bank in self.further if isinstance(bank, ReynoldsConvolution)]
        kernels = [super().kernel(), *(bank.kernel() for bank in banks)]
        weights = self.weights.repeat(1, self.functions)
        weighted = [
            weight.reshape(self.places) * kernel
            for weight, kernel in zip(weights, kernels, strict=True)
        ]
        return torch.stack(weighted).sum(dim=0)


class RelaxedGroupConvolutions(GroupConvolutions):
    """`relaxed_group_convolution`: `group_convolution` with relaxed kernels, and nothing free."""

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
        filter_banks: int = 2,
        periodic: bool = True,
    ) -> None:
        """Set the network; see `GroupConvolutions`.

        Args:
            symmetry: of the task; the group of the architecture.
            dim_in: channels of all frames that are given.
            dim_out: channels of the frame that is predicted.
            n_spatial_dims: dimension of space.
            spatial_resolution: cells along each axis.
            width: functions on the group in each hidden layer.
            layers: hidden convolutions.
            size: width of the kernels.
            filter_banks: equivariant kernels in each layer; with one, elements differ in scale.
            periodic: whether the grid is.

        Raises:
            SymmetryError: as `GroupConvolutions`.
            ConfigError: for a size that the grid has not, and no filter bank.

        """
        if filter_banks < 1:
            raise ConfigError(f"'filter_banks' is {filter_banks}; give at least 1.")
        self.filter_banks = filter_banks
        super().__init__(
            symmetry,
            dim_in,
            dim_out,
            n_spatial_dims,
            spatial_resolution,
            width,
            layers,
            size,
            free=False,
            periodic=periodic,
        )

    def layer(
        self, group: GridGroup, into: Tensor, out: Tensor, size: int, bias: bool, periodic: bool
    ) -> nn.Module:
        """One relaxed convolution."""
        return RelaxedConvolution(group, into, out, size, bias, periodic, self.filter_banks)

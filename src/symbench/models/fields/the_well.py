"""The four surrogate families of The Well's benchmark, in its own implementation, in 1-D to 3-D.

`fno_published` and `tfno_published` are for the published weights only: until release 1.2.0 the
wrapper discarded the output of its spectral blocks, so those weights are pointwise networks
(lifting, then projection), and only a forward pass that skips the blocks gives their table
(The Well, issue 64).
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import TypedDict, Unpack

import torch
from torch import Tensor, nn

from symbench.errors import ConfigError

_PACKAGE = "the_well.benchmark.models"


class Channels(TypedDict, total=False):
    """What every network of The Well takes."""

    dim_in: int
    dim_out: int
    gradient_checkpointing: bool


class OperatorSettings(Channels, total=False):
    """What the neural operators take besides the grid and the modes."""

    spatial_resolution: Sequence[int]
    hidden_channels: int


class UNetSettings(Channels, total=False):
    """What the U-Nets take besides the sizes of the grid."""

    n_spatial_dims: int
    init_features: int


class ConvNeXtSettings(UNetSettings, total=False):
    """What the U-Net of ConvNeXt blocks takes besides the sizes and its stages."""

    blocks_per_stage: int
    blocks_at_neck: int


def _module(name: str) -> ModuleType:
    """A module of The Well with one network.

    The package imports all of its networks, and timm and torchvision with them: three seconds of
    each process that needs none of these. So it stands in without having run for a moment.
    """
    alone = _PACKAGE not in sys.modules
    if alone:
        spec = find_spec(_PACKAGE)
        assert spec is not None
        sys.modules[_PACKAGE] = module_from_spec(spec)
    try:
        return importlib.import_module(f"{_PACKAGE}.{name}")
    finally:
        if alone:
            del sys.modules[_PACKAGE]


def _built(network: type, **settings: object) -> nn.Module:
    built = network(**settings)
    assert isinstance(built, nn.Module)
    return built


def _operator(
    network: type[nn.Module], n_spatial_dims: int, modes: int, settings: OperatorSettings
) -> nn.Module:
    """A neural operator with the same number of Fourier modes along each axis."""
    of_axes = {f"modes{axis + 1}": modes for axis in range(max(2, n_spatial_dims))}
    if n_spatial_dims == 1:
        # The Well's class says in two and three dimensions alone which modes there are.
        network = type(network.__name__, (network,), {"n_modes": (modes,)})
    return _built(network, n_spatial_dims=n_spatial_dims, **of_axes, **settings)


def _check_sizes(name: str, spatial_resolution: Sequence[int], factor: int) -> None:
    """Raise `ConfigError` unless each axis can be halved as often as a U-Net does."""
    wrong = [n for n in spatial_resolution if n % factor or not n]
    if wrong:
        below = wrong[0] // factor * factor
        near = f"{below} and {below + factor}" if below else f"{factor}"
        raise ConfigError(
            f"{name} takes grids whose sizes are multiples of {factor}, which it halves down to "
            f"the last level, not {' x '.join(map(str, spatial_resolution))}; near {wrong[0]} "
            f"fits {near}, or say 'pad: true'."
        )


class Padded(nn.Module):
    """A U-net on any grid: zeros at the end of each axis, which are cut off again.

    Its convolutions see zeros beyond the last cells in any case.
    """

    def __init__(self, network: nn.Module, factor: int) -> None:
        """Pad to multiples of the factor."""
        super().__init__()
        self.network = network
        self.factor = factor

    def forward(self, values: Tensor) -> Tensor:
        """Values of shape (batch, channel, *space)."""
        space = values.shape[2:]
        ends = [end for n in reversed(space) for end in (0, -n % self.factor)]
        padded = self.network(nn.functional.pad(values, ends))
        return padded[(..., *map(slice, space))]


class Located(nn.Module):
    """A network that sees the coordinates of each cell too, from -1 to 1 along each axis.

    What a neural operator gives moves with what it is given, as on a periodic grid: where there is
    a boundary, it knows of it by these alone (Li et al., arXiv 2010.08895).
    """

    def __init__(self, network: nn.Module) -> None:
        """Take a network with one more input channel for each axis."""
        super().__init__()
        self.network = network

    def forward(self, values: Tensor) -> Tensor:
        """Values of shape (batch, channel, *space)."""
        space = values.shape[2:]
        cells = [torch.arange(n, device=values.device).to(values.dtype) for n in space]
        axes = [(2 * each + 1) / len(each) - 1 for each in cells]
        coordinates = torch.stack(torch.meshgrid(*axes, indexing="ij"))
        repeated = coordinates.expand(len(values), *coordinates.shape)
        return self.network(torch.cat([values, repeated], dim=1))


def fno(
    *,
    n_spatial_dims: int,
    modes: int = 16,
    coordinates: bool = False,
    **settings: Unpack[OperatorSettings],
) -> nn.Module:
    """Fourier neural operator, `Located` where it is given coordinates."""
    network = _module("fno").FNO
    if not coordinates:
        return _operator(network, n_spatial_dims, modes, settings)
    settings["dim_in"] += n_spatial_dims
    return Located(_operator(network, n_spatial_dims, modes, settings))


def tfno(
    *, n_spatial_dims: int, modes: int = 16, **settings: Unpack[OperatorSettings]
) -> nn.Module:
    """Fourier neural operator with Tucker-factorised weights."""
    return _operator(_module("tfno").TFNO, n_spatial_dims, modes, settings)


def unet_classic(
    *, spatial_resolution: Sequence[int], pad: bool = False, **settings: Unpack[UNetSettings]
) -> nn.Module:
    """U-Net with batch normalisation and zero padding; sizes are multiples of 16, or `Padded`."""
    if not pad:
        _check_sizes("unet_classic", spatial_resolution, 16)
    network = _module("unet_classic").UNetClassic
    built = _built(network, spatial_resolution=spatial_resolution, **settings)
    return Padded(built, 16) if pad else built


def unet_convnext(
    *,
    spatial_resolution: Sequence[int],
    stages: int = 4,
    pad: bool = False,
    **settings: Unpack[ConvNeXtSettings],
) -> nn.Module:
    """U-Net of ConvNeXt blocks with zero padding; sizes are multiples of 2^stages, or `Padded`."""
    if not pad:
        _check_sizes(f"unet_convnext of {stages} stages", spatial_resolution, 2**stages)
    module = _module("unet_convnext")
    # Channels last and back: The Well knows it of two and three dimensions alone.
    module.permute_channel_strings.setdefault(1, ["N C L -> N L C", "N L C -> N C L"])
    built = _built(
        module.UNetConvNext, spatial_resolution=spatial_resolution, stages=stages, **settings
    )
    return Padded(built, 2**stages) if pad else built


class _Pointwise(nn.Module):
    """Lifting and projection of a neural operator without its spectral blocks.

    The weights keep the names that the published checkpoints use.
    """

    def __init__(self, operator: nn.Module) -> None:
        super().__init__()
        self.model = operator.get_submodule("model")

    def forward(self, values: Tensor) -> Tensor:
        """Apply the pointwise network."""
        lifted = self.model.get_submodule("lifting")(values)
        projected: Tensor = self.model.get_submodule("projection")(lifted)
        return projected


def fno_published(
    *, n_spatial_dims: int, modes: int = 16, **settings: Unpack[OperatorSettings]
) -> nn.Module:
    """The network that the published FNO weights were trained as."""
    return _Pointwise(fno(n_spatial_dims=n_spatial_dims, modes=modes, **settings))


def tfno_published(
    *, n_spatial_dims: int, modes: int = 16, **settings: Unpack[OperatorSettings]
) -> nn.Module:
    """The network that the published TFNO weights were trained as."""
    return _Pointwise(tfno(n_spatial_dims=n_spatial_dims, modes=modes, **settings))

"""The four surrogate families of The Well's benchmark, in its own implementation.

`fno_published` and `tfno_published` are for the published weights only: until release 1.2.0 the
wrapper discarded the output of its spectral blocks, so those weights are pointwise networks
(lifting, then projection), and only a forward pass that skips the blocks gives their table
(The Well, issue 64).
"""

import importlib
import sys
from importlib.util import find_spec, module_from_spec

from torch import Tensor, nn

_PACKAGE = "the_well.benchmark.models"


def _build(module: str, name: str, /, **settings: object) -> nn.Module:
    """A network from its own module of The Well.

    The package imports all of its networks, and timm and torchvision with them: three seconds of
    each process that needs none of these. So it stands in without having run for a moment.
    """
    alone = _PACKAGE not in sys.modules
    if alone:
        spec = find_spec(_PACKAGE)
        assert spec is not None
        sys.modules[_PACKAGE] = module_from_spec(spec)
    try:
        found = importlib.import_module(f"{_PACKAGE}.{module}")
    finally:
        if alone:
            del sys.modules[_PACKAGE]
    network = vars(found)[name](**settings)
    assert isinstance(network, nn.Module)
    return network


def _modes(dimensions: int, modes: int) -> dict[str, int]:
    """The same number of Fourier modes along each axis."""
    return {f"modes{axis + 1}": modes for axis in range(dimensions)}


def fno(*, n_spatial_dims: int, modes: int = 16, **settings: object) -> nn.Module:
    """Fourier neural operator."""
    modes_of_axes = _modes(n_spatial_dims, modes)
    return _build("fno", "FNO", n_spatial_dims=n_spatial_dims, **modes_of_axes, **settings)


def tfno(*, n_spatial_dims: int, modes: int = 16, **settings: object) -> nn.Module:
    """Fourier neural operator with Tucker-factorised weights."""
    modes_of_axes = _modes(n_spatial_dims, modes)
    return _build("tfno", "TFNO", n_spatial_dims=n_spatial_dims, **modes_of_axes, **settings)


def unet_classic(**settings: object) -> nn.Module:
    """U-Net with batch normalisation and zero padding."""
    return _build("unet_classic", "UNetClassic", **settings)


def unet_convnext(**settings: object) -> nn.Module:
    """U-Net of ConvNeXt blocks with zero padding."""
    return _build("unet_convnext", "UNetConvNext", **settings)


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


def fno_published(*, n_spatial_dims: int, modes: int = 16, **settings: object) -> nn.Module:
    """The network that the published FNO weights were trained as."""
    return _Pointwise(fno(n_spatial_dims=n_spatial_dims, modes=modes, **settings))


def tfno_published(*, n_spatial_dims: int, modes: int = 16, **settings: object) -> nn.Module:
    """The network that the published TFNO weights were trained as."""
    return _Pointwise(tfno(n_spatial_dims=n_spatial_dims, modes=modes, **settings))

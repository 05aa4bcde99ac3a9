"""The four surrogate families of The Well's benchmark, in its own implementation.

`fno_published` and `tfno_published` are for the published weights only: until release 1.2.0 the
wrapper discarded the output of its spectral blocks, so those weights are pointwise networks
(lifting, then projection), and only a forward pass that skips the blocks gives their table
(The Well, issue 64).
"""

from typing import Any

from the_well.benchmark.models import FNO, TFNO, UNetClassic, UNetConvNext
from torch import Tensor, nn


def _modes(arguments: dict[str, Any], modes: int) -> dict[str, int]:
    """The same number of Fourier modes along each axis."""
    return {f"modes{axis + 1}": modes for axis in range(arguments["n_spatial_dims"])}


def fno(modes: int = 16, **arguments: Any) -> nn.Module:
    """Fourier neural operator."""
    return FNO(**_modes(arguments, modes), **arguments)


def tfno(modes: int = 16, **arguments: Any) -> nn.Module:
    """Fourier neural operator with Tucker-factorised weights."""
    return TFNO(**_modes(arguments, modes), **arguments)


def unet_classic(**arguments: Any) -> nn.Module:
    """U-Net with batch normalisation and zero padding."""
    return UNetClassic(**arguments)


def unet_convnext(**arguments: Any) -> nn.Module:
    """U-Net of ConvNeXt blocks with zero padding."""
    return UNetConvNext(**arguments)


class _Pointwise(nn.Module):
    """Lifting and projection of a neural operator without its spectral blocks.

    The weights keep the names that the published checkpoints use.
    """

    def __init__(self, operator: nn.Module) -> None:
        super().__init__()
        self.model: Any = operator.model

    def forward(self, values: Tensor) -> Tensor:
        """Apply the pointwise network."""
        return self.model.projection(self.model.lifting(values))


def fno_published(modes: int = 16, **arguments: Any) -> nn.Module:
    """The network that the published FNO weights were trained as."""
    return _Pointwise(fno(modes=modes, **arguments))


def tfno_published(modes: int = 16, **arguments: Any) -> nn.Module:
    """The network that the published TFNO weights were trained as."""
    return _Pointwise(tfno(modes=modes, **arguments))

"""Errors and spectra of fields on a grid; tensors are (batch, channel, *space).

Sums are in double precision, and nothing is added to them: no score depends on units.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.linalg import vector_norm

# The Well adds this to the variance of the target, whatever its unit (its issue 75).
FLOOR_OF_THE_WELL = 1e-7


def vrmse(prediction: Tensor, target: Tensor) -> Tensor:
    """Variance-scaled RMSE, shape (batch, channel): predicting the mean of the target scores 1.

    sqrt(mean over space of the squared error / variance of the target). It is The Well's, but for
    the 1e-7 that The Well adds to the variance, so that it knows no units: physical and normalised
    tensors give the same. NaN where the target is constant; infinite where a prediction is not
    finite.
    """
    return (mean_squared_error(prediction, target) / target_variance(target)).sqrt()


def target_variance(target: Tensor) -> Tensor:
    """Variance over space, the denominator of VRMSE squared, shape (batch, channel).

    NaN where values differ by round-off alone: nothing may be divided by that.
    """
    values = target.flatten(2).double()
    mean = values.mean(dim=2, keepdim=True)
    variance = vector_norm(values - mean, dim=2) ** 2 / (values.shape[2] - 1)
    round_off = torch.finfo(target.dtype).eps * mean.squeeze(2)
    return variance.masked_fill(variance <= round_off**2, torch.nan)


def mean_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over space of the squared error, shape (batch, channel); infinite in place of NaN."""
    errors = (prediction - target).flatten(2)
    # Several times faster than the mean of squares in double precision.
    squares = vector_norm(errors, dim=2, dtype=torch.float64) ** 2 / errors.shape[2]
    return squares.nan_to_num(nan=torch.inf, posinf=torch.inf)


def power_spectrum(values: Tensor, extent: Sequence[float] | None = None) -> Tensor:
    """Power per shell of wavenumbers, summed over channels, shape (batch, wavenumber).

    Shell k holds the modes with k - 1/2 <= |wavevector| < k + 1/2 in units of the longest wave of
    the box, whatever their direction. The last shell is that of the shortest wave along any axis;
    with the modes beyond, the sum over k is the mean square of the values (Parseval).

    Args:
        values: shape (batch, channel, *space).
        extent: length of each axis; a square or cubic box by default.

    """
    shape = values.shape[2:]
    longest = max(extent) if extent else 1.0
    # Waves along each axis in units of the longest one.
    units = [longest / length for length in extent or [1.0] * len(shape)]
    last = round(max(n // 2 * unit for n, unit in zip(shape, units, strict=True)))
    modes = torch.fft.fftn(values.double(), dim=list(range(2, values.ndim)), norm="forward")
    axes = [
        unit * torch.fft.fftfreq(n, 1 / n, device=values.device)
        for n, unit in zip(shape, units, strict=True)
    ]
    radius = torch.stack(torch.meshgrid(*axes, indexing="ij")).norm(dim=0)
    shell = torch.round(radius).long().clamp(max=last + 1).flatten()
    power = (modes.abs() ** 2).sum(dim=1).flatten(1)
    return power.new_zeros(len(values), last + 2).index_add_(1, shell, power)[:, :-1]

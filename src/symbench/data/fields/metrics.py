"""Errors and spectra of fields on a grid; tensors are (batch, channel, *space)."""

from types import SimpleNamespace

import torch
from torch import Tensor

# The Well adds this to the variance of the target, and ignores any other value (its issue 75).
VARIANCE_FLOOR = 1e-7


def vrmse(prediction: Tensor, target: Tensor) -> Tensor:
    """Variance-scaled RMSE by The Well's own function, shape (batch, channel).

    sqrt(mean over space of the squared error / (variance of the target + 1e-7)): predicting the
    mean of the target scores 1. Both tensors are in physical units.
    """
    # Its package imports all its models, for which no training should wait.
    from the_well.benchmark.metrics import VRMSE

    metadata = SimpleNamespace(n_spatial_dims=prediction.ndim - 2)
    return VRMSE.eval(prediction.movedim(1, -1), target.movedim(1, -1), metadata)


def target_variance(target: Tensor) -> Tensor:
    """The denominator of VRMSE squared, shape (batch, channel)."""
    return target.flatten(2).std(dim=2) ** 2 + VARIANCE_FLOOR


def mean_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over space of the squared error, shape (batch, channel)."""
    return ((prediction - target) ** 2).flatten(2).mean(dim=2)


def power_spectrum(values: Tensor) -> Tensor:
    """Power per shell of wavenumbers, summed over channels, shape (batch, wavenumber).

    Shell k holds the modes with k - 1/2 <= |wavevector| < k + 1/2 in units of the box's longest
    wave, up to half the resolution. With the modes beyond the last shell, the sum over k is the
    mean square of the values (Parseval).
    """
    space = list(range(2, values.ndim))
    size = values.shape[-1]
    modes = torch.fft.fftn(values.double(), dim=space, norm="forward").abs() ** 2
    axes = [torch.fft.fftfreq(n, 1 / n, device=values.device) for n in values.shape[2:]]
    radius = torch.stack(torch.meshgrid(*axes, indexing="ij")).norm(dim=0)
    shell = torch.round(radius).long().clamp(max=size // 2 + 1).flatten()
    power = modes.sum(dim=1).flatten(1)
    spectrum = power.new_zeros(len(values), size // 2 + 2).index_add_(1, shell, power)
    return spectrum[:, :-1]

import numpy as np
import pytest
import torch

from symbench.data.fields.metrics import mean_squared_error, power_spectrum, target_variance, vrmse


@pytest.mark.parametrize("shape", [(16, 16), (6, 8, 10)])
def test_vrmse_is_the_wells_and_decomposes(shape):
    prediction, target = torch.randn(2, 3, 2, *shape, dtype=torch.float64)
    value = vrmse(prediction, target)
    squared = mean_squared_error(prediction, target) / target_variance(target)
    torch.testing.assert_close(value, squared.sqrt())
    by_hand = np.mean((prediction - target).numpy() ** 2, axis=tuple(range(2, 2 + len(shape))))
    variance = np.var(target.numpy(), axis=tuple(range(2, 2 + len(shape))), ddof=1)
    np.testing.assert_allclose(value, np.sqrt(by_hand / (variance + 1e-7)))


def test_mean_of_the_target_scores_one():
    target = torch.randn(4, 1, 64, 64)
    mean = target.mean(dim=(2, 3), keepdim=True).expand_as(target)
    torch.testing.assert_close(vrmse(mean, target), torch.ones(4, 1), rtol=1e-3, atol=0)


@pytest.mark.parametrize("shape", [(16, 16), (15, 15), (8, 8, 8)])
def test_single_wave_has_its_power_in_its_shell(shape):
    x = torch.arange(shape[0]) / shape[0]
    wave = torch.cos(2 * torch.pi * 3 * x).reshape(-1, *[1] * (len(shape) - 1)).expand(shape)
    spectrum = power_spectrum(wave[None, None])[0]
    assert spectrum[3].item() == pytest.approx(0.5)
    assert spectrum.sum().item() == pytest.approx(0.5)


def test_parseval_up_to_the_corners():
    values = torch.randn(2, 3, 16, 16)
    total = values.square().mean(dim=(2, 3)).sum(dim=1)
    spectrum = power_spectrum(values).sum(dim=1)
    assert (spectrum <= total * (1 + 1e-6)).all()
    assert (spectrum > 0.6 * total).all()

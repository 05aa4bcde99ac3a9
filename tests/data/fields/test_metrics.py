from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symbench.data.fields.metrics import mean_squared_error, power_spectrum, target_variance, vrmse

FACTORS = st.floats(-12, 12).map(lambda power: 10**power)


@pytest.mark.parametrize("shape", [(40,), (16, 16), (6, 8, 10)])
def test_vrmse_is_the_wells_where_its_floor_does_not_bite(shape):
    from the_well.benchmark.metrics import VRMSE

    prediction, target = 10 * torch.randn(2, 3, 2, *shape, dtype=torch.float64)
    value = vrmse(prediction, target)
    metadata = SimpleNamespace(n_spatial_dims=len(shape))
    theirs = VRMSE.eval(prediction.movedim(1, -1), target.movedim(1, -1), metadata)
    torch.testing.assert_close(value, theirs, rtol=1e-6, atol=0)
    squared = mean_squared_error(prediction, target) / target_variance(target)
    torch.testing.assert_close(value, squared.sqrt())
    space = tuple(range(2, 2 + len(shape)))
    by_hand = np.mean((prediction - target).numpy() ** 2, axis=space)
    np.testing.assert_allclose(
        value, np.sqrt(by_hand / np.var(target.numpy(), axis=space, ddof=1)), rtol=1e-12
    )


@pytest.mark.tried("units and scale", "truth times 1e-12 to 1e12, single precision", "right")
@settings(max_examples=50)
@given(FACTORS, st.sampled_from([(64,), (8, 8), (4, 4, 4)]))
def test_units_change_no_score_and_square_the_spectrum(factor, shape):
    truth = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    scaled = (factor * truth.double()).float()
    deviation = truth.double().flatten(2)
    expected = 0.1 * (deviation.square().mean(dim=2) / deviation.var(dim=2)).sqrt()
    torch.testing.assert_close(vrmse(0.9 * scaled, scaled), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        power_spectrum(scaled), factor**2 * power_spectrum(truth), rtol=1e-5, atol=0
    )


def test_mean_of_the_target_scores_one():
    target = torch.randn(4, 1, 64, 64)
    mean = target.mean(dim=(2, 3), keepdim=True).expand_as(target)
    torch.testing.assert_close(vrmse(mean, target), torch.ones(4, 1).double(), rtol=1e-3, atol=0)


@pytest.mark.tried("units and scale", "a target that is constant up to round-off", "right")
@pytest.mark.parametrize("value", [0.0, 0.1, -3e-13, 7e11])
def test_constant_targets_have_no_score_and_lost_predictions_an_infinite_one(value):
    target = torch.full((2, 1, 8, 8), value)
    # One unit in the last place is no variance.
    target[0, 0, ::2] = torch.nextafter(target[0, 0, ::2], torch.tensor(0.0))
    assert vrmse(target + 1, target).isnan().all()
    varying = torch.randn(2, 1, 8, 8)
    for lost in (float("nan"), float("inf")):
        assert vrmse(torch.full_like(varying, lost), varying).isposinf().all()


@pytest.mark.parametrize("shape", [(16,), (16, 16), (15, 15), (8, 8, 8)])
def test_single_wave_has_its_power_in_its_shell(shape):
    x = torch.arange(shape[0]) / shape[0]
    wave = torch.cos(2 * torch.pi * 3 * x).reshape(-1, *[1] * (len(shape) - 1)).expand(shape)
    spectrum = power_spectrum(wave[None, None])[0]
    assert spectrum[3].item() == pytest.approx(0.5)
    assert spectrum.sum().item() == pytest.approx(0.5)


@pytest.mark.tried("units and scale", "spectra of boxes that are no squares", "right")
@pytest.mark.parametrize(
    ("extent", "shape", "shell"),
    [((2.0, 1.0), (64, 32), 4), ((0.5, 2.0, 1.0), (8, 32, 16), 4), ((1.0, 3.0), (16, 96), 6)],
)
def test_a_wave_lies_in_one_shell_whatever_its_direction(extent, shape, shell):
    """Waves of length 0.5 in rectangular boxes; shells count waves of the longest side."""
    for axis, (length, cells) in enumerate(zip(extent, shape, strict=True)):
        along = torch.cos(2 * torch.pi * length / 0.5 * torch.arange(cells) / cells)
        layout = [-1 if other == axis else 1 for other in range(len(shape))]
        spectrum = power_spectrum(along.reshape(layout).expand(shape)[None, None], extent)[0]
        assert int(spectrum.argmax()) == shell
        assert spectrum[shell].item() == pytest.approx(0.5)


@pytest.mark.tried("units and scale", "the shortest waves along the long side of a box", "right")
@settings(max_examples=30)
@given(st.integers(-31, 31), st.integers(-15, 15))
def test_no_resolved_wave_vanishes_from_the_spectrum(along_x, along_y):
    """Waves up to the shortest that both axes of a 2 x 1 box resolve: Parseval holds."""
    x, y = torch.meshgrid(torch.arange(64) / 64, torch.arange(32) / 32, indexing="ij")
    wave = torch.cos(2 * torch.pi * (along_x * x + along_y * y) + 0.3)
    spectrum = power_spectrum(wave[None, None], (2.0, 1.0))[0]
    size = (along_x**2 + 4 * along_y**2) ** 0.5
    expected = float(wave.square().mean()) if size < 32.5 else 0.0
    assert spectrum.sum().item() == pytest.approx(expected, abs=1e-6)
    if size < 32.5:
        assert spectrum[round(size)].item() == pytest.approx(expected, abs=1e-6)


def test_square_boxes_count_as_without_an_extent():
    values = torch.randn(2, 3, 15, 15)
    assert torch.equal(power_spectrum(values, (0.3, 0.3)), power_spectrum(values))


def test_parseval_up_to_the_corners():
    values = torch.randn(2, 3, 16, 16)
    total = values.square().mean(dim=(2, 3)).sum(dim=1)
    spectrum = power_spectrum(values).sum(dim=1)
    assert (spectrum <= total * (1 + 1e-6)).all()
    assert (spectrum > 0.6 * total).all()

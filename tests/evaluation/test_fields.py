"""Evaluation of fields: one step, orbits and rollouts, each against an independent way."""

import numpy as np
import pytest
import torch
from torch import nn

from symbench.config.settings import EvaluationSettings
from symbench.data.fields.decaying_turbulence import DecayingTurbulence
from symbench.data.fields.grid_data import FieldData
from symbench.data.fields.metrics import vrmse
from symbench.errors import SymmetryError
from symbench.evaluation import measure, orbits
from symbench.evaluation.measure import Measurement
from symbench.evaluation.rollouts import Rollouts
from symbench.symmetry.grids.rollouts import rollout
from symbench.symmetry.reynolds import average
from tests.conftest import SMALL
from tests.tolerances import on_device


class Network(nn.Module):
    def __init__(self, dim_in, dim_out, n_spatial_dims, spatial_resolution, width=6):
        super().__init__()
        self.first = nn.Conv2d(dim_in, width, 3, padding=1)
        self.position = nn.Parameter(0.3 * torch.randn(1, width, *spatial_resolution))
        self.last = nn.Conv2d(width, dim_out, 1)
        self.largest_batch = 0

    def forward(self, values):
        self.largest_batch = max(self.largest_batch, len(values))
        return self.last(torch.tanh(self.first(values) + self.position))


class Exploding(nn.Module):
    def forward(self, values):
        return values[:, -3:] * 1e30


def measurement(turbulence, model=None, **settings):
    data = FieldData(turbulence)
    torch.manual_seed(0)
    chosen = {"samples_per_trajectory": 3, "rollout_steps": 6, "chunk": 3, **settings}
    return Measurement(
        model or Network(**data.model_arguments()),
        data,
        data.symmetry("D4"),
        EvaluationSettings(**chosen),
        DecayingTurbulence(**SMALL),
    )


@pytest.fixture(scope="module")
def measured(turbulence):
    return measurement(turbulence)


@pytest.fixture(scope="module")
def averaged(measured):
    return measured.run("average")


def test_one_step_scores_are_those_of_the_averaged_model(measured, averaged, device):
    batch = measured.split.batch(measured.split.samples[measured.chosen]).to(device)
    normalizer = measured.data.normalizer
    target = normalizer.denormalize(batch.targets)
    mean = average(measured.model, measured.symmetry)
    plain = measured.run("plain")
    with torch.inference_mode():
        for found, model in ((plain, measured.model), (averaged, mean)):
            expected = vrmse(normalizer.denormalize(model(batch.inputs)), target)
            rtol = on_device(1e-5, device)
            np.testing.assert_allclose(found.vrmse, expected.cpu(), rtol=rtol)
    assert plain.trajectory_of_sample.values.tolist() == plain.block.values.tolist()


def test_gram_matrix_gives_every_subset_and_the_decomposition(measured, averaged, device):
    gram = averaged.error_gram
    np.testing.assert_allclose(gram.mean(("element", "element_b")), averaged.mse, rtol=1e-4)
    squares = np.diagonal(gram.values, axis1=2, axis2=3)
    diagonal = np.sqrt(squares / averaged.variance.values[..., None])
    elements = averaged.element_vrmse.transpose("sample", "channel", "element")
    np.testing.assert_allclose(diagonal, elements, rtol=1e-4)
    np.testing.assert_allclose(
        squares.mean(axis=2), averaged.mse + averaged.orbit_variance, rtol=1e-4
    )
    group = measured.symmetry.group
    rotations = [0, *(i for i, e in enumerate(group.elements) if i and e.determinant == 1)]
    batch = measured.split.batch(measured.split.samples[measured.chosen]).to(device)
    normalizer = measured.data.normalizer
    with torch.inference_mode():
        subset = average(measured.model, measured.symmetry, elements=rotations)(batch.inputs)
    squared = (normalizer.denormalize(subset) - normalizer.denormalize(batch.targets)) ** 2
    from_gram = gram.isel(element=rotations, element_b=rotations).mean(("element", "element_b"))
    rtol = on_device(1e-4, device)
    np.testing.assert_allclose(from_gram, squared.mean(dim=(2, 3)).cpu(), rtol=rtol)
    assert averaged.sizes["subgroup"] == 10


def test_rollouts_start_at_the_start_and_feed_back(measured, averaged, device):
    inputs = measured.split.inputs([0, 1]).to(device)
    mean = average(measured.model, measured.symmetry)
    normalizer = measured.data.normalizer
    with torch.inference_mode():
        frames = torch.stack(list(rollout(mean, inputs, 6)))
    for step, frame in enumerate(frames):
        truth = torch.stack([measured.split.frames(t, 4 + step, 5 + step)[0] for t in (0, 1)])
        expected = vrmse(normalizer.denormalize(frame.cpu()), normalizer.denormalize(truth))
        got = averaged.rollout_vrmse.sel(operator="stepwise", lead_time=step + 1)
        np.testing.assert_allclose(got, expected, rtol=on_device(1e-4, device))
    first = averaged.rollout_vrmse.sel(lead_time=1)
    np.testing.assert_allclose(
        first.sel(operator="stepwise"), first.sel(operator="trajectory"), rtol=1e-4
    )


def test_datasets_name_dimensions_and_units(measured):
    found = measured.run("frame")
    assert found.vrmse.dims == ("sample", "channel")
    assert list(found.channel.values) == ["pressure", "velocity_x", "velocity_y"]
    assert found.lead_time.attrs["units"].startswith("frames of 0.2")
    assert found.rollout_seconds.attrs["units"] == "s per trajectory"
    assert float(found.rollout_peak_memory.min()) > 0
    assert found.seconds_per_sample.sizes == {"call": 1}


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"rollout_trajectories": 0}, "is 0"), ({"rollout_steps": 30}, "has the 34 frames")],
)
def test_where_there_is_no_rollout_an_attribute_says_why(turbulence, settings, why):
    found = measurement(turbulence, **settings).run("plain")
    assert "rollout_vrmse" not in found
    assert why in found.attrs["no_rollout"]


def test_batches_of_samples_and_rollouts_are_no_larger_than_they_say(turbulence, measured):
    one_by_one = measurement(turbulence, batch_size=1)
    found = one_by_one.run("plain")
    assert one_by_one.model.largest_batch == 1
    np.testing.assert_allclose(found.rollout_vrmse, measured.run("plain").rollout_vrmse, rtol=1e-4)


def test_rollouts_that_blow_up_are_infinitely_wrong_and_counted(turbulence):
    found = measurement(turbulence, Exploding()).run("plain")
    assert not found.rollout_vrmse.isnull().any()
    assert np.isposinf(found.rollout_vrmse.sel(lead_time=6)).all()
    assert found.attrs["rollouts_diverged"] == 2
    assert found.rollout_vrmse.attrs["diverged"] == 2


def test_a_rollout_group_must_be_part_of_the_group(measured):
    part = measured.settings.model_copy(update={"rollout_group": "C2"})
    other = measured.settings.model_copy(update={"rollout_group": "D4"})
    turns = measured.data.symmetry("C4")
    Measurement.check(measured.data, turns, part, ["average"])
    with pytest.raises(SymmetryError, match="is not an element of C4"):
        Measurement.check(measured.data, turns, other, ["average"])
    rolled = Rollouts(measured.model, measured.data, measured.split, turns, part, measured.device)
    with torch.inference_mode():
        assert rolled.run("average").attrs["rollout_elements"] == 2


def test_orbits_in_parts_are_those_at_once(turbulence, averaged, monkeypatch):
    """Slabs of one row of the grid, and one sample at a time; the same to round-off."""
    monkeypatch.setattr(orbits, "_MOST_AT_ONCE", 1)
    monkeypatch.setattr(measure, "_BYTES_OF_ORBITS", 1)
    found = measurement(turbulence).run("average")
    for name in ("error_gram", "orbit_variance", "orbit_distance", "vrmse", "element_vrmse"):
        np.testing.assert_allclose(found[name], averaged[name], rtol=2e-5, atol=1e-12)


def test_the_evaluated_average_is_the_one_that_users_get(turbulence, averaged):
    """Bit for bit: both add up in single precision."""
    measured = measurement(turbulence)
    (batch,) = measured._batches(measured.split, measured.chosen[:3])
    with torch.inference_mode():
        network = average(measured.model, measured.symmetry, chunk=3)
        errors = vrmse(network(batch.inputs), batch.targets)
    np.testing.assert_array_equal(averaged.vrmse[:3], errors.cpu())

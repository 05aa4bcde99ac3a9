"""Evaluations of data in other units, of constant fields, and where The Well's floor would bite."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from symbench.config.settings import EvaluationSettings
from symbench.data.fields.grid_data import FieldData
from symbench.data.fields.well import Well
from symbench.data.fields.well_format import read_header
from symbench.data.fields.well_writer import write_file, write_statistics
from symbench.evaluation.floor import vrmse_of_the_well
from symbench.evaluation.measure import Measurement
from symbench.evaluation.results import over_defined
from symbench.symmetry.grids.field import Field
from tests.here import here

FIELDS = (Field("density"), Field("velocity", order=1))
SCALE_FREE = ("vrmse", "element_vrmse", "vrmse_by_elements", "rollout_vrmse")


class Damped(nn.Module):
    """Nine tenths of the last frame, with a bias that depends on the place."""

    def forward(self, values):
        bias = torch.linspace(0, 0.1, values.shape[-1], device=values.device)
        return 0.9 * values[:, -3:] + bias


def written(folder, change=lambda values: values, shape=(8, 8)):
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("valid", 1), ("test", 2)):
        values = change(rng.normal(size=(count, 9, 3, *shape)))
        write_file(
            folder / split / "made_up.hdf5",
            dataset="made up",
            fields=FIELDS,
            values=values,
            extent=1.0,
            time=np.arange(9.0),
            parameters={},
        )
    write_statistics(folder / "stats.yaml", [read_header(folder / "train" / "made_up.hdf5")])
    return folder


def measurement(folder, model=None):
    data = FieldData(folder, input_steps=2)
    return Measurement(
        model or Damped(),
        data,
        data.symmetry("D4"),
        EvaluationSettings(rollout_steps=3, samples_per_trajectory=2, chunk=8),
        Well(dataset="made_up", source=str(folder)),
    )


@pytest.fixture(scope="module")
def plain_units(tmp_path_factory):
    return measurement(written(tmp_path_factory.mktemp("units"))).run("average")


@pytest.mark.parametrize("factor", [1e-12, 1e-6, 1e4, 1e12])
@pytest.mark.tried("units and scale", "files of all values times 1e-12 to 1e12", "right")
def test_units_change_no_number_from_file_to_score(plain_units, factor, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = measurement(written(tmp_path, lambda values: factor * values)).run("average")
    for name in SCALE_FREE:
        np.testing.assert_allclose(found[name], plain_units[name], rtol=1e-5)
    for name in ("mse", "error_gram", "orbit_variance", "scale", "spectrum"):
        np.testing.assert_allclose(found[name] / factor**2, plain_units[name], rtol=1e-4, atol=1e-6)


@pytest.mark.tried("units and scale", "a mean a million times what varies about it", "right")
def test_a_large_mean_changes_no_score(plain_units, tmp_path):
    """A vector has no mean under D4; a scalar may have any."""

    def lifted(values):
        values[:, :, 0] += 1e3
        return values

    found = measurement(written(tmp_path, lifted)).run("average")
    for name in SCALE_FREE:
        np.testing.assert_allclose(found[name], plain_units[name], rtol=1e-3)
    np.testing.assert_allclose(found.error_gram, plain_units.error_gram, rtol=1e-2, atol=1e-4)


def test_where_the_floor_of_the_well_bites_a_warning_says_so(tmp_path):
    from the_well.benchmark.metrics import VRMSE

    measured = measurement(written(tmp_path, lambda values: 1e-3 * values))
    with pytest.warns(UserWarning, match=r"would be lower by more than 1% in density \(4 of 4"):
        found = measured.run("plain")
    assert "velocity_x (4 of 4 samples)" in found.attrs["below_the_floor_of_the_well"]
    batch = here(measured.split.batch(measured.split.samples[measured.chosen]))
    normalizer = measured.data.normalizer
    predicted, target = (
        normalizer.denormalize(values.double()).movedim(1, -1)
        for values in (measured.model(batch.inputs), batch.targets)
    )
    theirs = VRMSE.eval(predicted, target, SimpleNamespace(n_spatial_dims=2))
    np.testing.assert_allclose(vrmse_of_the_well(found), theirs.cpu(), rtol=1e-5)
    assert "below_the_floor_of_the_well" not in plainly(tmp_path / "large")


def plainly(folder):
    return measurement(written(folder)).run("plain").attrs


@pytest.mark.tried("units and scale", "a field that is constant in all files", "right")
def test_a_field_without_variance_is_named_and_left_out(tmp_path):
    def constant(values):
        values[:, :, 0] = 0.1
        return values

    folder = written(tmp_path, constant)
    with pytest.warns(UserWarning, match="density is constant over the training data"):
        measured = measurement(folder)
    with pytest.warns(UserWarning, match=r"constant in space in density \(4 of 4 samples\)"):
        found = measured.run("average")
    assert found.attrs["constant_targets"] == "density (4 of 4 samples)"
    assert found.vrmse.sel(channel="density").isnull().all()
    assert found.attrs["diverged"] == 0
    assert found.attrs["rollouts_diverged"] == 0
    np.testing.assert_allclose(
        over_defined(found.vrmse), found.vrmse.isel(channel=[1, 2]).mean("channel")
    )
    assert np.isfinite(found.mse).all()


@pytest.mark.tried("units and scale", "one component of a vector that is zero", "right")
def test_a_component_without_variance_takes_the_scale_of_its_field(tmp_path):
    def flat(values):
        values[:, :, 2] = 0
        return 1e-9 * values

    data = FieldData(written(tmp_path, flat), input_steps=2)
    std = data.normalizer.std
    assert std[2] == pytest.approx(std[1] / 2**0.5)
    assert data.constant == frozenset()


@pytest.mark.tried("units and scale", "a few test samples that are constant in space", "right")
def test_single_samples_without_variance_are_left_out(tmp_path):
    def dead(values):
        values[:1, 4:] = 1.0
        return values

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = measurement(written(tmp_path, dead)).run("plain")
    known = found.vrmse.notnull().all("channel").values
    assert 0 < known.sum() < len(known)
    np.testing.assert_array_equal(over_defined(found.vrmse), found.vrmse[known].mean("channel"))


@pytest.mark.tried("units and scale", "a prediction of another shape than the target", "refused")
def test_predictions_of_another_shape_are_refused(tmp_path):
    from symbench.errors import DataError

    split = FieldData(written(tmp_path), input_steps=2).split("train")
    batch = split.batch(split.samples[:2])
    with pytest.raises(DataError, match=r"shape \(2, 1, 8, 8\) for targets of shape \(2, 3, 8, 8"):
        split.loss(batch.targets[:, :1], batch)

"""The evaluation loop: each number against an independent way to get it."""

import numpy as np
import pytest
import torch

from symbench.config.settings import EvaluationSettings
from symbench.data.dataset import TaskOptions
from symbench.data.points.charged_particles import ChargedParticles
from symbench.errors import DataError, SymmetryError
from symbench.evaluation.measure import Measurement
from symbench.models.points.egnn import EGNN
from symbench.models.points.particles import GraphNeuralNetwork
from symbench.symmetry.frame_averaging import FrameAveraged
from symbench.symmetry.reynolds import average
from tests.conftest import fetched
from tests.evaluation.vectors import LARGEST, Double, Network, VectorData, Vectors
from tests.tolerances import on_device


def measured(evaluation, model=None, metrics=(), dataset=None, **settings):
    torch.manual_seed(0)
    dataset = dataset or Vectors()
    data = dataset.open()
    chosen = EvaluationSettings(batch_size=5, **settings)
    model = model or Network()
    return Measurement(model, data, data.symmetry("C4"), chosen, dataset, metrics).run(evaluation)


@pytest.fixture(scope="module")
def particles(tmp_path_factory):
    dataset = ChargedParticles(
        trajectories={"train": 40, "valid": 8, "test": 14}, input_step=50, target_step=80
    )
    folder = fetched(dataset, tmp_path_factory.mktemp("particles"))
    return dataset, dataset.open(folder, TaskOptions(), 0)


@pytest.mark.parametrize("evaluation", ["plain", "average", "frame"])
def test_scores_are_those_of_the_model(particles, evaluation, device):
    dataset, data = particles
    torch.manual_seed(0)
    model = GraphNeuralNetwork(3, 8, 2)
    symmetry = data.symmetry("O(3)")
    settings = EvaluationSettings(batch_size=5, elements=6)
    found = Measurement(model, data, symmetry, settings, dataset).run(evaluation)
    direct = {
        "plain": model,
        "average": average(model, symmetry, elements=6),
        "frame": FrameAveraged(model, symmetry),
    }[evaluation]
    split = data.split("test")
    batch = split.batch(split.samples).to(device)
    with torch.no_grad():
        expected = (direct(batch.inputs) - batch.targets).square().flatten(1).mean(dim=1)
    np.testing.assert_allclose(found.mse, expected.cpu(), rtol=on_device(1e-4, device))
    exact = evaluation == "frame"
    assert (float(found.equivariance_error.median()) < on_device(1e-4, device)) == exact
    assert found.seconds_per_sample.sizes == {"call": 3}
    assert found.mse.attrs["units"] == "length squared"
    assert found.attrs["diverged"] == 0
    if evaluation == "average":
        assert list(found.element.values) == ["identity", *(f"random {n}" for n in range(1, 6))]


def test_an_equivariant_model_has_no_error_and_gains_nothing(particles, device):
    dataset, data = particles
    torch.manual_seed(0)
    settings = EvaluationSettings(batch_size=5, elements=3)
    measurement = Measurement(EGNN(3, 8, 2), data, data.symmetry("O(3)"), settings, dataset)
    plain, averaged = measurement.run("plain"), measurement.run("average")
    assert float(plain.equivariance_error.max()) < on_device(1e-4, device)
    np.testing.assert_allclose(plain.mse, averaged.mse, rtol=on_device(1e-3, device))


def test_orbits_hold_every_subset_and_the_decomposition():
    found = measured("average")
    plain = measured("plain")
    assert found.error_gram.dims == ("sample", "channel", "element", "element_b")
    assert list(found.channel.values) == ["position"]
    assert float(found.scale[0]) == 4
    gram = found.error_gram.sel(channel="position").values
    diagonal = np.diagonal(gram, axis1=1, axis2=2)
    np.testing.assert_allclose(gram[:, 0, 0], plain.mse, rtol=1e-5)
    np.testing.assert_allclose(gram.mean(axis=(1, 2)), found.mse, rtol=1e-4)
    np.testing.assert_allclose(diagonal, found.element_mse, rtol=1e-4)
    spread = found.orbit_variance.sel(channel="position")
    np.testing.assert_allclose(diagonal.mean(axis=1), found.mse + spread, rtol=1e-4)
    assert found.subgroup_members.sum("element").values.tolist() == [1, 2, 4]
    assert list(found.element.values[:2]) == ["x,y", str(found.element.values[1])]


def test_partial_averages_end_with_the_average():
    found = measured("average")
    assert found.elements.values.tolist() == [1, 2, 4]
    np.testing.assert_allclose(found.mse_by_elements[-1], found.mse)
    np.testing.assert_allclose(found.mse_by_elements[0], measured("plain").mse, rtol=1e-6)


def test_a_part_of_a_large_group_is_drawn():
    found = measured("average", elements=3)
    assert found.sizes["element"] == 3
    assert "subgroup_members" not in found


def test_further_sets_own_metrics_blocks_and_parity():
    found = measured("plain", metrics=[LARGEST], dataset=Vectors(blocks=4))
    assert found.mse_far.sizes == {"sample_far": 5}
    assert found.largest_error.attrs["units"] == "length"
    assert found.largest_error_far.sizes == {"sample_far": 5}
    assert found.block.values.tolist() == [0, 1, 2, 3] * 3
    assert found.output.values.tolist() == ["position 0", "position 1"]
    assert found.quantity.values.tolist() == ["position"] * 2
    np.testing.assert_allclose(((found.predictions - found.targets) ** 2).mean("output"), found.mse)
    assert float(found.sensitivity.min()) > 0


def test_what_is_not_finite_is_the_worst_and_counted():
    found = measured("plain", Network(beyond=1.5), metrics=[LARGEST])
    lengths = found.norm.values
    lost = lengths > 1.5
    assert 0 < lost.sum() < len(lost)
    assert found.attrs["diverged"] == lost.sum()
    assert np.isposinf(found.mse.values[lost]).all()
    assert np.isfinite(found.mse.values[~lost]).all()
    assert np.isposinf(found.largest_error.values[lost]).all()
    assert np.isposinf(found.equivariance_error.values[lost]).all()
    assert np.isfinite(lengths).all()
    averaged = measured("average", Network(beyond=1.5))
    assert np.isposinf(averaged.error_gram.values[lost]).all()
    assert not averaged.orbit_variance.isnull().any()


def test_a_class_of_a_prediction_that_is_not_finite_is_no_hit():
    class Hits(Vectors):
        scores = (Vectors.scores[1], Vectors.scores[0], Vectors.scores[2])

    found = measured("plain", Network(beyond=0.0), dataset=Hits())
    assert np.isneginf(found.hit.values).all()


def test_a_score_that_is_not_listed_is_refused():
    class Short(Vectors):
        scores = Vectors.scores[:1]

    with pytest.raises(DataError, match="score 'hit' that its data set does not list"):
        measured("plain", dataset=Short())


def test_orbits_of_a_perfect_network_have_no_variance():
    found = measured("average", Double())
    assert float(abs(found.orbit_variance).max()) == 0
    assert float(found.mse.max()) == 0


def test_what_cannot_be_evaluated_is_refused_without_a_model():
    data = VectorData()
    symmetry = data.symmetry("C4")
    with pytest.raises(SymmetryError, match="no frame"):
        Measurement.check(data, symmetry, EvaluationSettings(), ["plain", "frame"])
    Measurement.check(data, symmetry, EvaluationSettings(), ["plain", "average"])

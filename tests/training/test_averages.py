"""Treatments that train through an average, tune one, or choose a pose: what is used afterwards."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from symbench.arithmetic import tf32
from symbench.config.settings import TrainingSettings
from symbench.data.batch import Inputs
from symbench.errors import ConfigError, SymmetryError
from symbench.models.fields.canonicaliser import Canonicalised
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import Normalizer
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.grids.symmetrize import field_symmetry
from symbench.symmetry.points.matrix_groups import OrthogonalGroup, SignGroup
from symbench.symmetry.reynolds import Averaged
from symbench.symmetry.symmetry import Symmetry
from symbench.symmetry.testing import assert_equivariant, equivariance_error
from symbench.training.loop import Trainer
from symbench.training.treatments.augment import Augment
from symbench.training.treatments.average import EquiTuning, GroupAverage, RandomAverage
from symbench.training.treatments.canonicalise import Canonicalise
from symbench.training.treatments.treatment import Treatment
from tests.here import here
from tests.tolerances import on_device
from tests.training.splits import ISOMETRIES, ROTATIONS, SETTINGS, fields, network, run_until, same

WRAPPING = {"group_average": GroupAverage, "equi_tuning": EquiTuning, "canonicalise": Canonicalise}
METHODS = {**WRAPPING, "random_average": RandomAverage}
DIMENSIONS = (1, 2, 3)


@pytest.fixture(autouse=True)
def in_single_precision():
    with tf32(False):
        yield


def normalised(dimension, constant=()):
    """A scalar and a vector whose components have scales of their own."""
    group = named_group({1: "flip", 2: "D4", 3: "O_h"}[dimension], dimension)
    channels = 1 + dimension
    scales = Normalizer((0.3,) * channels, tuple(1.0 + 0.5 * k for k in range(channels)))
    return field_symmetry(
        group, [Field("p"), Field("u", order=1)], constant_fields=constant, normalizer=scales
    )


def convolution(dimension, into, out):
    torch.manual_seed(dimension)
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimension - 1]
    return here(nn.Sequential(layer(into, 6, 3, padding=1), nn.Tanh(), layer(6, out, 3, padding=1)))


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("method", WRAPPING)
def test_wrapped_networks_are_equivariant_whatever_the_network(method, dimension):
    symmetry = normalised(dimension)
    channels = 1 + dimension
    plain = convolution(dimension, 2 * channels, channels).double()
    wrapped = here(WRAPPING[method](symmetry).wrap(plain).double().eval())
    values = here(torch.randn(1, 2 * channels, *[4] * dimension, dtype=torch.float64))
    assert equivariance_error(plain, symmetry, values) > 1e-2
    assert_equivariant(wrapped, symmetry, values)


def test_poses_are_chosen_with_constant_fields():
    symmetry = normalised(2, [Field("mask")])
    wrapped = here(Canonicalise(symmetry).wrap(convolution(2, 7, 3)).double().eval())
    assert_equivariant(wrapped, symmetry, here(torch.randn(3, 7, 8, 8, dtype=torch.float64)))


def test_poses_in_half_precision():
    wrapped = here(Canonicalise(ISOMETRIES).wrap(convolution(2, 6, 3)).bfloat16().eval())
    assert wrapped(here(torch.randn(2, 6, 8, 8).bfloat16())).dtype == torch.bfloat16


def test_a_pose_is_one_element_for_each_sample_and_its_choice_learns():
    torch.manual_seed(0)
    wrapped = here(Canonicalised(convolution(2, 6, 3), ISOMETRIES))
    values = here(torch.randn(30, 6, 8, 8))
    poses = torch.stack([ISOMETRIES.act_on_input(g, values) for g in range(8)], dim=1)
    weights = wrapped.weights(poses)
    assert set(weights.unique().tolist()) == {0.0, 1.0}
    assert (weights.sum(dim=1) == 1).all()
    chosen = weights.argmax(dim=1).tolist()
    assert len(set(chosen)) > 3
    expected = [
        ISOMETRIES.act_on_output(
            ISOMETRIES.group.inverse(g), wrapped.model(ISOMETRIES.act_on_input(g, each[None]))
        )[0]
        for g, each in zip(chosen, values, strict=True)
    ]
    output = wrapped(values)
    torch.testing.assert_close(output, torch.stack(expected))
    output.square().mean().backward()
    gradients = {name: value.grad for name, value in wrapped.named_parameters()}
    assert all(bool(gradient.isfinite().all()) for gradient in gradients.values())
    assert all(float(gradients[f"score.{layer}.weight"].norm()) > 0 for layer in (0, 2))


def trainer(method, state, treatment=None, settings=SETTINGS):
    treatment = treatment or METHODS[method](ISOMETRIES)
    torch.manual_seed(1)
    return Trainer(
        treatment.wrap(network()),
        fields(0),
        fields(1, 8),
        treatment,
        settings,
        seed=5,
        state_path=state,
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_treatment_resumes_bit_for_bit_and_learns(method, tmp_path):
    whole = trainer(method, tmp_path / "whole.pt").run()
    # The last state before step 26 of 30 is in the part that is tuned.
    state = tmp_path / "state.pt"
    run_until(trainer(method, state), 26)
    assert same(whole, trainer(method, state).run())
    assert whole.history.valid_loss.iloc[-1] < whole.history.valid_loss.iloc[0]


def weights_after(step, treatment, state):
    training = trainer("", state, treatment)
    run_until(training, step)
    found = training.model.state_dict()
    return {name.removeprefix("model."): value for name, value in found.items()}


def test_before_it_is_tuned_a_network_is_trained_plainly(tmp_path):
    """Bit for bit, with batch norm and dropout, up to the last 20 % of 30 steps."""
    for step, agree in ((24, True), (25, False)):
        plain = weights_after(step, Treatment(ISOMETRIES), tmp_path / f"plain{step}.pt")
        tuned = weights_after(step, EquiTuning(ISOMETRIES), tmp_path / f"tuned{step}.pt")
        equal = [torch.equal(plain[name], tuned[name]) for name in plain]
        assert all(equal) is agree


def test_patience_is_that_of_the_part_that_is_tuned(tmp_path):
    settings = TrainingSettings(
        epochs=10, batch_size=20, learning_rate=1e-30, warm_up_epochs=0, patience=2
    )
    treatment = EquiTuning(ISOMETRIES, fine_tuning=0.5)
    model = treatment.wrap(nn.Conv2d(6, 3, 1))
    splits = fields(0), fields(1, 8)
    state = tmp_path / "state.pt"
    trained = Trainer(model, *splits, treatment, settings, seed=0, state_path=state).run()
    # The first epoch is the best; the average begins after five.
    assert len(trained.history) == 7
    assert treatment.network.averages


def test_tuning_from_the_first_step_is_training_through_the_average(tmp_path):
    tuned = trainer("", tmp_path / "tuned.pt", EquiTuning(ISOMETRIES, fine_tuning=1.0)).run()
    assert same(tuned, trainer("group_average", tmp_path / "averaged.pt").run())


@pytest.mark.parametrize("method", WRAPPING)
def test_kept_weights_are_those_of_the_network_that_is_evaluated(method, tmp_path, device):
    """The same names, made anew with another initialisation; and what is used is equivariant."""
    kept = trainer(method, tmp_path / "state.pt").run().weights
    torch.manual_seed(2)
    again = METHODS[method](ISOMETRIES).wrap(network())
    again.load_state_dict(kept)
    again = here(again.eval())
    tolerance = on_device(1e-5, device)
    assert_equivariant(again, ISOMETRIES, here(fields(2, 5).inputs), tolerance=tolerance)


def test_weights_of_the_network_itself_can_be_taken_over():
    """As published ones, to be tuned."""
    published = network().state_dict()
    wrapped = EquiTuning(ISOMETRIES).wrap(nn.Sequential(*network().children()))
    wrapped.load_state_dict(published)
    assert isinstance(wrapped, Averaged)


def test_initial_weights_are_those_without_the_treatment():
    plain = network().state_dict()
    torch.manual_seed(7)
    first = Canonicalise(ISOMETRIES).wrap(network()).state_dict()
    second = Canonicalise(ISOMETRIES).wrap(network()).state_dict()
    for name, value in first.items():
        assert torch.equal(value, second[name])
        assert torch.equal(value, plain.get(name.removeprefix("model."), value))


def whole(split):
    return split.batch(split.samples)


def test_one_random_element_is_augmentation_for_an_invariant_loss():
    batch = here(whole(fields(3, 12)))
    plain = convolution(2, 6, 3)
    draw = torch.Generator().manual_seed(4)
    one = RandomAverage(ISOMETRIES, elements=1).predict(plain, batch.inputs, 12, draw)
    draw.manual_seed(4)
    inputs, targets = Augment(ISOMETRIES)(batch.inputs, batch.targets, 12, draw)
    losses = [
        nn.functional.mse_loss(one, batch.targets),
        nn.functional.mse_loss(plain(inputs), targets),
    ]
    gradients = [torch.autograd.grad(loss, plain[0].weight)[0] for loss in losses]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)


def test_random_elements_cost_their_share_of_the_orbit_variance():
    """Under squared error: that of the average, and 1/k of the variance over the orbit."""
    plain = convolution(2, 6, 3)
    batch = here(whole(fields(3, 1)))
    draw = torch.Generator().manual_seed(0)
    many = 4000
    inputs = batch.inputs.expand(many, -1, -1, -1)
    with torch.no_grad():
        moments = Averaged(plain, ISOMETRIES).moments(batch.inputs)
        for elements in (1, 2, 4):
            treatment = RandomAverage(ISOMETRIES, elements=elements)
            drawn = treatment.predict(plain, inputs, many, draw)
            found = (drawn - batch.targets).square().mean()
            expected = (moments.mean - batch.targets).square() + moments.variance / elements
            torch.testing.assert_close(found, expected.mean(), rtol=0.02, atol=0)


@dataclass(frozen=True)
class Cloud(Inputs):
    """Inputs that are no tensor, of shape (sample, axis, channel)."""

    points: Tensor


CLOUDS = Symmetry(
    OrthogonalGroup(3),
    act_on_input=lambda g, cloud: Cloud(g.to(cloud.points) @ cloud.points),
    act_on_output=lambda g, vectors: g.to(vectors) @ vectors,
)


def test_random_elements_of_continuous_groups_on_inputs_that_are_no_tensor():
    generator = torch.Generator().manual_seed(0)
    cloud = here(Cloud(torch.randn(5, 3, 4, dtype=torch.float64)))
    average = RandomAverage(CLOUDS)

    def predicted(network):
        generator.manual_seed(0)
        return average.predict(lambda seen: network(seen.points), cloud, 5, generator)

    # Each prediction is moved back by its own element: nothing is left of it if they commute.
    torch.testing.assert_close(predicted(lambda x: 2 * x), 2 * cloud.points)
    assert float((predicted(torch.tanh) - torch.tanh(cloud.points)).abs().max()) > 1e-2


@pytest.mark.parametrize("method", [GroupAverage, EquiTuning])
def test_groups_without_a_list_are_refused_in_one_sentence(method):
    name = method.__name__
    with pytest.raises(ConfigError, match=rf"{name}: O\(3\) has infinitely many.*random_average"):
        method(ROTATIONS)
    signs = Symmetry(SignGroup(20), lambda g, x: x, lambda g, x: x)
    with pytest.raises(SymmetryError, match="too many to list"):
        method(signs)


def test_poses_of_other_data_than_fields_are_refused_in_one_sentence():
    with pytest.raises(SymmetryError, match=r"A learned pose needs fields on a grid, and O\(3\)"):
        Canonicalise(ROTATIONS)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        (RandomAverage, {"elements": 0}, "RandomAverage: elements is 0; give at least 1"),
        (Canonicalise, {"width": 0}, "Canonicalise: width is 0; give at least 1"),
        (EquiTuning, {"fine_tuning": 0}, "EquiTuning: fine_tuning is 0; give a number above 0"),
        (EquiTuning, {"fine_tuning": 1.2}, "fine_tuning is 1.2"),
    ],
)
def test_settings_are_checked(method, settings, message):
    with pytest.raises(ConfigError, match=message):
        method(ISOMETRIES, **settings)


def test_elements_folded_into_one_batch_change_nothing_without_batch_norm(tmp_path):
    # What is added to vectors averages to zero: Adam would make steps of a slope that is rounding.
    settings = TrainingSettings(epochs=1, batch_size=4, learning_rate=0.1, optimizer="sgd")
    found = []
    for chunk in (1, 8):
        treatment = GroupAverage(ISOMETRIES, chunk=chunk)
        model = treatment.wrap(convolution(2, 6, 3))
        state = tmp_path / f"{chunk}.pt"
        training = Trainer(
            model, fields(0), fields(1, 8), treatment, settings, seed=0, state_path=state
        )
        found.append(training.run().weights)
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], rtol=1e-3, atol=1e-5)

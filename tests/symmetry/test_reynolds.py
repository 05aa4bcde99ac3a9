"""The theory (P1 to P5, P9) as identities that hold to round-off for random networks."""

import copy
import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from symbench import symmetrize
from symbench.errors import SymmetryError
from symbench.symmetry.grids.canonical_shifts import CanonicalShift, canonical_shift, roll_each
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import FieldAction, Normalizer
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.grids.rollouts import rollout, trajectory_average
from symbench.symmetry.grids.symmetrize import field_symmetry
from symbench.symmetry.reynolds import average, orbit
from symbench.symmetry.symmetry import Symmetry
from symbench.symmetry.testing import assert_equivariant, equivariance_error
from symbench.training.treatments.augment import Augment
from tests.here import here

from .strategies import Random, cases


@settings(max_examples=60, deadline=None)
@given(cases())
def test_averaged_random_network_is_equivariant(case):
    """P1, for groups, tensor orders, parities, normalisers, odd, even and non-square grids."""
    symmetry = field_symmetry(case.group, case.fields, normalizer=case.normalizer)
    network = case.network()
    assert_equivariant(average(network, symmetry), symmetry, case.inputs(), tolerance=1e-12)
    if case.group.order > 1 and min(case.shape) > 1:
        assert equivariance_error(network, symmetry, case.inputs()) > 1e-6


@settings(max_examples=30, deadline=None)
@given(cases())
def test_identities_of_the_average(case):
    """Q Q = Q (P1) and the orbit decomposition of the squared error (P4), for any target."""
    symmetry = field_symmetry(case.group, case.fields)
    network = case.network()
    inputs = case.inputs()
    once = average(network, symmetry)
    torch.testing.assert_close(average(once, symmetry)(inputs), once(inputs))
    mean, variance = once.moments(inputs)
    torch.testing.assert_close(mean, once(inputs))
    target = torch.randn_like(mean)
    pulled_back = torch.stack([output for _, output in orbit(network, symmetry, inputs)])
    orbit_mean_loss = ((pulled_back - target) ** 2).mean()
    averaged_loss = ((mean - target) ** 2).mean()
    assert orbit_mean_loss.item() == pytest.approx((averaged_loss + variance.mean()).item())


@settings(max_examples=30, deadline=None)
@given(cases())
def test_averaged_loss_is_at_most_the_orbit_mean(case):
    """P2 for VRMSE by The Well's own function, on every sample, with no assumption on the data."""
    from symbench.data.fields.metrics import vrmse

    symmetry = field_symmetry(case.group, case.fields)
    network = case.network()
    inputs = case.inputs()
    target = here(torch.randn(2, case.channels, *case.shape, dtype=torch.float64))
    losses = []
    for g in range(case.group.order):
        prediction = network(symmetry.act_on_input(g, inputs))
        losses.append(vrmse(prediction, symmetry.act_on_output(g, target)).mean(dim=1))
    averaged = vrmse(average(network, symmetry)(inputs), target).mean(dim=1)
    assert (averaged <= torch.stack(losses).mean(dim=0) + 1e-12).all()


def test_averaging_in_normalised_space_is_the_trap():
    """Per-component z-scores do not commute with swaps and flips: the naive average fails."""
    group = named_group("D4", 2)
    fields = [Field("velocity", 1), Field("stress", 2)]
    normalizer = Normalizer((0.1, -0.4, 1, 2, 3, 4), (1.0, 2.0, 0.5, 0.7, 1.3, 3.0))
    torch.manual_seed(0)
    network = here(Random(6, 6, (6, 6)).double())
    inputs = here(torch.randn(2, 6, 6, 6, dtype=torch.float64))
    truth = field_symmetry(group, fields, normalizer=normalizer)
    naive = field_symmetry(group, fields)
    assert_equivariant(average(network, truth), truth, inputs)
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(average(network, naive), truth, inputs, tolerance=1e-2)


def test_subset_is_not_equivariant_but_subgroup_is():
    group = named_group("D4", 2)
    symmetry = field_symmetry(group, [Field("v", 1)])
    torch.manual_seed(0)
    network = here(Random(2, 2, (6, 6)).double())
    inputs = here(torch.randn(2, 2, 6, 6, dtype=torch.float64))
    rotations = [i for i, element in enumerate(group.elements) if element.determinant == 1]
    averaged = average(network, symmetry, elements=rotations)
    assert equivariance_error(averaged, symmetry, inputs, rotations) < 1e-12
    assert equivariance_error(averaged, symmetry, inputs) > 1e-3
    subset = average(network, symmetry, elements=3, seed=1)
    assert subset.elements[0] == 0
    assert len(set(subset.elements)) == 3
    assert equivariance_error(subset, symmetry, inputs, subset.elements) > 1e-3


@pytest.mark.filterwarnings("ignore:.*no subgroup")
def test_subset_error_follows_the_theory():
    """P5: excess over the full average = V (|G| - n) / (n (|G| - 1)), mean over all subsets."""
    group = named_group("C4", 2)
    symmetry = field_symmetry(group, [Field("s")])
    torch.manual_seed(0)
    network = here(Random(1, 1, (5, 5)).double())
    inputs = here(torch.randn(3, 1, 5, 5, dtype=torch.float64))
    mean, variance = average(network, symmetry).moments(inputs)
    from itertools import combinations

    for n in (1, 2, 3):
        excess = [
            ((average(network, symmetry, elements=subset)(inputs) - mean) ** 2).mean()
            for subset in combinations(range(4), n)
        ]
        expected = variance.mean() * (4 - n) / (n * 3)
        assert torch.stack(excess).mean().item() == pytest.approx(expected.item())


@pytest.mark.parametrize("chunk", [1, 3, 8, 100])
def test_folding_into_the_batch_changes_nothing(chunk):
    group = named_group("D4", 2)
    symmetry = field_symmetry(group, [Field("v", 1)])
    torch.manual_seed(0)
    network = here(Random(2, 2, (6, 6)).double())
    inputs = here(torch.randn(2, 2, 6, 6, dtype=torch.float64))
    loop = average(network, symmetry)(inputs)
    torch.testing.assert_close(average(network, symmetry, chunk=chunk)(inputs), loop)


def test_pointwise_map_of_scalars_is_left_alone():
    symmetry = field_symmetry(named_group("D4", 2), [Field("A"), Field("B")])
    network = here(torch.nn.Conv2d(2, 2, 1).double())
    inputs = here(torch.randn(2, 2, 6, 6, dtype=torch.float64))
    torch.testing.assert_close(average(network, symmetry)(inputs), network(inputs))


def test_any_callable_and_any_action():
    """The operator knows neither grids nor modules: here the sign group acts on numbers."""
    group = named_group("flip_x", 2)
    symmetry = Symmetry(group, lambda g, x: -x if g else x, lambda g, y: -y if g else y)
    averaged = average(torch.exp, symmetry)
    x = here(torch.linspace(-1, 1, 5, dtype=torch.float64))
    torch.testing.assert_close(averaged(x), torch.sinh(x))


def test_stepwise_and_trajectory_rollouts():
    group = named_group("D4", 2)
    fields = [Field("v", 1)]
    symmetry = field_symmetry(group, fields, constant_fields=[Field("mask")])
    torch.manual_seed(0)
    network = here(Random(4 * 2 + 1, 2, (6, 6)).double())
    inputs = here(torch.randn(2, 9, 6, 6, dtype=torch.float64))
    options = {"steps": 3, "constant_channels": 1}
    looped = trajectory_average(network, symmetry, inputs, **options)
    folded = trajectory_average(network, symmetry, inputs, chunk=5, **options)
    torch.testing.assert_close(looped, folded)
    stepwise = torch.stack(list(rollout(average(network, symmetry), inputs, **options)))
    torch.testing.assert_close(looped[0], stepwise[0])
    assert not torch.allclose(looped[2], stepwise[2])
    for g in range(group.order):
        moved = symmetry.act_on_input(g, inputs)
        again = trajectory_average(network, symmetry, moved, **options)
        for frame, other in zip(looped, again, strict=True):
            torch.testing.assert_close(symmetry.act_on_output(g, frame), other)
    by_hand = trajectory_average(network, symmetry, inputs, elements=[0], **options)
    plain = torch.stack(list(rollout(network, inputs, **options)))
    assert torch.equal(by_hand, plain)


def test_public_face_saves_exports_and_compiles(tmp_path):
    normalizer = Normalizer((0.0, 1.0, 2.0), (1.0, 2.0, 3.0))
    torch.manual_seed(0)
    network = here(Random(12, 3, (8, 8)).eval())
    fields = [Field("pressure"), Field("velocity", order=1)]
    model = symmetrize(network, group="D4", fields=fields, normalizer=normalizer)
    inputs = here(torch.randn(2, 12, 8, 8))
    expected = model(inputs)
    assert list(model.state_dict()) == [f"model.{key}" for key in network.state_dict()]
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    assert torch.equal(torch.load(buffer, weights_only=False)(inputs), expected)
    other = copy.deepcopy(model)
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other.double()(inputs.double()).float(), expected)
    exported = torch.export.export(model, (inputs,)).module()
    torch.testing.assert_close(exported(inputs), expected)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(inputs), expected)


def test_low_precision_models_are_averaged_in_single():
    network = here(Random(2, 2, (6, 6)).bfloat16().eval())
    model = symmetrize(network, group="C2", fields=[Field("v", 1)])
    assert model(here(torch.randn(1, 2, 6, 6).bfloat16())).dtype == torch.bfloat16


@pytest.mark.parametrize("elements", ["some", 0, 9, [], [8]])
def test_bad_elements(elements):
    with pytest.raises(SymmetryError):
        symmetrize(torch.nn.Identity().eval(), "D4", [Field("s")], elements=elements)


def test_bad_chunk():
    with pytest.raises(SymmetryError, match="chunk=0"):
        symmetrize(torch.nn.Identity().eval(), "D4", [Field("s")], chunk=0)


@pytest.mark.parametrize("shape", [(8, 8), (7, 10), (6, 8, 5)])
def test_canonical_shift_is_exactly_equivariant(shape):
    torch.manual_seed(0)
    values = here(torch.randn(3, 2, *shape, dtype=torch.float64))
    network = here(Random(2, 1, shape).double())
    framed = CanonicalShift(network, reference_channel=1)
    shifts = here(
        torch.tensor([[1, 3, 2][: len(shape)], [0, 5, 4][: len(shape)], [2, 0, 1][: len(shape)]])
    )
    torch.testing.assert_close(framed(roll_each(values, shifts)), roll_each(framed(values), shifts))
    before = canonical_shift(values[:, 1])
    after = canonical_shift(roll_each(values, shifts)[:, 1])
    sizes = here(torch.tensor(shape))
    assert torch.equal((after + shifts) % sizes, before % sizes)


def test_augmentation_moves_input_and_target_alike():
    group = named_group("D4", 2)
    symmetry = field_symmetry(group, [Field("v", 1)])
    action = FieldAction(group, [Field("v", 1)])
    inputs = here(torch.randn(64, 4, 5, 5))
    moved, targets = Augment(symmetry)(inputs, inputs[:, -2:], 64, torch.Generator().manual_seed(3))
    assert torch.equal(moved[:, -2:], targets)
    used = set()
    for sample, original in zip(moved, inputs, strict=True):
        matches = [g for g in range(8) if torch.equal(action(g, original[None])[0], sample)]
        assert len(matches) == 1
        used.add(matches[0])
    assert used == set(range(8))
    again, _ = Augment(symmetry)(inputs, inputs[:, -2:], 64, torch.Generator().manual_seed(3))
    assert torch.equal(moved, again)


def test_rollout_of_a_shift_map():
    """A model that returns its newest frame plus one counts up."""
    frames = list(rollout(lambda x: x[:, -1:] + 1, here(torch.zeros(1, 4, 2, 2)), 5))
    assert [float(frame.mean()) for frame in frames] == list(np.arange(1.0, 6.0))


def test_variances_of_complex_predictions_are_real():
    symmetry = field_symmetry(named_group("flips", 2), [Field("p")])
    values = here(torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))).double()
    phase = here(torch.randn(4, 4, generator=torch.Generator().manual_seed(1))).double()
    real = average(lambda x: x * phase, symmetry).moments(values)
    turned = average(lambda x: 1j * x * phase, symmetry).moments(values)
    torch.testing.assert_close(turned.variance, real.variance)
    torch.testing.assert_close(turned.mean, 1j * real.mean)

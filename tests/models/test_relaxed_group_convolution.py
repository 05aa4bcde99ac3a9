"""Relaxed group convolutions: equivariant at first, and only then."""

import pytest
import torch

from symbench.errors import ConfigError
from symbench.models.fields.group_convolution import GroupConvolutions
from symbench.models.fields.relaxed_group_convolution import RelaxedGroupConvolutions
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import Normalizer
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.grids.symmetrize import field_symmetry
from symbench.symmetry.testing import equivariance_error
from tests.here import here

FIELDS = [Field("pressure"), Field("velocity", 1), Field("vorticity", 0, -1)]


def case(group, dimension):
    """A symmetry of fields with scales of their own, and what networks are told of them."""
    channels = 2 + dimension
    scales = Normalizer((0.3,) * channels, tuple(1.0 + 0.5 * k for k in range(channels)))
    symmetry = field_symmetry(named_group(group, dimension), FIELDS, normalizer=scales)
    shape = (4,) * dimension
    given = {
        "symmetry": symmetry,
        "dim_in": 2 * channels,
        "dim_out": channels,
        "n_spatial_dims": dimension,
        "spatial_resolution": shape,
        "width": 2,
        "layers": 1,
        "size": 3,
    }
    torch.manual_seed(0)
    return given, here(torch.randn(2, 2 * channels, *shape, dtype=torch.float64))


def relaxed(given, filter_banks):
    torch.manual_seed(0)
    return here(RelaxedGroupConvolutions(**given, filter_banks=filter_banks).double().eval())


def test_one_filter_bank_is_the_group_convolution_at_first():
    given, values = case("D4", 2)
    torch.manual_seed(0)
    strict = here(GroupConvolutions(**given, free=False).double())
    model = relaxed(given, 1)
    assert torch.equal(model(values), strict(values))
    extra = sum(layer.weights.numel() for layer in model.layers)
    assert extra == 3 * 8
    count = [sum(p.numel() for p in each.parameters()) for each in (model, strict)]
    assert count[0] - count[1] == extra


@pytest.mark.parametrize(("group", "dimension"), [("flip", 1), ("D4", 2), ("flips", 3)])
def test_weights_that_differ_break_the_group_and_equal_ones_do_not(group, dimension):
    given, values = case(group, dimension)
    model = relaxed(given, 2)

    def error():
        return equivariance_error(model, given["symmetry"], values)

    assert error() < 1e-6
    for layer in model.layers:
        # Banks may differ from each other, elements may not.
        layer.weights.data *= here(torch.tensor([[0.5], [2.0]]))
        assert error() < 1e-6
        kept = layer.weights.data.clone()
        layer.weights.data[0, -1] *= 1.5
        assert error() > 1e-4
        layer.weights.data.copy_(kept)


@pytest.mark.parametrize(("group", "dimension"), [("D4", 2), ("O", 3)])
def test_moved_inputs_are_those_of_a_network_with_moved_weights(group, dimension):
    """f_w(g x) = g f_v(x) with v(h) = w(g h), in all layers: an entry is that of one element."""
    given, values = case(group, dimension)
    model, symmetry = relaxed(given, 2), given["symmetry"]
    shapes = [layer.weights.shape for layer in model.layers]
    weights = [here(torch.randn(shape, dtype=torch.float64)) for shape in shapes]
    for g in (1, 5):
        for layer, values_of in zip(model.layers, weights, strict=True):
            layer.weights.data.copy_(values_of)
        moved = model(symmetry.act_on_input(g, values))
        for layer, values_of in zip(model.layers, weights, strict=True):
            layer.weights.data.copy_(values_of[:, symmetry.group.table[g]])
        torch.testing.assert_close(moved, symmetry.act_on_output(g, model(values)))


def test_training_breaks_what_the_data_break():
    """Targets have a derivative along the last axis: flips of the first respect it."""
    symmetry = field_symmetry(named_group("flips", 2), [Field("p")])
    torch.manual_seed(0)
    model = here(
        RelaxedGroupConvolutions(
            symmetry, 1, 1, 2, (6, 6), width=1, layers=0, size=3, filter_banks=1
        )
    )
    values = here(torch.randn(40, 1, 6, 6))
    targets = values + values.roll(1, -1) - values.roll(-1, -1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        (model(values) - targets).square().mean().backward()
        optimizer.step()

    def error(axis):
        flipped = model(values.flip(axis)).flip(axis)
        return float((flipped - model(values)).detach().square().mean())

    assert error(-2) < 0.1 * error(-1)


def test_no_filter_bank_is_refused():
    given, _ = case("D4", 2)
    with pytest.raises(ConfigError, match="'filter_banks' is 0; give at least 1"):
        relaxed(given, 0)

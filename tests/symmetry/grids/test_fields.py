"""The action: homomorphism, exact inverses, and agreement with three independent references."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symbench.errors import SymmetryError
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import FieldAction, InputAction, Normalizer
from symbench.symmetry.grids.isometries import named_group
from tests.here import here

from ..strategies import cases


@settings(max_examples=40, deadline=None)
@given(cases(), st.data())
def test_action_is_a_homomorphism_with_exact_inverse(case, data):
    action = FieldAction(case.group, case.fields)
    values = case.inputs()
    g = data.draw(st.integers(0, case.group.order - 1))
    h = data.draw(st.integers(0, case.group.order - 1))
    product = int(case.group.table[g, h])
    assert torch.equal(action(g, action(h, values)), action(product, values))
    assert torch.equal(action(case.group.inverses[g], action(g, values)), values)
    assert torch.equal(action(0, values), values)


@settings(max_examples=40, deadline=None)
@given(cases(), st.data())
def test_normalised_action_is_the_physical_action_conjugated(case, data):
    g = data.draw(st.integers(0, case.group.order - 1))
    history = case.normalizer * case.steps
    physical = FieldAction(case.group, case.fields)
    normalised = FieldAction(case.group, case.fields, case.normalizer)
    values = case.inputs()
    expected = history.normalize(physical(g, history.denormalize(values)))
    torch.testing.assert_close(normalised(g, values), expected, rtol=1e-12, atol=1e-11)


def gradient(values, axis):
    """Periodic central difference along a spatial axis of (batch, *space)."""
    return (torch.roll(values, -1, 1 + axis) - torch.roll(values, 1, 1 + axis)) / 2


@pytest.mark.parametrize("name", ["D4", "flips * shifts(2)", "O_h", "D4h_x"])
def test_derivatives_of_moved_fields_are_moved_derivatives(name):
    """Gradient, curl and Jacobian tell apart index conventions that a homomorphism test cannot."""
    dimension = 3 if name in ("O_h", "D4h_x") else 2
    group = named_group(name, dimension)
    shape = (6,) * dimension
    scalar = here(torch.randn(2, 1, *shape, dtype=torch.float64))
    vector = here(torch.randn(2, dimension, *shape, dtype=torch.float64))
    axes = range(dimension)

    def grad(s):
        return torch.stack([gradient(s[:, 0], axis) for axis in axes], dim=1)

    def jacobian(v):
        return torch.stack([gradient(v[:, i], j) for i in axes for j in axes], dim=1)

    def curl(v):
        if dimension == 2:
            return (gradient(v[:, 1], 0) - gradient(v[:, 0], 1))[:, None]
        pairs = [(1, 2), (2, 0), (0, 1)]
        return torch.stack([gradient(v[:, j], i) - gradient(v[:, i], j) for i, j in pairs], 1)

    on_scalar = FieldAction(group, [Field("s")])
    on_vector = FieldAction(group, [Field("v", order=1)])
    on_tensor = FieldAction(group, [Field("T", order=2)])
    vorticity = Field("w", order=0 if dimension == 2 else 1, parity=-1)
    on_axial = FieldAction(group, [vorticity])
    for g in range(group.order):
        torch.testing.assert_close(grad(on_scalar(g, scalar)), on_vector(g, grad(scalar)))
        torch.testing.assert_close(jacobian(on_vector(g, vector)), on_tensor(g, jacobian(vector)))
        torch.testing.assert_close(curl(on_vector(g, vector)), on_axial(g, curl(vector)))


def test_agrees_with_rot90_and_matrices():
    group = named_group("C4", 2)
    values = here(torch.randn(1, 1 + 2 + 4, 5, 5, dtype=torch.float64))
    moved = FieldAction(group, [Field("s"), Field("v", 1), Field("T", 2)])
    for g, element in enumerate(group.elements):
        # The turn that takes the x axis to the y axis is one quarter turn of rot90.
        turns = round(np.arctan2(element.matrix[1, 0], element.matrix[0, 0]) / (np.pi / 2)) % 4
        grid = torch.rot90(values, turns, dims=(2, 3))
        rotation = here(torch.tensor(element.matrix, dtype=torch.float64))
        vector = torch.einsum("ab,nbxy->naxy", rotation, grid[:, 1:3])
        tensor = grid[:, 3:].unflatten(1, (2, 2))
        tensor = torch.einsum("ab,cd,nbdxy->nacxy", rotation, rotation, tensor).flatten(1, 2)
        torch.testing.assert_close(moved(g, values), torch.cat([grid[:, :1], vector, tensor], 1))


def well_trajectory(dimension, shape):
    """Raw fields as The Well's augmentations take them: (time, *space, tensor...)."""
    return {
        "variable_fields": {
            order: {f"t{order}": torch.randn(2, *shape, *[dimension] * order)}
            for order in (0, 1, 2)
        },
        "constant_fields": {0: {}, 1: {}, 2: {}},
        "boundary_conditions": torch.zeros(dimension, 2),
        "space_grid": torch.zeros(*shape, dimension),
    }


def to_channels(trajectory, dimension):
    frames = []
    for order in (0, 1, 2):
        values = trajectory["variable_fields"][order][f"t{order}"]
        values = values.reshape(*values.shape[: 1 + dimension], -1)
        frames.append(values.movedim(-1, 1))
    return here(torch.cat(frames, dim=1))


@pytest.mark.parametrize("name", ["D4", "O_h"])
def test_agrees_with_the_well_augmentations(name):
    from the_well.data.augmentation import RandomAxisFlip, RandomAxisPermute

    dimension = 2 if name == "D4" else 3
    shape = (4,) * dimension
    group = named_group(name, dimension)
    action = FieldAction(group, [Field("t0"), Field("t1", 1), Field("t2", 2)])
    trajectory = well_trajectory(dimension, shape)
    for g, element in enumerate(group.elements):
        permuted = RandomAxisPermute.permute(
            copy.deepcopy(trajectory), torch.tensor(element.permutation)
        )
        flipped = RandomAxisFlip.flip(permuted, torch.tensor(element.flips))
        ours = action(g, to_channels(trajectory, dimension))
        assert torch.equal(ours, to_channels(flipped, dimension))


def test_constant_fields_move_along():
    group = named_group("D4", 2)
    frames = FieldAction(group, [Field("v", 1)])
    action = InputAction(frames, FieldAction(group, [Field("speed_of_sound")]))
    values = here(torch.randn(2, 4 * 2 + 1, 6, 6))
    moved = action(3, values)
    assert torch.equal(moved[:, :8], frames(3, values[:, :8]))
    assert torch.equal(moved[:, 8:], FieldAction(group, [Field("s")])(3, values[:, 8:]))


def test_nan_masks_move_along():
    group = named_group("D4", 2)
    values = here(torch.randn(1, 2, 5, 5))
    values[0, :, 1, 3] = torch.nan
    moved = FieldAction(group, [Field("v", 1)])(1, values)
    assert moved.isnan().sum() == 2


def test_bad_fields_and_normalizers():
    with pytest.raises(SymmetryError, match="allowed are orders"):
        Field("x", order=3)
    with pytest.raises(SymmetryError, match="positive finite"):
        Normalizer((0.0,), (0.0,))
    with pytest.raises(SymmetryError, match="as many means"):
        Normalizer((0.0, 1.0), (1.0,))
    group = named_group("D4", 2)
    with pytest.raises(SymmetryError, match="has 1 channels, the fields have 2"):
        FieldAction(group, [Field("v", 1)], Normalizer((0.0,), (1.0,)))
    with pytest.raises(SymmetryError, match="whole number of frames"):
        FieldAction(group, [Field("v", 1)])(1, torch.zeros(1, 3, 4, 4))
    with pytest.raises(SymmetryError, match="swaps axes"):
        FieldAction(group, [Field("v", 1)])(1, torch.zeros(1, 2, 4, 5))


def test_component_names():
    assert Field("v", 1).component_names(2) == ["v_x", "v_y"]
    assert Field("D", 2).component_names(2) == ["D_xx", "D_xy", "D_yx", "D_yy"]

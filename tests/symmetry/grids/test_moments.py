"""Moved averages follow from averages, and see what they are meant to see."""

import numpy as np
import pytest
import torch

from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import FieldAction
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.grids.moments import FieldMoments

FIELDS = [Field("s"), Field("v", 1), Field("w", 0, -1), Field("B", 1, -1)]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("D4 * shifts(2)", (6, 6)),
        ("C4", (7, 7)),
        ("flips * shifts_x(3)", (6, 5)),
        ("O_h", (4, 4, 4)),
        ("D4h_x", (3, 5, 5)),
    ],
)
def test_averages_of_moved_data_are_moved_averages(name, shape):
    """Against the action on the data itself."""
    dimension = len(shape)
    group = named_group(name, dimension)
    fields = [*FIELDS, *([Field("t", 2)] if dimension == 2 else [])]
    action = FieldAction(group, fields)
    frames = torch.randn(3, 2, action.channels, *shape, dtype=torch.float64)
    moments = FieldMoments(frames, fields)
    for index, element in enumerate(group.elements):
        data = action(index, frames.flatten(0, 1)).reshape(frames.shape)
        expected = FieldMoments(data, fields).moved([group.elements[0]])
        for (kind, values), (_, others) in zip(moments.moved([element]), expected, strict=True):
            np.testing.assert_allclose(values, others, atol=1e-12, err_msg=f"{kind} {element}")


def test_averages_do_not_depend_on_how_many_are_read_at_once(monkeypatch):
    fields = [Field("v", 1), Field("w", 0, -1)]
    frames = torch.randn(300, 2, 3, 6, 6)
    together = FieldMoments(frames, fields).sums
    monkeypatch.setattr("symbench.symmetry.grids.moments._AT_ONCE", 36 * 100)
    by_hundreds = FieldMoments(frames, fields).sums
    for kind, values in together.items():
        # Units come from what is read first, and change an average of all blocks alike.
        ratio = (by_hundreds[kind] * values.conj()).real.sum(axis=0) / (abs(values) ** 2).sum(
            axis=0
        )
        np.testing.assert_allclose(by_hundreds[kind], ratio * values, atol=1e-10)
    assert len(together["means"]) == 128


def test_flow_along_its_own_gradient_is_seen():
    """Burgers' u_t = -u u_x: the change times the gradient goes against the value."""
    x = torch.arange(64) * 2 * torch.pi / 64
    start = torch.stack([torch.sin(x + phase) for phase in torch.rand(20)]).double()
    slope = (start.roll(-1, -1) - start.roll(1, -1)) * 64 / (4 * torch.pi)
    frames = torch.stack([start, start - 0.05 * start * slope], dim=1)[:, :, None]
    sums = FieldMoments(frames[..., None].expand(-1, -1, 2, -1, 8), [Field("u", 1)]).sums
    # Axis x, component x carried by component x.
    assert (sums["changes times gradients with values"][:, 0] < -0.1).all()

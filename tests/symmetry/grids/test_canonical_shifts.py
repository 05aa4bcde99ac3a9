"""Canonical shifts are exact, or refused."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symbench.errors import SymmetryError
from symbench.symmetry.grids.canonical_shifts import (
    CanonicalShift,
    canonical_shift,
    check_periodic,
    roll_each,
)
from tests.here import here

from ..strategies import Random


def tried(name, outcome):
    return pytest.mark.tried("symmetrize", name, outcome)


def blob(shape, centre, dtype=torch.float32):
    """A bump whose mirror image is itself: its phase lies on a cell or between two."""
    axes = [torch.arange(n, dtype=torch.float64) - c for n, c in zip(shape, centre, strict=True)]
    grids = torch.meshgrid(*axes, indexing="ij")
    rounds = [torch.cos(2 * torch.pi * g / n) for g, n in zip(grids, shape, strict=True)]
    return here(sum(rounds).exp().to(dtype)[None])


@tried("canonical shifts of fields with mirror planes between cells", "right")
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_mirror_symmetric_fields_have_one_pose(data):
    shape = data.draw(st.sampled_from([(8,), (7,), (8, 8), (7, 10), (6, 8, 5)]))
    centre = [data.draw(st.integers(0, 2 * n)) / 2 for n in shape]
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]))
    field = blob(shape, centre, dtype)[:, None]
    rolled = here(torch.tensor([[data.draw(st.integers(0, n - 1)) for n in shape]]))
    moved = roll_each(field, rolled)
    sizes = here(torch.tensor(shape))
    before, after = canonical_shift(field[:, 0]), canonical_shift(moved[:, 0])
    assert torch.equal((after + rolled) % sizes, before % sizes)


@tried("canonical shifts without a reference: constant fields, waves of two cells", "refused")
@pytest.mark.parametrize("wave", [0.0, 1.0, 1e9])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_weak_references_are_refused(wave, axis):
    grid = 0.3 + wave * (torch.arange(8.0) % 2)
    profile = torch.cos(2 * torch.pi * torch.arange(8.0) / 8)
    field = grid[:, None] + profile if axis == "x" else profile[:, None] + grid
    with pytest.raises(SymmetryError, match=f"Sample 1 has no canonical shift along axis {axis}"):
        canonical_shift(here(torch.stack([torch.randn(8, 8), field])))


@tried("canonical shifts of samples that are not finite; of 0 samples", "right")
def test_rollouts_that_blew_up_stay_visible():
    model = here(CanonicalShift(Random(1, 1, (8, 8))))
    values = here(torch.randn(2, 1, 8, 8))
    values[0, 0, 3, 3] = torch.nan
    found = model(values)
    assert found[0].isnan().any()
    assert found[1].isfinite().all()
    assert model(values[:0]).shape == (0, 1, 8, 8)


@tried("canonical shifts with walls", "refused")
def test_walls_have_no_canonical_shifts():
    with pytest.raises(SymmetryError, match="need periodic axes; the boundaries are PERIODIC, WA"):
        CanonicalShift(torch.nn.Identity(), boundary=["PERIODIC", "WALL"])
    with pytest.raises(SymmetryError, match="the boundaries are wall"):
        CanonicalShift(torch.nn.Identity(), boundary="wall")
    check_periodic(["PERIODIC", "periodic"])
    check_periodic("periodic")


def test_a_rollout_that_loses_its_pose_keeps_the_last_one():
    """Then the frame still moves with the data; a first frame without a pose is refused."""
    start = here(torch.randn(2, 1, 8, 8, dtype=torch.float64))
    model = here(Random(1, 1, (8, 8)).double())
    constant = torch.full_like(start, 0.3)

    def rolled(shift):
        framed = CanonicalShift(model, follow=True)
        framed(start.roll(shift, (2, 3)))
        return framed(constant)

    with pytest.warns(UserWarning, match="its frame is not exact"):
        moved, plain = rolled((3, 5)), rolled((0, 0))
    torch.testing.assert_close(moved, plain.roll((3, 5), (2, 3)))
    with pytest.raises(SymmetryError, match="no canonical shift"):
        CanonicalShift(model, follow=True)(constant)
    with pytest.warns(UserWarning, match="its frame is not exact"):
        found = CanonicalShift(model, refuse=False)(constant)
    torch.testing.assert_close(found, model(constant))

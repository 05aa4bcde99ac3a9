"""Audits of opened data: walls, repeated eigenvalues, and clouds in any unit."""

import numpy as np
import pytest

from symbench.data.arrays import write_files
from symbench.data.fields.grid_data import FieldData
from symbench.data.fields.well import Well
from symbench.data.graphs.links import LinkData
from symbench.data.graphs.near_copies import NearCopies, laplacian_eigenvectors
from symbench.data.points.point_audit import Moments, audit_rotations
from symbench.errors import DataError, SymmetryError
from symbench.symmetry.audit import Verdict, undecided
from symbench.symmetry.points.matrix_groups import OrthogonalGroup

from ..data.fields.well_files import centres, statistics, write


@pytest.fixture(scope="module")
def walled(tmp_path_factory):
    """Noise between a wall below and a wall above."""
    folder = tmp_path_factory.mktemp("walled")
    noise = np.random.default_rng(0).normal(size=(16, 5, 8, 8)).astype("f4")
    ends = np.isin(np.arange(8), [0, 7])
    conditions = [("sides", "PERIODIC", ["x"], ends), ("walls", "WALL", ["y"], ends)]
    axes = {"x": centres(8), "y": centres(8)}
    for split in ("train", "valid", "test"):
        path = folder / "data" / split / "own.hdf5"
        write(path, {"c": (0, noise)}, axes, conditions=conditions)
    statistics(folder / "stats.yaml", {"c": (0, noise)})
    return FieldData(folder)


@pytest.mark.tried("audits", "a box with walls: D4, or shifts along the axis of a wall", "refused")
@pytest.mark.parametrize("group", ["D4", "C4", "shifts(4)", "shifts_y(2)"])
def test_walls_refuse_groups_in_the_audit(walled, group):
    with pytest.raises(SymmetryError, match=r"boundaries differ|not periodic"):
        walled.audit(group, Well(dataset="own"))


def test_walls_leave_flips_and_shifts_beside_them(walled):
    audits = walled.audit("flips * shifts_x(2)", Well(dataset="own"))
    assert all(audit.passed for audit in audits)


def differences(values):
    """Differences along each axis, in the last axis; values (sample, x, y)."""
    return np.stack([np.roll(values, -1, axis) - np.roll(values, 1, axis) for axis in (1, 2)], -1)


@pytest.mark.parametrize(
    ("constant", "broken"),
    [
        pytest.param(lambda noise: (1, differences(noise)), False),
        pytest.param(
            lambda noise: (1, differences(noise)[..., ::-1]),
            True,
            marks=pytest.mark.tried("audits", "a constant vector, components swapped", "refused"),
        ),
        pytest.param(
            lambda noise: (0, np.linspace(0, 1, 8)[:, None] + 0 * noise),
            True,
            marks=pytest.mark.tried("audits", "a constant field that is a ramp", "refused"),
        ),
    ],
)
def test_fields_that_are_constant_in_time_are_audited(tmp_path, constant, broken):
    rng = np.random.default_rng(0)
    for split, samples in (("train", 32), ("valid", 1), ("test", 1)):
        noise = rng.normal(size=(samples, 8, 8))
        frames = noise[:, None] + 0.1 * rng.normal(size=(samples, 5, 8, 8))
        fields = {"c": (0, frames), "k": constant(noise)}
        axes = {"x": centres(8), "y": centres(8)}
        write(tmp_path / split / "a.hdf5", fields, axes, constants=["k"])
    statistics(tmp_path / "stats.yaml", fields)
    audits = FieldData(tmp_path, input_steps=2).audit("D4", Well(dataset="own"))
    assert any(not audit.passed for audit in audits) == broken


@pytest.mark.tried("audits", "a ring, whose last eigenvector shares its eigenvalue", "refused")
def test_the_last_eigenvector_must_be_determined_too(tmp_path):
    nodes = 12
    ring = np.array([[k, (k + 1) % nodes] for k in range(nodes)]).T
    both_ways = np.concatenate([ring, ring[::-1]], axis=1)
    values, vectors = laplacian_eigenvectors(both_ways, nodes, 3)
    pairs = {"valid_pairs": ring[:, :4], "test_pairs": ring[:, :4]}
    labels = dict.fromkeys(("valid_labels", "test_labels"), np.array([1.0, 1.0, 0.0, 0.0]))
    shared = {"train_edges": both_ways, "valid_edges": ring[:, :2], **pairs, **labels}
    shared["copy"] = np.zeros(nodes, dtype=int)
    # The values of a ring are 1 - cos(2πk/n), twice each: one column looks determined.
    alone = {**shared, "eigenvalues": values[:1], "eigenvectors": vectors[:, :1]}
    write_files(tmp_path, {"alone": alone})
    data = LinkData(tmp_path / "alone.hdf5")
    dataset = NearCopies(graph="erdos_renyi", parameter=0.5, trials=1)
    with pytest.raises(DataError, match=r"eigenvalues 1 and 2 .* are equal .*both 0\.133975"):
        data.audit("signs(1)", dataset)


def vectors(samples, squeezed=1.0):
    """Isotropic vectors of 8 points, shape (sample, point, axis), and the last axis squeezed."""
    values = np.random.default_rng(samples).normal(size=(samples, 8, 3))
    values[..., 2] *= squeezed
    return values


@pytest.mark.tried(
    "units and scale", "the audit of positions and velocities in other units", "right"
)
def test_units_of_points_do_not_change_the_audit():
    group = OrthogonalGroup(3)
    positions, velocities = vectors(60), vectors(61, 0.7)[:60]
    plain = audit_rotations(group, Moments.of(positions, velocities))
    scaled = audit_rotations(group, Moments.of(1e12 * positions, 1e-12 * velocities))
    assert [audit.p_value for audit in plain] == [audit.p_value for audit in scaled]
    assert not all(audit.passed for audit in plain)


@pytest.mark.tried("audits", "a handful of clouds", "warned")
def test_few_clouds_leave_reflections_undecided():
    audits = audit_rotations(OrthogonalGroup(3), Moments.of(vectors(5)))
    assert {audit.verdict for audit in audits} == {Verdict.UNDECIDED}
    assert "cannot be decided with 5 samples" in undecided("clouds", "O(3)", audits)


def test_many_isotropic_clouds_hold_and_squeezed_ones_do_not():
    group = OrthogonalGroup(3)
    assert all(a.passed for a in audit_rotations(group, Moments.of(vectors(1000))))
    squeezed = audit_rotations(group, Moments.of(vectors(1000, 0.8)))
    assert sum(not a.passed for a in squeezed) >= 4

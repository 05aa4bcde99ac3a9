"""Irreps of finite groups, against what is known of them."""

import numpy as np
import pytest

from symbench.errors import SymmetryError
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.irreps import TRIVIAL, irreps, parts
from symbench.symmetry.points.point_groups import point_group

# Real dimensions, with complex conjugates together.
DIMENSIONS = {
    ("flip_x", 2): [1, 1],
    ("C4", 2): [1, 1, 2],
    ("D4", 2): [1, 1, 1, 1, 2],
    ("O", 3): [1, 1, 2, 3, 3],
    ("O_h", 3): [1, 1, 1, 1, 2, 2, 3, 3, 3, 3],
    ("shifts(4)", 1): [1, 1, 2],
}


@pytest.mark.parametrize(("name", "dimension"), DIMENSIONS)
def test_dimensions_and_orthogonality(name, dimension):
    group = named_group(name, dimension)
    found = irreps(group)
    assert [each.dimension for each in found] == DIMENSIONS[name, dimension]
    assert found[0].name == TRIVIAL
    assert len({each.name for each in found}) == len(found)
    assert sum(each.rank for each in found) == group.order
    np.testing.assert_allclose(found[0].characters, 1, atol=1e-12)
    characters = np.stack([each.characters for each in found])
    squares = [each.dimension**2 / each.rank for each in found]
    gram = characters @ characters.T / group.order
    np.testing.assert_allclose(gram, np.diag(squares), atol=1e-9)
    for first in found:
        for second in found:
            product = first.projector @ second.projector
            expected = first.projector if first is second else 0
            np.testing.assert_allclose(product, expected, atol=1e-9)


def test_squared_dimensions_of_real_irreps_sum_to_the_order():
    for name in ("O", "O_h"):
        group = named_group(name, 3)
        assert sum(each.dimension**2 for each in irreps(group)) == group.order


def test_characters_are_traces_of_representations():
    """Rotation matrices of the cube are an irrep, and so are their determinants."""
    group = named_group("O_h", 3)
    known = np.stack([irrep.characters for irrep in irreps(group)])
    for values in (
        [np.trace(element.matrix) for element in group.elements],
        [element.determinant for element in group.elements],
    ):
        assert np.isclose(known, values).all(axis=1).sum() == 1


def test_parts_of_a_function():
    group = named_group("D4", 2)
    found = irreps(group)
    rng = np.random.default_rng(0)
    values = rng.standard_normal((5, group.order, 3))
    gram = np.einsum("ngx,nhx->ngh", values, values)
    squares = parts(gram, found)
    np.testing.assert_allclose(squares.sum(1), (values**2).sum(2).mean(1))
    np.testing.assert_allclose(squares[:, 0], (values.mean(1) ** 2).sum(1))
    # What all elements have in common, such as a target, is seen by the trivial irrep alone.
    moved = values + rng.standard_normal((5, 1, 3))
    of_moved = parts(np.einsum("ngx,nhx->ngh", moved, moved), found)
    np.testing.assert_allclose(of_moved[:, 1:], squares[:, 1:])


def test_components_do_not_mix_under_translations():
    group = named_group("O", 3)
    found = irreps(group)
    values = np.random.default_rng(0).standard_normal(group.order)
    moved = values[group.table[5]]
    of_both = [parts(np.outer(each, each), found) for each in (values, moved)]
    np.testing.assert_allclose(*of_both)


def test_what_a_subgroup_leaves():
    group = named_group("D4", 2)
    found = {irrep.name: irrep for irrep in irreps(group)}
    rotations = [i for i, e in enumerate(group.elements) if e.determinant == 1]
    left = {name for name, irrep in found.items() if irrep.is_left_by(rotations)}
    # The determinant, which no rotation sees.
    (other,) = left - {TRIVIAL}
    expected = [element.determinant for element in group.elements]
    np.testing.assert_allclose(found[other].characters, expected, atol=1e-9)
    assert all(irrep.is_left_by([0]) for irrep in found.values())


def test_too_large_groups_are_refused():
    with pytest.raises(SymmetryError, match="at most 512"):
        irreps(named_group("O_h * shifts(4)", 3))


def test_names_go_on_after_z():
    names = [irrep.name for irrep in irreps(point_group("C60"))]
    assert names[-4:] == ["2z", "2aa", "2ab", "2ac"]

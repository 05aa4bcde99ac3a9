import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbench.errors import SymmetryError
from symbench.symmetry.grids.isometries import (
    GridIsometry,
    check_grid,
    identity,
    lowest_dimension,
    named_group,
)
from symbench.symmetry.groups import generate, product

# Orders and numbers of subgroups from the tables of point groups.
KNOWN = {
    ("flip", 1): (2, 2),
    ("flip_x", 1): (2, 2),
    ("shifts(6)", 1): (6, 4),
    ("flip * shifts(4)", 1): (8, 10),
    ("trivial", 2): (1, 1),
    ("flip_x", 2): (2, 2),
    ("flips", 2): (4, 5),
    ("klein4", 2): (4, 5),
    ("C2", 2): (2, 2),
    ("C4", 2): (4, 3),
    ("C4v", 2): (8, 10),
    ("D4", 2): (8, 10),
    ("shifts(4)", 2): (16, 15),
    ("flips", 3): (8, 16),
    ("klein4", 3): (4, 5),
    ("C4v_x", 3): (8, 10),
    ("D4", 3): (8, 10),
    ("D4h", 3): (16, 35),
    ("O", 3): (24, 30),
    ("O_h", 3): (48, 98),
}


@pytest.mark.parametrize(("name", "dimension"), KNOWN)
def test_order_axioms_and_subgroups(name, dimension):
    group = named_group(name, dimension)
    order, subgroups = KNOWN[name, dimension]
    assert group.order == order
    assert group.elements[0] == identity(dimension)
    table = group.table
    assert (np.sort(table, axis=1) == np.arange(order)).all()
    assert (np.sort(table, axis=0) == np.arange(order)[:, None]).all()
    a, b, c = np.meshgrid(*[np.arange(order)] * 3, indexing="ij")
    assert (table[table[a, b], c] == table[a, table[b, c]]).all()
    assert (table[np.arange(order), group.inverses] == 0).all()
    assert len(group.subgroups) == subgroups
    assert all(order % len(members) == 0 for members in group.subgroups)


def test_subgroups_are_ordered_and_closed():
    group = named_group("D4", 2)
    assert group.subgroups[0] == {0}
    assert group.subgroups[-1] == set(range(8))
    assert all(group.closure(members) == members for members in group.subgroups)


@pytest.mark.parametrize(("name", "determinants"), [("O", {1}), ("O_h", {1, -1})])
def test_cube_groups_are_all_signed_permutations(name, determinants):
    group = named_group(name, 3)
    matrices = {element.matrix.tobytes() for element in group.elements}
    assert len(matrices) == group.order
    assert {element.determinant for element in group.elements} == determinants
    for element in group.elements:
        assert round(np.linalg.det(element.matrix)) == element.determinant


elements = st.sampled_from(product(named_group("D4", 2), named_group("shifts(4)", 2)).elements)


@given(elements, elements)
def test_composition_matches_matrices(a, b):
    ab = a @ b
    assert (ab.matrix == a.matrix @ b.matrix).all()
    shift = a.matrix @ np.array([float(s) for s in b.shift]) + [float(s) for s in a.shift]
    assert np.allclose((shift - [float(s) for s in ab.shift]) % 1, 0)
    assert a @ a.inverse() == identity(2)


def test_semidirect_product_with_shifts():
    group = named_group("D4 * shifts(4)", 2)
    assert group.order == 8 * 16


def test_subgroup_is_checked():
    group = named_group("C4", 2)
    with pytest.raises(SymmetryError, match="not a subgroup"):
        group.subgroup([0, 1])
    half_turn = next(i for i, e in enumerate(group.elements) if str(e) == "-x,-y")
    assert group.subgroup([0, half_turn]).order == 2
    with pytest.raises(SymmetryError, match="not an element"):
        group.index(GridIsometry((0, 1), (True, False)))


def test_generate_closes():
    reflection = GridIsometry((1, 0), (False, False))
    assert generate("diagonal", [reflection]).order == 2


@pytest.mark.parametrize("name", ["D5", "O", "flip_z", "shifts(0)", "D4 * C7", "shifts_z(2)"])
def test_unknown_group_in_the_plane(name):
    with pytest.raises(SymmetryError, match="Unknown group"):
        named_group(name, 2)


def test_dimensions_of_names():
    assert lowest_dimension("D4") == 2
    assert lowest_dimension("D4 * shifts(2)") == 2
    assert lowest_dimension("O_h") == 3
    assert lowest_dimension("C4v_x") == 3
    assert lowest_dimension("flip") == 1
    with pytest.raises(SymmetryError, match="2 and 3 dimensions"):
        named_group("trivial", 4)


@pytest.mark.parametrize(
    ("name", "shape", "extent", "boundary", "message"),
    [
        ("D4", (8, 6), None, None, "swaps axes"),
        ("D4", (8, 8), (1.0, 2.0), None, "not a symmetry of the box"),
        ("D4", (8, 8), (1.0, 1.0), ("WALL", "PERIODIC"), "boundaries differ"),
        ("flip_x", (8, 8), None, ("WALL|OPEN", "PERIODIC"), "boundaries differ"),
        ("shifts(4)", (8, 6), None, None, "fraction of a cell"),
        ("shifts(2)", (8, 8), None, ("PERIODIC", "OPEN"), "not periodic"),
        ("D4", (8, 8, 8), None, None, "acts on 2 axes"),
    ],
)
def test_grids_that_cannot_carry_the_group(name, shape, extent, boundary, message):
    with pytest.raises(SymmetryError, match=message):
        check_grid(named_group(name, 2), shape, extent, boundary)


def test_flips_fit_any_box():
    check_grid(named_group("flips", 2), (8, 5), (1.0, 2.0), ("WALL", "PERIODIC"))


@pytest.mark.tried("symmetrize", "O_h with shifts(4): 3,072 elements", "right")
def test_large_products_are_the_semidirect_product():
    """The table from rows of generators, against arithmetic of matrices and shifts."""
    group = named_group("O_h * shifts(4)", 3)
    assert group.order == 48 * 64
    rng = np.random.default_rng(0)
    for a, b in rng.integers(group.order, size=(50, 2)):
        found = group.elements[group.table[a, b]]
        first, second = group.elements[a], group.elements[b]
        assert (found.matrix == first.matrix @ second.matrix).all()
        shift = first.matrix @ np.array(second.shift) + np.array(first.shift)
        assert all((shift - np.array(found.shift)) % 1 == 0)


@pytest.mark.parametrize("name", ["C4v_x * shifts_x(8)", "flips * shifts(2) * C4_y", "O * klein4"])
def test_products_keep_the_order_of_their_elements(name):
    """Random subsets are drawn by number, so that the order decides about results."""
    parts = [named_group(part.strip(), 3) for part in name.split("*")]
    members = [element for part in parts for element in part.elements]
    assert named_group(name, 3).elements == generate(name, members).elements


@pytest.mark.parametrize("name", ["O_h * shifts(8)", "shifts(64)", "shifts_x(100000)"])
@pytest.mark.tried("symmetrize", "groups too large to list", "refused")
def test_large_groups_are_refused(name):
    with pytest.raises(SymmetryError, match="more than 4096 elements"):
        named_group(name, 3)


OWN = generate("half turn", [GridIsometry((0, 1), (True, True))])


def test_a_group_of_yours_goes_by_its_path():
    assert named_group(f"{__name__}:OWN", 2) is OWN
    assert lowest_dimension(f"{__name__}:OWN") == 2
    with pytest.raises(SymmetryError, match="no FiniteGroup of isometries in 3-D"):
        named_group(f"{__name__}:OWN", 3)
    with pytest.raises(SymmetryError, match="Cannot import group"):
        named_group("no_such_module:GROUP", 2)

"""Named groups of points are those of the solids; quadratures are exact up to their degree."""

import pytest
import torch
from e3nn import o3

from symbench.errors import SymmetryError
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.symmetry.points.point_groups import (
    chosen_group,
    matrix_of,
    own_point_group,
    point_group,
)
from symbench.symmetry.points.quadrature import averaging_rule, rotation_quadrature
from symbench.symmetry.points.roles import Role, move
from tests.here import here

GOLDEN = (1 + 5**0.5) / 2
TETRAHEDRON = [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]
CUBE = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
ICOSAHEDRON = [
    corner
    for a in (-1, 1)
    for b in (-GOLDEN, GOLDEN)
    for corner in ((0, a, b), (a, b, 0), (b, 0, a))
]


def matrices(name, dimension=None):
    group = point_group(name, dimension)
    return torch.stack([matrix_of(group, element) for element in group.listed()])


def same_corners(moved, corners):
    return bool((torch.cdist(moved, corners).amin(dim=-1) < 1e-12).all())


@pytest.mark.parametrize(
    ("proper", "whole", "corners", "order"),
    [
        ("T", "T_d", TETRAHEDRON, 12),
        ("O", "O_h", CUBE, 24),
        ("I", "I_h", ICOSAHEDRON, 60),
    ],
)
def test_groups_of_solids_are_all_isometries_of_their_corners(proper, whole, corners, order):
    corners = torch.tensor(corners, dtype=torch.float64)
    for name, expected in ((proper, order), (whole, 2 * order)):
        elements = matrices(name)
        assert len(elements) == expected
        assert all(same_corners(corners @ g.mT, corners) for g in elements)
    assert (torch.linalg.det(matrices(proper)) > 0).all()
    assert int((torch.linalg.det(matrices(whole)) < 0).sum()) == order


@pytest.mark.parametrize(
    ("name", "dimension", "order", "reflections"),
    [
        ("C6", 3, 6, 0),
        ("C_6", 3, 6, 0),
        ("C6v", 3, 12, 6),
        ("C3h", 3, 6, 3),
        ("D5", 3, 10, 0),
        ("D5h", 3, 20, 10),
        ("D2d", 3, 8, 4),
        ("T_h", 3, 24, 12),
        ("C4 * inversion", 3, 8, 4),
        ("C5", 2, 5, 0),
        ("D5", 2, 10, 5),
        ("flip_y", 2, 2, 1),
        ("flips", 4, 16, 8),
        ("signed permutations", 3, 48, 24),
    ],
)
def test_named_groups(name, dimension, order, reflections):
    elements = matrices(name, dimension)
    assert len(elements) == order
    assert int((torch.linalg.det(elements) < 0).sum()) == reflections


def test_axes_of_cyclic_groups():
    for axis in range(3):
        unit = torch.eye(3, dtype=torch.float64)[axis]
        for name in ("C5", "C5v"):
            turned = matrices(f"{name}_{'xyz'[axis]}") @ unit
            torch.testing.assert_close(turned, unit.expand_as(turned))
    torch.testing.assert_close(matrices("C5_z"), matrices("C5"))


def test_own_matrices_generate_a_group():
    turn = torch.tensor([[-0.5, -(0.75**0.5)], [0.75**0.5, -0.5]], dtype=torch.float64)
    group = own_point_group(turn[None].requires_grad_(), "thirds")
    assert (group.name, group.order) == ("thirds", 3)
    swap = torch.tensor([[0.0, 1], [1, 0]])
    assert own_point_group([swap.tolist(), [[-1, 0], [0, 1]]], "mine").order == 8


def harmonics(degree, elements, points):
    """Spherical harmonics of rotated points, shape (element, point, component)."""
    return o3.spherical_harmonics(degree, points @ elements.mT, normalize=True)


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4, 5, 6, 8, 10])
def test_quadratures_average_spherical_harmonics_to_zero_up_to_their_degree(degree):
    """Means of Y_l at 2 l + 1 rotated points vanish if and only if that of D^l does."""
    rule = rotation_quadrature(OrthogonalGroup(3, proper=True), degree)
    generator = torch.Generator().manual_seed(degree)
    points = torch.randn(2 * degree + 3, 3, dtype=torch.float64, generator=generator)
    assert (rule.weights > 0).all()
    assert abs(float(rule.weights.sum()) - 1) < 1e-14
    for order in range(1, degree + 1):
        mean = torch.einsum("n,nij->ij", rule.weights, harmonics(order, rule.elements, points))
        assert float(mean.abs().max()) < 1e-13
    if degree != 4:  # which has the rule of degree 5
        beyond = harmonics(degree + 1, rule.elements, points)
        assert float(torch.einsum("n,nij->ij", rule.weights, beyond).abs().max()) > 1e-3


@pytest.mark.parametrize("degree", [3, 5, 6])
def test_quadratures_with_reflections_average_pseudoscalars_too(degree):
    rule = rotation_quadrature(OrthogonalGroup(3), degree)
    signs = torch.linalg.det(rule.elements)
    assert abs(float((rule.weights * signs).sum())) < 1e-14
    points = torch.eye(3, dtype=torch.float64)
    for order in range(1, degree + 1):
        values = harmonics(order, rule.elements, points)
        for weights in (rule.weights, rule.weights * signs):
            assert float(torch.einsum("n,nij->ij", weights, values).abs().max()) < 1e-13


@pytest.mark.parametrize("proper", [True, False])
def test_quadratures_of_the_plane(proper):
    rule = rotation_quadrature(OrthogonalGroup(2, proper), 4)
    assert len(rule) == (5 if proper else 10)
    entries = torch.complex(rule.elements[:, 0, 0], rule.elements[:, 1, 0])
    for power in range(1, 6):
        mean = float((rule.weights * entries**power).sum().abs())
        assert (mean < 1e-14) == (power <= 4 or not proper)


def test_products_of_entries_have_their_haar_means():
    """Second moments of rotations are 1/3 and third ones those of the determinant, 1/6."""
    rule = rotation_quadrature(OrthogonalGroup(3, proper=True), 3)
    g, weights = rule.elements, rule.weights
    second = torch.einsum("n,nab,ncd->abcd", weights, g, g)
    eye = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(second, torch.einsum("ac,bd->abcd", eye, eye) / 3)
    diagonal = torch.einsum("n,n,n,n->", weights, g[:, 0, 0], g[:, 1, 1], g[:, 2, 2])
    torch.testing.assert_close(float(diagonal), 1 / 6)


def tried(name, outcome):
    return pytest.mark.tried("symmetrize", name, outcome)


@tried("groups of points: unknown names, other dimensions, too large, no group at all", "refused")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: point_group("Oh"), "Did you mean 'O_h'"),
        (lambda: point_group("0(3)"), r"Did you mean 'O\(3\)'"),
        (lambda: point_group("O_h", 2), "No group 'O_h' acts on points in 2 dimensions"),
        (lambda: point_group("SO(2)", 3), r"not 3: 'SO\(3\)' does"),
        (lambda: point_group("C4", 4), "in 4 dimensions"),
        (lambda: point_group("C4_x", 2), "in 2 dimensions"),
        (lambda: point_group("C4", 0), "at least one axis"),
        (lambda: point_group("SO(3) * inversion"), r"products of finite groups"),
        (lambda: point_group("S_9"), "take 'S_n'"),
        (lambda: point_group("no.module:Name"), "Cannot import group"),
        (lambda: own_point_group([[[1, 2], [3, 4]]], "mine"), "not orthogonal"),
        (lambda: own_point_group("circle", "mine"), "neither a group of points"),
        (lambda: own_point_group([], "mine"), "neither a group of points"),
        (lambda: own_point_group([[[1]]], "mine", 3), "1 dimensions, not 3"),
        (lambda: own_point_group(torch.eye(2, dtype=torch.cfloat)[None], "mine"), "neither"),
        (lambda: chosen_group(torch.eye(2), None), "'own group' is neither"),
        (lambda: chosen_group("C4", 2.0), "whole number of axes"),
        (lambda: point_group("S_0"), "No group 'S_0'"),
        (lambda: point_group("C1000000000", 2), "more than 4096"),
        (lambda: own_point_group([[[0.6, -0.8], [0.8, 0.6]]], "mine"), "more than 4096"),
    ],
)
def test_refused_groups(make, message):
    with pytest.raises(SymmetryError, match=message):
        make()


@tried("elements and degrees that do not fit a group of points", "refused")
@pytest.mark.parametrize(
    ("group", "elements", "degree", "message"),
    [
        ("O(3)", "all", None, "degree=5 for a quadrature"),
        ("S_n", "all", None, "elements=8"),
        ("O(3)", "all", -1, "0 or more"),
        ("O(3)", "all", 2.5, "0 or more"),
        ("O(3)", "all", 100, "up to 65"),
        ("O(4)", "all", 3, "number of sampled elements"),
        ("O_h", "all", 3, "leave it out"),
        ("O(3)", 4, 3, "leave out elements"),
        ("O(3)", "random", 3, "leave out elements"),
        ("O_h", "some", None, "'all', 'random'"),
        ("O_h", 2.5, None, "'all', 'random'"),
        ("O_h", True, None, "'all', 'random'"),
        ("O_h", 49, None, "1 to 48"),
        ("O_h", [0, 48], None, "not all in"),
        ("O(3)", torch.ones(1, 3, 3), None, "orthogonal matrices"),
        ("O(3)", torch.ones(0, 3, 3), None, "at least one"),
        ("O(3)", [torch.eye(3), torch.eye(2)], None, "orthogonal matrices"),
        ("S_n", torch.ones(0, 2), None, "at least one"),
        ("S_n", [[1.5, 1]], None, "a seed and 1 or -1"),
        ("SO(2)", "all", 10**9, "more than 4096"),
    ],
)
def test_refused_elements(group, elements, degree, message):
    with pytest.raises(SymmetryError, match=message):
        averaging_rule(point_group(group), elements, degree, seed=0)


@tried("elements of a group of points that are no subgroup", "warned")
def test_no_subgroup():
    with pytest.warns(UserWarning, match="no subgroup"):
        averaging_rule(point_group("C4"), [0, 1], None, seed=0)


@tried("elements of O(3) as lists of tensors, of whole numbers and in half precision", "right")
def test_elements_of_any_kind():
    inversion = -torch.eye(3)
    axial = here(torch.ones(1, 3))
    for elements in ([inversion, inversion], [inversion.int().tolist()], inversion.half()[None]):
        rule = averaging_rule(point_group("O(3)"), elements, None, seed=0)
        assert torch.equal(move(rule.group, rule.elements[0], Role("axial"), axial), axial)


@tried("seeds of elements that are no whole number", "refused")
@pytest.mark.parametrize("seed", [None, 1.5, True, 2**70])
def test_refused_seeds(seed):
    for elements in (4, "random"):
        with pytest.raises(SymmetryError, match="seed="):
            averaging_rule(point_group("SO(3)"), elements, None, seed)

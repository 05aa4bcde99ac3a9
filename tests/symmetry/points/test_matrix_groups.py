"""Sign and orthogonal groups: axioms, laws of the samplers, averages over them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symbench.errors import SymmetryError
from symbench.symmetry.group_names import check_rotations, check_signs, labelled_rotations
from symbench.symmetry.points.actions import flip_columns, rotate
from symbench.symmetry.points.matrix_groups import OrthogonalGroup, SignGroup
from symbench.symmetry.reynolds import average
from symbench.symmetry.symmetry import Symmetry
from symbench.symmetry.testing import assert_equivariant, equivariance_error
from tests.here import here

GROUPS = [SignGroup(5), OrthogonalGroup(3), OrthogonalGroup(4, proper=True)]


def sample(group, count, seed=0):
    return group.sample(count, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_elements_are_of_the_group_and_samples_repeat(group):
    drawn = sample(group, 50)
    assert len(group.check(drawn)) == 50
    assert torch.equal(drawn, sample(group, 50))
    assert not torch.equal(drawn, sample(group, 50, seed=1))


@given(st.integers(1, 6))
def test_lists_hold_every_element_once_the_identity_first(size):
    group = SignGroup(size)
    listed = group.listed()
    assert len(listed.unique(dim=0)) == 2**size == group.order
    assert torch.equal(listed[0], group.identity)
    group.check(listed)


def test_signs_are_listed_up_to_sixteen_columns():
    assert SignGroup(16).listed().shape == (65536, 16)
    for group in (SignGroup(17), OrthogonalGroup(3)):
        with pytest.raises(SymmetryError, match="sampled elements"):
            group.listed()


@pytest.mark.parametrize("dimension", [1, 2, 3, 5, 8])
def test_haar_measure(dimension):
    """First moments vanish, second are those of the Haar measure, reflections are half of O(d)."""
    drawn = sample(OrthogonalGroup(dimension), 20000)
    flat = drawn.flatten(1)
    second = flat.T @ flat / len(flat)
    assert float(flat.mean(dim=0).abs().max()) < 0.04
    expected = torch.eye(dimension**2, dtype=torch.float64) / dimension
    torch.testing.assert_close(second, expected, atol=0.03, rtol=0)
    assert abs(float((torch.linalg.det(drawn) < 0).double().mean()) - 0.5) < 0.02
    proper = sample(OrthogonalGroup(dimension, proper=True), 50)
    torch.testing.assert_close(torch.linalg.det(proper), torch.ones(50, dtype=torch.float64))


@pytest.mark.parametrize(
    ("group", "wrong"),
    [
        (SignGroup(3), torch.full((1, 3), 2.0)),
        (SignGroup(3), torch.ones(1, 4)),
        (OrthogonalGroup(2), torch.ones(1, 2, 2)),
        (OrthogonalGroup(2, proper=True), torch.diag(torch.tensor([1.0, -1.0]))[None]),
    ],
)
def test_foreign_elements_are_refused(group, wrong):
    with pytest.raises(SymmetryError, match="Elements of"):
        group.check(wrong)


def sign_symmetry(columns):
    return Symmetry(SignGroup(columns), flip_columns, flip_columns)


def test_average_over_all_signs_is_exactly_equivariant():
    """A random network on k columns, averaged over 2^k flips."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 20), torch.nn.Tanh(), torch.nn.Linear(20, 4))
    model = here(model.double())
    symmetry = sign_symmetry(4)
    vectors = here(torch.randn(7, 4, dtype=torch.float64))
    assert equivariance_error(model, symmetry, vectors) > 0.1
    assert_equivariant(average(model, symmetry), symmetry, vectors, 1e-13)


def test_sampled_average_approaches_the_invariant_one():
    """The share 1/n of the gain is lost on average (P5 for independent elements)."""
    weights = here(torch.randn(3, dtype=torch.float64))
    symmetry = Symmetry(OrthogonalGroup(3), rotate, lambda g, outputs: outputs)
    points = here(torch.randn(1, 1, 3, dtype=torch.float64))

    def model(values):
        return values @ weights

    # Over O(3) the mean of a linear function is zero.
    plain = float(points.square().sum() * weights.square().sum() / 3)
    squares = [
        float(average(model, symmetry, elements=8, seed=seed)(points).square())
        for seed in range(400)
    ]
    first = float(model(points).square())
    expected = first / 64 + plain * 7 / 64
    assert abs(sum(squares) / 400 - expected) < 0.25 * expected + 0.02 * plain


def test_subsets_hold_the_identity_and_repeat():
    for group in GROUPS:
        subset = group.subset(4, seed=0)
        assert torch.equal(subset[0], group.identity)
        assert len(group.check(subset)) == 4
        assert torch.equal(subset, group.subset(4, seed=0))
        assert not torch.equal(subset, group.subset(4, seed=1))
    with pytest.raises(SymmetryError, match="1 to 32"):
        SignGroup(5).subset(33, seed=0)
    with pytest.raises(SymmetryError, match="at least 1"):
        OrthogonalGroup(3).subset(0, seed=0)


def test_names():
    check_rotations("SO(8)", 8)
    check_signs("signs(16)", 16)
    assert labelled_rotations("SO(3) * automorphisms") == "SO(3)"
    with pytest.raises(SymmetryError, match=r"allowed: O\(3\), SO\(3\)"):
        check_rotations("U(1)")
    with pytest.raises(SymmetryError, match=r"signs\(10\) does"):
        check_signs("signs(16)", 10)
    with pytest.raises(SymmetryError, match="labelled atoms"):
        labelled_rotations("O_h * automorphisms")

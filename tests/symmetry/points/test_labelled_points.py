"""Rotations with exchanges of labels: axioms, automorphisms, covers, averages."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symbench.errors import SymmetryError
from symbench.symmetry.points.labelled_points import LabelledPointGroup, automorphisms, orbits
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.symmetry.reynolds import average
from symbench.symmetry.symmetry import Symmetry
from symbench.symmetry.testing import assert_equivariant
from tests.here import here

STAR = automorphisms(["N", "H", "H", "H"], [(0, 1), (0, 2), (0, 3)])
GROUP = LabelledPointGroup(OrthogonalGroup(3, proper=True), STAR)


def sample(count, seed=0, group=GROUP):
    return group.sample(count, torch.Generator().manual_seed(seed))


@settings(deadline=None)
@given(
    st.integers(2, 5).flatmap(
        lambda n: st.tuples(
            st.lists(st.sampled_from("ab"), min_size=n, max_size=n),
            st.sets(
                st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(
                    lambda edge: edge[0] < edge[1]
                )
            ),
        )
    )
)
def test_automorphisms_are_those_of_trying_all_orders(graph):
    colours, edges = graph
    expected = [
        order
        for order in itertools.permutations(range(len(colours)))
        if all(colours[node] == colours[image] for node, image in enumerate(order))
        and {tuple(sorted((order[a], order[b]))) for a, b in edges} == edges
    ]
    found = automorphisms(colours, sorted(edges))
    assert sorted(found) == sorted(expected)
    assert found[0] == tuple(range(len(colours)))


def test_automorphisms_of_molecules():
    assert len(STAR) == math.factorial(3)
    assert all(order[0] == 0 for order in STAR)
    assert len(automorphisms(["Li", "H"], [(0, 1)])) == 1
    ring = [(i, (i + 1) % 6) for i in range(6)]
    assert len(automorphisms(["C"] * 6, ring)) == 12


def test_orbits_of_atoms_and_pairs():
    assert orbits(STAR, 1) == [[(0,)], [(1,), (2,), (3,)]]
    assert orbits(STAR, 2) == [[(0, 1), (0, 2), (0, 3)], [(1, 2), (1, 3), (2, 3)]]
    assert orbits([(0, 1)], 2) == [[(0, 1)]]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_axioms(seed):
    a, b, c = sample(3, seed)
    unit = GROUP.identity
    torch.testing.assert_close(a @ (b @ c), (a @ b) @ c)
    torch.testing.assert_close(a @ GROUP.inverse(a), unit)
    GROUP.check(torch.stack([a @ b, GROUP.inverse(c), unit]))


def test_samples_reach_every_order_and_repeat():
    drawn = sample(200)
    assert torch.equal(drawn, sample(200))
    assert len(drawn[:, 3:, 3:].unique(dim=0)) == 6


def test_a_cover_leaves_no_order_out():
    """A multiple of 6 elements makes any function of labels exactly invariant."""
    elements = GROUP.subset(12, seed=0)
    assert torch.equal(elements[0], GROUP.identity)
    for turn in (elements[:6], elements[6:]):
        assert len(turn[:, :3, :3].unique(dim=0)) == 1
        assert len(turn[:, 3:, 3:].unique(dim=0)) == 6
    assert len(GROUP.subset(8, seed=0)) == 8

    def exchange(element, points):
        return element[3:, 3:].to(points) @ points

    symmetry = Symmetry(GROUP, exchange, lambda element, output: output)
    weights = here(torch.randn(12, 5, generator=torch.Generator().manual_seed(0)).double())
    averaged = average(lambda p: torch.tanh(p.flatten(1) @ weights), symmetry, elements=12)
    points = here(torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(1)).double())
    assert_equivariant(averaged, symmetry, points, elements=sample(3), tolerance=1e-12)


def test_partial_averages_are_averages_over_the_first_elements():
    def turn(element, points):
        return points @ element[:3, :3].mT.to(points)

    symmetry = Symmetry(GROUP, turn, lambda element, output: output)
    points = here(torch.from_numpy(np.random.default_rng(0).normal(size=(5, 4, 3))))
    averaged = average(lambda p: p.flatten(1).exp(), symmetry, elements=12)
    counts = [1, 4, 12]
    for count, partial in zip(counts, averaged.of_first(points, counts), strict=True):
        chosen = averaged.elements[:count]
        expected = torch.stack([turn(g, points).flatten(1).exp() for g in chosen]).mean(dim=0)
        torch.testing.assert_close(partial, expected)


def test_what_is_not_of_the_group_is_refused():
    with pytest.raises(SymmetryError, match="3 axes and 4 labels"):
        GROUP.check(torch.eye(5)[None])
    wrong = GROUP.identity.clone()
    wrong[[3, 4]] = wrong[[4, 3]]  # puts H in the place of N
    with pytest.raises(SymmetryError, match="in an order not in it"):
        GROUP.check(wrong[None])
    with pytest.raises(SymmetryError, match="infinitely many"):
        GROUP.listed()

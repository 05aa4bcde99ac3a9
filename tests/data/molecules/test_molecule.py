"""Atoms at one place are found wherever they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbench.data.molecules.molecule import NEAREST, refuse_coincident
from symbench.errors import DataError


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3]))
def test_atoms_at_one_place_are_found(seed, axes):
    """Against the distances of all pairs, of clouds and of atoms on a line."""
    rng = np.random.default_rng(seed)
    nodes = rng.integers(1, 9, size=4)
    positions = np.zeros((nodes.sum(), 3))
    positions[:, 3 - axes :] = 0.5 * axes * rng.normal(size=(len(positions), axes))
    molecules = np.split(positions, nodes.cumsum()[:-1])
    near = {
        f"atoms {i + 1} and {j + 1} of molecule {number} "
        for number, each in enumerate(molecules, start=11)
        for j in range(len(each))
        for i in range(j)
        if np.linalg.norm(each[i] - each[j]) < NEAREST
    }
    if not near:
        refuse_coincident(positions, nodes, "here", np.arange(11, 15))
        return
    with pytest.raises(DataError, match="here: atoms") as error:
        refuse_coincident(positions, nodes, "here", np.arange(11, 15))
    assert any(pair in str(error.value) for pair in near)

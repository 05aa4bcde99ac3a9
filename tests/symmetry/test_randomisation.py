"""The randomisation test: exact under invariance, and open about what it cannot decide."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbench.symmetry.audit import audit_moved_features
from symbench.symmetry.randomisation import (
    BLOCKS,
    FALSE_ALARM,
    block_of,
    in_blocks,
    randomisation_test,
)


def reversed_signs(values):
    """Features (sample, feature) that an element of order two multiplies by -1."""
    return np.stack([values, -values])


@given(st.integers(1, 3 * BLOCKS + 5))
def test_blocks_hold_all_samples_once(samples):
    blocks = block_of(samples)
    assert blocks[0] == 0
    assert set(np.diff(blocks)) <= {0, 1}
    assert blocks[-1] + 1 == min(samples, BLOCKS)
    features = np.random.default_rng(0).normal(size=(2, samples, 3))
    summed = in_blocks(features)
    np.testing.assert_allclose(summed.sum(axis=1), features.sum(axis=1), atol=1e-10)
    np.testing.assert_allclose(summed[0, 0], features[0, blocks == 0].sum(axis=0))


def test_p_value_of_few_samples_counts_all_signs():
    """All 2^n choices of signs by hand: one feature, whose mean squared is the statistic."""
    values = np.random.default_rng(1).normal(0.6, 1, size=9)
    signs = np.array(list(itertools.product((1, -1), repeat=9)))
    means = (signs @ values) ** 2
    expected = np.mean(means >= means[0] * (1 - 1e-9))
    found = audit_moved_features(reversed_signs(values[:, None]))
    assert found.p_value == pytest.approx(expected)


@pytest.mark.parametrize("samples", [20, 400])
def test_p_values_are_uniform(samples):
    """Under invariance, with features of very uneven strength and samples in blocks."""
    rng = np.random.default_rng(samples)
    strength = np.exp(rng.normal(size=(300, samples, 1)))
    values = strength * rng.normal(size=(300, samples, 5))
    found = np.array([audit_moved_features(reversed_signs(v), seed=7).p_value for v in values])
    for level in (0.05, 0.2, 0.5):
        assert abs(np.mean(found <= level) - level) < 4 * np.sqrt(level * (1 - level) / 300)


@pytest.mark.parametrize(("powers", "elements"), [(2, 2), (2, 8), (4, 8), (2, 48), (3, 48)])
def test_as_many_samples_as_are_asked_for_refuse_what_is_plain(powers, elements):
    """Features that point one way in every sample, and turn by 1/power of a circle."""

    def turning(samples):
        phase = np.exp(2j * np.pi * np.arange(powers) / powers)[:, None, None]
        sizes = 1 + 0.1 * np.random.default_rng(0).normal(size=(1, samples, 1))
        moved = phase * sizes
        return np.concatenate([moved.real, moved.imag], axis=2)

    few = audit_moved_features(turning(3), elements)
    assert few.needed > few.samples == 3
    decided = audit_moved_features(turning(few.needed), elements)
    assert decided.needed == 0
    assert decided.p_value <= FALSE_ALARM / elements
    assert audit_moved_features(turning(few.needed - 1), elements).needed == few.needed


def test_what_shows_in_one_kind_is_not_drowned_by_another():
    rng = np.random.default_rng(3)
    plain = reversed_signs(rng.normal(1.0, 1.0, size=(40, 1)))
    noise = reversed_signs(rng.normal(size=(40, 500)))
    found = randomisation_test([("noise", noise), ("plain", plain)], 40, 8, 0)
    assert found.p_value <= FALSE_ALARM / 8
    assert found.where == "plain"


def test_round_off_and_what_does_not_move_are_no_evidence():
    rng = np.random.default_rng(4)
    still = np.stack([rng.normal(size=(30, 4))] * 2)
    tiny = reversed_signs(1e-9 + np.zeros((30, 1)))
    assert randomisation_test([("still", still), ("tiny", tiny)], 30, 8, 0).p_value == 1

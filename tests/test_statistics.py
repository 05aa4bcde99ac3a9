"""Bootstrap and verdicts."""

import numpy as np
import pytest

from symbench.statistics import (
    Estimate,
    PairedBootstrap,
    certain,
    difference,
    kept_gain,
    pooled,
    ratio,
    relative_change,
    verdict,
    verdict_of_all,
)


def test_interval_covers_the_mean_about_as_often_as_it_says():
    """Nested normal effects of seed and sample; a bootstrap of few units is a bit narrow."""
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        effect = rng.normal(size=(8, 1)) + rng.normal(size=(1, 20)) + rng.normal(size=(8, 20))
        low, high = PairedBootstrap(8, 20, seed=trial, draws=400).mean(effect).interval
        covered += low < 0 < high
    assert 0.86 < covered / 300 <= 1


def test_draws_are_means_of_what_is_drawn():
    bootstrap = PairedBootstrap(2, 3, draws=5)
    values = np.arange(6.0).reshape(2, 3)
    found = bootstrap.mean(values)
    for seeds, samples, draw in zip(bootstrap.seeds, bootstrap.samples, found.draws, strict=True):
        drawn = values.repeat(seeds, axis=0).repeat(samples, axis=1)
        assert drawn.shape == (2, 3)
        assert draw == pytest.approx(drawn.mean())
    assert (found.seeds, found.samples) == (2, 3)


def test_pairing_makes_a_constant_ratio_certain():
    rng = np.random.default_rng(0)
    plain = rng.lognormal(size=(3, 12))
    bootstrap = PairedBootstrap(3, 12)
    change = relative_change(bootstrap.mean(0.8 * plain), bootstrap.mean(plain))
    assert change.value == pytest.approx(-0.2)
    assert change.interval == pytest.approx((-0.2, -0.2))
    assert (change.seeds, change.samples) == (3, 12)
    half = ratio(bootstrap.mean(plain), bootstrap.mean(2 * plain))
    assert half.interval == pytest.approx((0.5, 0.5))
    assert difference(change, change).interval == (0, 0)
    assert pooled([change, change]).value == pytest.approx(-0.2)


def test_arms_with_other_numbers_of_seeds_are_paired_in_samples():
    values = np.random.default_rng(0).normal(size=20)
    two = PairedBootstrap(2, 20).mean(np.stack([values, values]))
    one = PairedBootstrap(1, 20).mean(values[None])
    apart = difference(two, one)
    assert apart.interval == pytest.approx((0, 0), abs=1e-15)
    assert apart.seeds == 1


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_not_finite_gives_no_interval_and_no_verdict(bad):
    values = np.ones((2, 8))
    fine = PairedBootstrap(2, 8).mean(values)
    values[0, 3] = bad
    lost = PairedBootstrap(2, 8).mean(values)
    assert not np.isfinite(lost.value)
    cases = [lost, relative_change(lost, fine), relative_change(lost, lost), ratio(fine, lost)]
    for estimate in [*cases, pooled([fine, lost])]:
        assert np.isnan(estimate.interval).all()
        assert verdict(estimate.interval, 1e9, -1e9) == "inconclusive"
    draws = np.full(10, 1.0)
    draws[3] = bad
    assert np.isnan(Estimate(1.0, draws, 1, 1).interval).all()


def test_changes_are_relative_to_the_size_of_the_reference():
    bootstrap = PairedBootstrap(2, 8)
    below, above = (bootstrap.mean(np.full((2, 8), value)) for value in (-2.0, -1.0))
    assert relative_change(above, below).value == pytest.approx(0.5)
    nothing = bootstrap.mean(np.zeros((2, 8)))
    for undefined in (relative_change(above, nothing), ratio(above, nothing)):
        assert np.isnan(undefined.value)
        assert np.isnan(undefined.interval).all()


def test_one_value_alone_has_no_interval():
    alone = PairedBootstrap(1, 1).mean(np.array([[0.3]]))
    assert alone.value == 0.3
    assert verdict(alone.interval, below=1.0, above=0.0) == "inconclusive"
    together = pooled([alone, PairedBootstrap(2, 3).mean(np.full((2, 3), 0.5))])
    assert together.value == pytest.approx(0.4)
    assert verdict(together.interval, below=1.0, above=0.0) == "inconclusive"
    assert certain(0.3, 0, 8).interval == pytest.approx((0.3, 0.3))


@pytest.mark.parametrize(
    ("interval", "below", "above", "expected"),
    [
        ((-0.2, -0.1), 0.0, None, "reproduced"),
        ((-0.2, 0.1), 0.0, None, "inconclusive"),
        ((0.1, 0.2), 0.0, None, "contradicted"),
        ((0.0, 0.0), 0.0, None, "inconclusive"),
        ((0.1, 0.2), None, 0.0, "reproduced"),
        ((0.9, 1.1), 1.25, 0.8, "reproduced"),
        ((0.9, 1.4), 1.25, 0.8, "inconclusive"),
        ((1.3, 1.4), 1.25, 0.8, "contradicted"),
        ((0.1, 0.2), 1.25, 0.8, "contradicted"),
        ((np.nan, np.nan), 0.0, None, "inconclusive"),
        ((0.1, np.inf), 0.0, None, "inconclusive"),
    ],
)
def test_verdicts(interval, below, above, expected):
    assert verdict(interval, below, above) == expected
    supported = "supported" if expected == "reproduced" else expected
    for origin in ("theory", "ours"):
        assert verdict(interval, below, above, origin=origin) == supported


def test_unmet_claims_that_cannot_contradict():
    assert verdict((0.1, 0.2), 0.0, None, unmet="inconclusive") == "inconclusive"


def test_verdict_on_all_cases_is_the_worst():
    assert verdict_of_all(["reproduced", "reproduced"]) == "reproduced"
    assert verdict_of_all(["supported", "supported"]) == "supported"
    assert verdict_of_all(["reproduced", "inconclusive"]) == "inconclusive"
    assert verdict_of_all(["contradicted", "inconclusive"]) == "contradicted"
    assert verdict_of_all([]) == "not run"


def test_kept_gain_at_known_points():
    """57 % for 2 and 86 % for 4 of 8 elements; 77 % and 89 % for 4 and 8 of 48."""
    np.testing.assert_allclose(kept_gain(8, np.array([1.0, 2, 4, 8])), [0, 4 / 7, 6 / 7, 1])
    np.testing.assert_allclose(kept_gain(48, np.array([4.0, 8])), [0.766, 0.894], atol=1e-3)
    assert kept_gain(1, np.array([1.0])) == 1

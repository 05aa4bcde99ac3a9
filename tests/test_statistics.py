"""Bootstrap and verdicts."""

import numpy as np
import pytest

from symbench.statistics import (
    Estimate,
    PairedBootstrap,
    difference,
    kept_gain,
    pooled,
    ratio,
    relative_change,
    verdict,
    verdict_of_all,
)


def test_interval_covers_the_mean_about_as_often_as_it_says():
    """Nested normal effects of seed and trajectory; a bootstrap of few units is a bit narrow."""
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        effect = rng.normal(size=(8, 1)) + rng.normal(size=(1, 20)) + rng.normal(size=(8, 20))
        low, high = PairedBootstrap(8, 20, seed=trial, draws=400).mean(effect).interval
        covered += low < 0 < high
    assert 0.86 < covered / 300 <= 1


def test_pairing_makes_a_constant_ratio_certain():
    rng = np.random.default_rng(0)
    plain = rng.lognormal(size=(3, 12))
    bootstrap = PairedBootstrap(3, 12)
    change = relative_change(bootstrap.mean(0.8 * plain), bootstrap.mean(plain))
    assert change.value == pytest.approx(-0.2)
    assert change.interval == pytest.approx((-0.2, -0.2))
    assert change.n == 36
    half = ratio(bootstrap.mean(plain), bootstrap.mean(2 * plain))
    assert half.interval == pytest.approx((0.5, 0.5))
    assert difference(change, change).interval == (0, 0)
    assert pooled([change, change]).value == pytest.approx(-0.2)


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


def test_unmet_claims_that_cannot_contradict():
    assert verdict((0.1, 0.2), 0.0, None, unmet="inconclusive") == "inconclusive"


def test_verdict_on_all_cases_is_the_worst():
    assert verdict_of_all(["reproduced", "reproduced"]) == "reproduced"
    assert verdict_of_all(["reproduced", "inconclusive"]) == "inconclusive"
    assert verdict_of_all(["contradicted", "inconclusive"]) == "contradicted"
    assert verdict_of_all([]) == "inconclusive"


def test_rollouts_that_blew_up_give_no_interval():
    draws = np.full(10, np.nan)
    assert np.isnan(Estimate(float("nan"), draws, 1).interval).all()


def test_kept_gain_at_known_points():
    """57 % for 2 and 86 % for 4 of 8 elements; 77 % and 89 % for 4 and 8 of 48."""
    np.testing.assert_allclose(kept_gain(8, np.array([1.0, 2, 4, 8])), [0, 4 / 7, 6 / 7, 1])
    np.testing.assert_allclose(kept_gain(48, np.array([4.0, 8])), [0.766, 0.894], atol=1e-3)
    assert kept_gain(1, np.array([1.0])) == 1

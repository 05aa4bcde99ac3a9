"""Intervals, pairing, and verdicts with their error rates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from symbench.statistics import (
    Expected,
    certain,
    derived,
    difference,
    judge,
    kept_gain,
    lowest,
    mean,
    pooled,
    ratio,
    relative_change,
    root,
)

THESE, SO = "this network", "networks trained so"
LOWER = Expected(below=0, met="reproduced")


def layout(rng, seeds, samples, between=1.0):
    """Values of a two-way layout: effects of seed, of sample, and of both."""
    effects = between * rng.normal(size=(seeds, 1)) + rng.normal(size=(1, samples))
    return effects + rng.normal(size=(seeds, samples))


def estimated(values, seeds=None):
    return mean(values, range(len(values)) if seeds is None else seeds)


def test_intervals_of_one_kind_of_spread_are_those_of_the_t_test():
    values = np.random.default_rng(0).normal(1, 1, size=(6, 1))
    alone = mean(values, range(6), samples_drawn=False)
    expected = stats.ttest_1samp(values[:, 0], 0).confidence_interval(0.95)
    assert alone.interval(SO) == pytest.approx(tuple(expected))
    assert (alone.seeds, alone.samples) == (6, 0)
    samples = np.random.default_rng(1).normal(1, 1, size=(1, 9))
    t_test = stats.ttest_1samp(samples[0], 0)
    assert estimated(samples).interval(THESE) == pytest.approx(tuple(t_test.confidence_interval()))
    assert estimated(samples).error_probability(THESE, 0) == pytest.approx(t_test.pvalue)
    both = np.broadcast_to(samples, (2, 9))
    assert estimated(both).interval(THESE) == pytest.approx(tuple(t_test.confidence_interval()))


def test_paired_arms_have_the_interval_of_the_paired_test():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(1, 12))
    second = first + rng.normal(0.1, 0.01, size=(1, 12))
    found = difference(estimated(second), estimated(first)).interval(THESE)
    paired = stats.ttest_rel(second[0], first[0]).confidence_interval()
    assert found == pytest.approx(tuple(paired))


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("between", [0.1, 1, 5])
def test_intervals_cover_the_mean_as_often_as_they_say(seeds, between):
    """The full table is made by benchmarks.intervals; here a sign that it stays true."""
    rng = np.random.default_rng(0)
    trials = 600
    covered = 0
    for _ in range(trials):
        low, high = estimated(layout(rng, seeds, 10, between)).interval(SO)
        covered += low < 0 < high
    assert (0.90 if seeds == 2 else 0.92) < covered / trials < 0.995


def test_blocks_weigh_what_they_have_of_samples():
    """A mean is one over samples, and its interval that of a ratio of two sums over blocks."""
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 30, size=40)
    values, other = rng.normal(size=(2, 40)) + 0.1 * sizes
    found, beside = (mean(each[None], [0], sizes=sizes) for each in (values, other))
    samples = np.repeat(values, sizes)
    assert found.value == pytest.approx(samples.mean())
    totals = np.add.reduceat(samples - samples.mean(), np.cumsum(sizes) - sizes)
    error = np.sqrt(len(sizes) * totals.var(ddof=1)) / len(samples)
    low, high = found.interval(THESE)
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 39) * error)
    change = relative_change(found, beside)
    quotient = (values @ sizes) / (other @ sizes)
    totals = sizes * (values - quotient * other)
    error = np.sqrt(len(sizes) * totals.var(ddof=1)) / (other @ sizes)
    low, high = change.interval(THESE)
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 39) * error)


def test_blocks_of_one_size_weigh_the_same():
    values = layout(np.random.default_rng(4), 3, 7)
    alike, plain = mean(values, range(3), sizes=np.full(7, 5)), mean(values, range(3))
    for population in (THESE, SO):
        assert alike.interval(population) == pytest.approx(plain.interval(population))


def test_a_constant_ratio_is_certain():
    plain = np.random.default_rng(0).lognormal(size=(3, 12))
    change = relative_change(estimated(0.8 * plain), estimated(plain))
    assert change.value == pytest.approx(-0.2)
    assert (change.seeds, change.samples) == (3, 12)
    half = ratio(estimated(plain), estimated(2 * plain))
    for population in (THESE, SO):
        assert change.interval(population) == pytest.approx((-0.2, -0.2))
        assert half.interval(population) == pytest.approx((0.5, 0.5))
        assert difference(change, change).interval(population) == (0, 0)
    assert pooled([change, change]).value == pytest.approx(-0.2)


def test_arms_with_other_numbers_of_seeds_are_paired_in_what_they_share():
    rng = np.random.default_rng(0)
    values = rng.normal(size=20)
    two, one = estimated(np.stack([values, values])), estimated(values[None])
    apart = difference(two, one)
    assert apart.interval(THESE) == pytest.approx((0, 0), abs=1e-12)
    assert np.isnan(apart.interval(SO)).all()
    assert apart.seeds == 1
    # Networks of equal seeds, alike but for a constant, and one more in the first arm.
    rows = layout(rng, 5, 30, between=20.0)
    more = difference(mean(rows, (3, 0, 1, 2, 4)), mean(rows[:4] + 1, (3, 0, 1, 2)))
    strangers = difference(mean(rows, range(5)), mean(rows[:4] + 1, range(10, 14)))
    width, unpaired = (np.ptp(each.interval(SO)) for each in (more, strangers))
    assert width < unpaired / 2


def test_derived_quantities_are_linearised():
    rng = np.random.default_rng(0)
    first, second = (estimated(3 + 0.1 * layout(rng, 4, 9)) for _ in range(2))
    quotient = derived(lambda a, b: a / b, first, second)
    for population in (THESE, SO):
        exact = ratio(first, second).interval(population)
        assert quotient.interval(population) == pytest.approx(exact, rel=1e-8)
    roots = root(first), derived(np.sqrt, first)
    assert roots[0].interval(SO) == pytest.approx(roots[1].interval(SO), rel=1e-8)
    assert root(estimated(np.zeros((2, 3)))).interval(SO) == (0, 0)
    assert np.isnan(root(estimated(np.full((2, 3), -1e-20))).interval(SO)).all()


def test_arms_of_the_same_networks_have_the_degrees_of_freedom_of_these():
    """Though they have other numbers of samples: means of three networks are three numbers."""
    rng = np.random.default_rng(0)
    between = 100 * rng.normal(size=(3, 1))
    first, second = between + rng.normal(size=(3, 12)), -between + rng.normal(size=(3, 48))
    found = difference(estimated(first), estimated(second)).interval(SO)
    means = stats.ttest_1samp(first.mean(1) - second.mean(1), 0).confidence_interval()
    assert found == pytest.approx(tuple(means), rel=0.01)


def test_networks_with_samples_of_their_own_are_covered():
    """Folds: each network is tested on its own samples, which then have no effect in common."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(600):
        values = 0.3 * rng.normal(size=(3, 1)) + rng.normal(size=(3, 12))
        low, high = estimated(values).interval(SO)
        covered += low < 0 < high
    assert covered / 600 > 0.93


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_not_finite_gives_no_interval_and_no_verdict(bad):
    values = np.ones((2, 8))
    fine = estimated(values)
    values = values.copy()
    values[0, 3] = bad
    lost = estimated(values)
    assert not np.isfinite(lost.value)
    cases = [lost, relative_change(lost, fine), relative_change(lost, lost), ratio(fine, lost)]
    for estimate in [*cases, pooled([fine, lost]), difference(lost, lost)]:
        for population in (THESE, SO):
            assert np.isnan(estimate.interval(population)).all()
            assert estimate.error_probability(population, 1e9) == 1
            judged = judge(Expected(below=1e9, above=-1e9), population, [fine, estimate])
            assert (judged.whole, judged.cases[1]) == ("inconclusive", "inconclusive")
    assert np.isnan(lowest(THESE, [fine, lost])[1]).all()


def test_changes_are_relative_to_the_size_of_the_reference():
    below, above = (estimated(np.full((2, 8), value)) for value in (-2.0, -1.0))
    assert relative_change(above, below).value == pytest.approx(0.5)
    nothing = estimated(np.zeros((2, 8)))
    for undefined in (relative_change(above, nothing), ratio(above, nothing)):
        assert np.isnan(undefined.value)
        assert np.isnan(undefined.interval()).all()


def test_one_seed_or_one_sample_tells_nothing_about_others():
    alone = estimated(np.array([[0.3]]))
    assert alone.value == 0.3
    assert np.isnan([*alone.interval(THESE), *alone.interval(SO)]).all()
    assert np.isnan(alone.needed(SO, [0]))
    many = estimated(np.random.default_rng(0).normal(size=(1, 50)))
    assert np.isfinite(many.interval(THESE)).all()
    assert judge(Expected(below=9), SO, [many]).whole == "inconclusive"
    assert judge(Expected(below=9), THESE, [many]).whole == "supported"
    assert np.isnan(pooled([many, estimated(np.ones((3, 50)))]).interval(SO)).all()
    assert certain(0.3, 0, 8).interval() == (0.3, 0.3)


def test_networks_with_one_test_set_each_are_judged_by_their_seeds():
    """An AUC of all pairs of a graph, and a graph for each seed."""
    values = np.random.default_rng(0).normal(0.75, 0.01, size=(4, 1))
    found = estimated(values)
    expected = stats.ttest_1samp(values[:, 0], 0).confidence_interval()
    assert found.interval(SO) == pytest.approx(tuple(expected))
    assert np.isnan(found.interval(THESE)).all()


def of_interval(low, high):
    """An estimate of this network with about that interval."""
    half = (high - low) / 2 / stats.t.ppf(0.975, 1)
    return estimated((low + high) / 2 + half * np.array([[-1.0, 1.0]]))


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
    ],
)
def test_verdicts(interval, below, above, expected):
    case = of_interval(*interval)
    assert case.interval(THESE) == pytest.approx(interval)
    found = judge(Expected(below, above, "reproduced"), THESE, [case])
    assert found.cases == (expected,)
    assert found.whole == expected


def test_unmet_claims_that_cannot_contradict():
    softly = Expected(below=0, unmet="inconclusive")
    assert judge(softly, THESE, [of_interval(0.1, 0.2)]).whole == "inconclusive"


def test_cases_are_judged_together():
    clear, close = of_interval(-1.01, -0.99), of_interval(-0.2, -0.001)
    assert judge(LOWER, THESE, [close]).whole == "reproduced"
    # By Holm's procedure the close one is held to 5 % after the clear one is decided.
    found = judge(LOWER, THESE, [close, clear])
    assert found.cases == ("reproduced", "reproduced")
    assert found.whole == "reproduced"
    found = judge(LOWER, THESE, [close, close])
    assert found.cases == ("inconclusive", "inconclusive")
    # All of them hold at 5 %: that is enough for the claim about all.
    assert found.whole == "reproduced"
    found = judge(LOWER, THESE, [of_interval(0.001, 0.2), *[of_interval(-1, 1)] * 8])
    assert found.whole == "inconclusive"
    assert judge(LOWER, THESE, [clear, of_interval(0.99, 1.01)]).whole == "contradicted"
    # The level of a case outside of two bounds is that of the near one.
    within = Expected(below=1.25, above=0.8)
    found = judge(within, THESE, [of_interval(1.254, 1.366), *[of_interval(0, 2)] * 8])
    assert found.cases[0] == found.whole == "inconclusive"
    assert judge(LOWER, THESE, []).whole == "not run"


def test_no_effect_gives_a_false_verdict_in_5_percent_of_families_at_most():
    rng = np.random.default_rng(0)
    false = {"cases": 0, "whole": 0}
    trials = 300
    for _ in range(trials):
        cases = [estimated(layout(rng, 3, 8)) for _ in range(9)]
        found = judge(LOWER, SO, cases)
        false["cases"] += set(found.cases) != {"inconclusive"}
        false["whole"] += found.whole != "inconclusive"
    assert false["cases"] / trials <= 0.08
    assert false["whole"] / trials <= 0.05


def test_the_lowest_of_many_equal_cases_is_not_below_them():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        cases = [estimated(layout(rng, 3, 8)) for _ in range(9)]
        chosen, (low, high) = lowest(SO, cases)
        assert chosen.value == min(case.value for case in cases)
        covered += low < 0 < high
    assert covered / 200 > 0.93


@given(st.integers(2, 6), st.integers(2, 9), st.integers(0, 99))
def test_the_number_that_decides_is_the_smallest_that_does(seeds, samples, seed):
    values = 0.3 + layout(np.random.default_rng(seed), seeds, samples)
    found = estimated(values)
    for population, units in ((THESE, samples), (SO, seeds)):
        low, high = found.interval(population)
        needed = found.needed(population, [0.0])
        if np.isfinite(needed):
            assert (needed <= units) == (not low <= 0 <= high)


def test_more_seeds_do_not_help_where_samples_are_few():
    rng = np.random.default_rng(0)
    values = np.ones((3, 1)) * rng.normal(0.2, 1, size=(1, 6)) + 1e-3 * rng.normal(size=(3, 6))
    assert estimated(values).needed(SO, [0.0]) == np.inf
    assert 6 < estimated(values).needed(THESE, [0.0]) < np.inf


def test_kept_gain_at_known_points():
    """57 % for 2 and 86 % for 4 of 8 elements; 77 % and 89 % for 4 and 8 of 48."""
    np.testing.assert_allclose(kept_gain(8, np.array([1.0, 2, 4, 8])), [0, 4 / 7, 6 / 7, 1])
    np.testing.assert_allclose(kept_gain(48, np.array([4.0, 8])), [0.766, 0.894], atol=1e-3)
    assert kept_gain(1, np.array([1.0])) == 1

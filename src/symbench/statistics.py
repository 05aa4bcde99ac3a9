"""Estimates with intervals over trained networks and test samples, and verdicts on claims.

Values have one row for each seed (a trained network) and one column for each independent block of
test samples; a block weighs what it has of samples, so that a mean is one over samples. An estimate
keeps how far each of them lies from the mean, to first order; where two arms share seeds and
samples these deviations are added before they are squared, so that arms are paired.
docs/intervals.md has the coverage of these intervals, simulated.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from symbench.config.schema import Population

Array = np.ndarray

COVERAGE = 0.95
NOT_RUN, UNDECIDED = "not run", "inconclusive"
# More seeds, or samples, than this are as good as none that would do.
MOST_UNITS = 10_000


@dataclass(frozen=True)
class Deviations:
    """How far each network and each block of samples moves an estimate, to first order.

    Attributes:
        values: weight times (value - mean), shape (seed, sample); they sum to zero. "Samples" are
            independent blocks here.
        seeds: the label of each row. Rows of one label, in any deviations, are of networks that
            were trained alike but for what is compared.
        samples_drawn: False for a quantity of the network alone, which has one column.

    """

    values: Array
    seeds: tuple[Hashable, ...]
    samples_drawn: bool = True


@dataclass(frozen=True)
class _Variances:
    """Squared standard errors of an estimate, with their degrees of freedom.

    Attributes:
        between_seeds: of networks, with what is of a network and a sample together.
        between_samples: of samples, without what is of a network and a sample together.
        of_these: of samples, where the networks are as they are.

    """

    between_seeds: float
    between_samples: float
    of_these: float
    degrees_of_seeds: float
    degrees_of_samples: float

    def margin(self, population: Population, level: float) -> float:
        """Half of the interval that misses the mean with a probability `level`."""
        if population == "this network":
            return float(_student(self.degrees_of_samples, level) * np.sqrt(self.of_these))
        return float(
            np.hypot(
                _student(self.degrees_of_seeds, level) * np.sqrt(self.between_seeds),
                _student(self.degrees_of_samples, level) * np.sqrt(self.between_samples),
            )
        )


@dataclass(frozen=True)
class Estimate:
    """A value, and what its interval follows from.

    Attributes:
        value: the estimate from all data.
        deviations: of networks and samples; none for a number that nothing is drawn for.
        seeds: number of trained networks behind it; 0 where it is about none.
        samples: number of independent blocks of samples behind it; 0 where it is about none.

    """

    value: float
    deviations: tuple[Deviations, ...]
    seeds: int
    samples: int

    def interval(
        self, population: Population = "networks trained so", coverage: float = COVERAGE
    ) -> tuple[float, float]:
        """The interval of the mean over a population.

        The margins of seeds and of samples, each with Student's t of its own degrees of freedom,
        are added in quadrature (Banerjee, Sankhyā 22, 1960, 357-358), on the mean squares of a
        two-way layout with one value a cell.

        Returns:
            Lower and upper end; NaN unless all values are finite, and NaN where nothing tells how
            far networks (one seed), or samples of this network (one block), lie from each other.
            Of networks with one block of samples each, what samples add is among what seeds add.

        """
        margin = self._variances.margin(population, 1 - coverage)
        if not (np.isfinite(self.value) and np.isfinite(margin)):
            return (float("nan"), float("nan"))
        return float(self.value - margin), float(self.value + margin)

    def error_probability(self, population: Population, bound: float) -> float:
        """The smallest level at which the interval still leaves out a bound; 1 if none does."""
        distance = abs(self.value - bound)
        if not np.isfinite(distance) or not np.isfinite(self._variances.margin(population, 0.5)):
            return 1.0
        smallest = 1e-15

        def excess(exponent: float) -> float:
            return self._variances.margin(population, float(np.exp(exponent))) - distance

        if excess(np.log(smallest)) < 0:
            return smallest
        if distance == 0 or excess(np.log1p(-smallest)) >= 0:
            return 1.0
        return float(np.exp(brentq(excess, np.log(smallest), np.log1p(-smallest))))

    def needed(
        self, population: Population, bounds: Sequence[float], coverage: float = COVERAGE
    ) -> float:
        """How many seeds (of this network: samples) put all bounds outside of the interval.

        The value and the spread are taken to stay as they are. Infinite where no number would do,
        NaN where nothing is known about the spread.
        """
        distance = min(abs(self.value - bound) for bound in bounds)
        if not (np.isfinite(distance) and np.isfinite(self._variances.margin(population, 0.5))):
            return float("nan")
        units = self.seeds if population == "networks trained so" else self.samples
        if units < 2:
            return float("nan")
        low, high = 2, MOST_UNITS
        if self._with(population, high).margin(population, 1 - coverage) >= distance:
            return float("inf")
        while low < high:
            middle = (low + high) // 2
            margin = self._with(population, middle).margin(population, 1 - coverage)
            low, high = (low, middle) if margin < distance else (middle + 1, high)
        return float(low)

    def _with(self, population: Population, units: int) -> _Variances:
        """What another number of seeds, or samples, would have."""
        found = self._variances
        if population == "this network":
            of_these = found.of_these * self.samples / units
            return replace(found, of_these=of_these, degrees_of_samples=units - 1)
        between_seeds = found.between_seeds * self.seeds / units
        return replace(found, between_seeds=between_seeds, degrees_of_seeds=units - 1)

    @cached_property
    def _variances(self) -> _Variances:
        """Each label's deviations are added up over all arms, then squared."""
        of_seed: dict[Hashable, float] = defaultdict(float)
        of_sample: dict[int, float] = defaultdict(float)
        of_both: dict[tuple[Hashable, int], float] = defaultdict(float)
        one_block = False
        seeds_alone: list[tuple[float, float]] = []
        samples_alone: list[tuple[float, float]] = []
        for each in self.deviations:
            seeds, samples = each.values.shape
            rows, columns = each.values.mean(1), each.values.mean(0)
            # So that sums of squares are unbiased; one row or column alone has no degrees.
            spread_rows, spread_columns = (
                np.sqrt(count / max(count - 1, 1)) for count in (seeds, samples)
            )
            seeds_alone.append((float(np.sum(rows**2)) / seeds**2, seeds - 1))
            for label, value in zip(each.seeds, rows * spread_rows / seeds, strict=True):
                of_seed[label] += value
            if not each.samples_drawn:
                continue
            if samples == 1:
                # Each network has a test set of its own, or all are judged on this one.
                one_block = True
                continue
            samples_alone.append((float(np.sum(columns**2)) / samples**2, samples - 1))
            for index, value in enumerate(columns * spread_columns / samples):
                of_sample[index] += value
            with np.errstate(invalid="ignore"):
                rest = (each.values - rows[:, None] - columns) * spread_rows * spread_columns
            for row, label in enumerate(each.seeds if seeds > 1 else ()):
                for index, value in enumerate(rest[row] / (seeds * samples)):
                    of_both[label, index] += value
        seed, sample, both = (
            float(np.sum(np.square(list(sums.values())))) for sums in (of_seed, of_sample, of_both)
        )
        return _Variances(
            seed,
            float(np.maximum(sample - both, 0)),
            np.nan if one_block else sample,
            # Arms of the same networks have no more degrees of freedom than these.
            min(_satterthwaite(seeds_alone), max(len(of_seed) - 1, 0) if of_seed else np.inf),
            min(_satterthwaite(samples_alone), len(of_sample) - 1 if of_sample else np.inf),
        )


def _satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of squared standard errors; 0 where one part has none."""
    if not parts:
        return np.inf
    if any(degrees < 1 for _, degrees in parts):
        return 0.0
    total = sum(variance for variance, _ in parts)
    squares = sum(variance**2 / degrees for variance, degrees in parts)
    return total**2 / squares if squares > 0 else min(degrees for _, degrees in parts)


def _student(degrees: float, level: float) -> float:
    """Student's t that is exceeded on both sides together with a probability `level`."""
    if degrees < 1:
        return float("nan")
    return float(-stdtrit(min(degrees, 1e9), level / 2))


@dataclass(frozen=True)
class Blocks:
    """A quantity in independent blocks of test samples.

    Attributes:
        values: mean over the samples of each block, shape (seed, block).
        sizes: number of samples in each, of the same shape.

    """

    values: Array
    sizes: Array

    @property
    def of_seeds(self) -> Array:
        """Mean over the samples of each seed."""
        return np.average(self.values.astype(float), axis=1, weights=self.sizes)


def mean(
    values: Array,
    seeds: Sequence[Hashable],
    *,
    sizes: Array | None = None,
    samples_drawn: bool = True,
) -> Estimate:
    """Mean of values, shape (seed, sample); of one column where a network alone has the quantity.

    With blocks of unequal sizes it is a ratio of two sums over blocks, linearised (Cochran,
    Sampling Techniques, 3rd ed., 1977, section 9A.3).

    Args:
        values: one for each seed and independent block of test samples.
        seeds: the label of each row; arms are paired by them.
        sizes: number of samples in each block, if not the same, in a shape that goes with values.
        samples_drawn: False where the single column is a quantity of the network alone.

    """
    blocks = Blocks(values, np.broadcast_to(1 if sizes is None else sizes, values.shape))
    of_seeds = blocks.of_seeds[:, None]
    weights = blocks.sizes / blocks.sizes.mean(axis=1, keepdims=True)
    value = float(of_seeds.mean())
    with np.errstate(invalid="ignore"):
        centred = of_seeds - value + weights * (values.astype(float) - of_seeds)
    deviations = Deviations(centred, tuple(seeds), samples_drawn)
    return Estimate(value, (deviations,), len(values), values.shape[1] if samples_drawn else 0)


def certain(value: float, seeds: int, samples: int) -> Estimate:
    """A number that nothing is drawn for: its interval is itself."""
    return Estimate(value, (), seeds, samples)


def derived(function: Callable[..., float], *estimates: Estimate) -> Estimate:
    """A smooth function of some estimates, paired where these share seeds and samples.

    Its derivatives are taken numerically, by central differences.
    """
    values = [estimate.value for estimate in estimates]
    slopes = []
    for index, value in enumerate(values):
        step = np.cbrt(np.finfo(float).eps) * (abs(value) or 1.0)
        around = [[*values[:index], value + move, *values[index + 1 :]] for move in (-step, step)]
        below, above = (function(*place) for place in around)
        slopes.append((above - below) / (2 * step))
    return _combined(function(*values), estimates, slopes)


def relative_change(value: Estimate, reference: Estimate) -> Estimate:
    """(value - reference) / |reference|; NaN where the reference is 0."""
    size = abs(reference.value) or np.nan
    slopes = (1 / size, -value.value / (size * reference.value) if reference.value else np.nan)
    with np.errstate(invalid="ignore"):
        change = (np.float64(value.value) - reference.value) / size
    return _combined(change, (value, reference), slopes)


def ratio(numerator: Estimate, denominator: Estimate) -> Estimate:
    """numerator / denominator; NaN where the denominator is 0."""
    divisor = denominator.value or np.nan
    with np.errstate(invalid="ignore"):
        quotient = np.float64(numerator.value) / divisor
    return _combined(quotient, (numerator, denominator), (1 / divisor, -quotient / divisor))


def root(estimate: Estimate) -> Estimate:
    """Square root of an estimate that is not negative."""
    with np.errstate(invalid="ignore"):
        value = float(np.sqrt(estimate.value))
    return _combined(value, (estimate,), (0.5 / value if value else 0.0,))


def difference(first: Estimate, second: Estimate) -> Estimate:
    """first - second."""
    with np.errstate(invalid="ignore"):
        return _combined(np.float64(first.value) - second.value, (first, second), (1, -1))


def pooled(estimates: Sequence[Estimate]) -> Estimate:
    """Mean of several estimates, each with the same weight; it has the fewest seeds and samples."""
    with np.errstate(invalid="ignore"):
        value = float(np.mean([estimate.value for estimate in estimates]))
    return _combined(value, estimates, [1 / len(estimates)] * len(estimates))


def _combined(value: float, estimates: Sequence[Estimate], slopes: Sequence[float]) -> Estimate:
    """A function of estimates, linearised; deviations of equal seeds and samples become one."""
    found: dict[tuple[Hashable, ...], Deviations] = {}
    for estimate, slope in zip(estimates, slopes, strict=True):
        for each in estimate.deviations:
            key = (each.seeds, each.values.shape[1], each.samples_drawn)
            with np.errstate(invalid="ignore"):
                weighted = slope * each.values
                if key in found:
                    weighted = found[key].values + weighted
            found[key] = replace(each, values=weighted)
    seeds, samples = (
        min(getattr(estimate, name) for estimate in estimates) for name in ("seeds", "samples")
    )
    return Estimate(float(value), tuple(found.values()), seeds, samples)


@dataclass(frozen=True)
class Judgement:
    """Verdicts on the cases of a claim, and on the claim as a whole."""

    cases: tuple[str, ...]
    whole: str


@dataclass(frozen=True)
class Expected:
    """What a claim expects of each of its cases.

    Attributes:
        below: upper bound, if any.
        above: lower bound, if any.
        met: the verdict where a case lies within the bounds.
        unmet: the verdict where it lies outside of them.

    """

    below: float | None = None
    above: float | None = None
    met: str = "supported"
    unmet: str = "contradicted"

    @property
    def bounds(self) -> list[float]:
        """Those that there are."""
        return [bound for bound in (self.above, self.below) if bound is not None]

    def bounds_to_leave(self, value: float) -> list[float]:
        """Bounds that an interval around a value must leave out, so that it is decided."""
        outside = [
            bound
            for bound, beyond in ((self.above, -1), (self.below, 1))
            if bound is not None and beyond * (value - bound) > 0
        ]
        return outside or self.bounds

    def side(self, low: float, high: float) -> str:
        """The verdict on an interval: met, unmet, or inconclusive."""
        upper = np.inf if self.below is None else self.below
        lower = -np.inf if self.above is None else self.above
        if not (np.isfinite(low) and np.isfinite(high)):
            return UNDECIDED
        if lower < low and high < upper:
            return self.met
        return self.unmet if high < lower or low > upper else UNDECIDED


def judge(expected: Expected, population: Population, cases: Sequence[Estimate]) -> Judgement:
    """Verdicts with at most 5 % for a wrong one among all cases of a claim.

    A case is decided by Holm's step-down procedure (Scandinavian Journal of Statistics 6, 1979):
    of k cases the clearest is held to a level of 5 % / k, the next to 5 % / (k - 1), until one is
    not decided. The claim about every case is met if each case is met on its own at 5 %, which is
    the harder test already (Berger, Technometrics 24, 1982), and unmet if one case is.
    """
    if not cases:
        return Judgement((), NOT_RUN)
    levels = [_level(expected, population, case) for case in cases]
    at_5_percent = [
        expected.side(case.value, case.value) if level <= 1 - COVERAGE else UNDECIDED
        for case, level in zip(cases, levels, strict=True)
    ]
    verdicts = [UNDECIDED] * len(cases)
    for rank, index in enumerate(np.argsort(levels, kind="stable")):
        if levels[index] > (1 - COVERAGE) / (len(cases) - rank):
            break
        verdicts[index] = at_5_percent[index]
    if expected.unmet in verdicts and expected.unmet != UNDECIDED:
        whole = expected.unmet
    else:
        whole = expected.met if set(at_5_percent) == {expected.met} else UNDECIDED
    return Judgement(tuple(verdicts), whole)


def _level(expected: Expected, population: Population, case: Estimate) -> float:
    """The smallest level at which a case is decided."""
    bounds = expected.bounds_to_leave(case.value)
    return max(case.error_probability(population, bound) for bound in bounds)


def lowest(
    population: Population, cases: Sequence[Estimate]
) -> tuple[Estimate, tuple[float, float]]:
    """The lowest of some cases, with the interval of the lowest mean of all of them.

    It comes from intervals that hold together (Bonferroni), so that it is right although the case
    was chosen for being the lowest.
    """
    chosen = min(cases, key=lambda case: (bool(np.isnan(case.value)), case.value))
    coverage = 1 - (1 - COVERAGE) / len(cases)
    lows, highs = zip(*(case.interval(population, coverage) for case in cases), strict=True)
    return chosen, (float(np.min(lows)), float(np.min(highs)))


def kept_gain(order: int, elements: Array) -> Array:
    """Expected share of the gain in squared error kept by n random elements (P5)."""
    if order == 1:
        return np.ones_like(elements, dtype=float)
    return 1 - (order - elements) / (elements * (order - 1))

"""Paired bootstrap over seeds and samples, and verdicts on claims.

Samples of one trajectory are correlated and all seeds see the same test set, so whole blocks of
samples and whole seeds are drawn, the same for every quantity that is compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

DRAWS = 2000
COVERAGE = 0.95
NOT_RUN = "not run"


@dataclass(frozen=True)
class Estimate:
    """A value with its bootstrap distribution.

    Attributes:
        value: the estimate from all data.
        draws: its values on resampled data; NaN where nothing can be resampled.
        seeds: number of trained networks behind it; 0 where it is about none.
        samples: number of independent blocks of samples behind it; 0 where it is about none.

    """

    value: float
    draws: Array
    seeds: int
    samples: int

    @property
    def interval(self) -> tuple[float, float]:
        """The central 95 % of the draws; NaN unless the value and all draws are finite."""
        if not (np.isfinite(self.value) and np.isfinite(self.draws).all()):
            return (float("nan"), float("nan"))
        tail = (1 - COVERAGE) / 2
        low, high = np.quantile(self.draws, [tail, 1 - tail])
        return float(low), float(high)


def certain(value: float, seeds: int, samples: int) -> Estimate:
    """A number that nothing is drawn for: its interval is itself."""
    return Estimate(value, np.full(DRAWS, value), seeds, samples)


class PairedBootstrap:
    """Draws seeds and blocks of samples once, and applies them to any quantity.

    Seeds and samples have random streams of their own, so that quantities with other numbers of
    seeds see the same draws of the same test samples.
    """

    def __init__(self, seeds: int, samples: int, seed: int = 0, draws: int = DRAWS) -> None:
        """Draw the resamples.

        Args:
            seeds: number of seeds.
            samples: number of independent blocks of test samples.
            seed: of the draws.
            draws: number of resamples.

        """
        streams = np.random.SeedSequence(seed).spawn(2)
        # How often each is drawn: all that a mean needs, and smaller than what is drawn.
        self.seeds, self.samples = (
            np.random.default_rng(stream).multinomial(count, np.full(count, 1 / count), draws)
            for stream, count in zip(streams, (seeds, samples), strict=True)
        )

    def mean(self, values: Array) -> Estimate:
        """Mean of values of shape (seed, sample); one value alone has no interval."""
        seeds, samples = values.shape
        value = float(values.mean(dtype=float))
        if values.size == 1 or not np.isfinite(values).all():
            return Estimate(value, np.full(len(self.seeds), np.nan), seeds, samples)
        over_seeds = self.seeds @ values.astype(float)
        draws = np.einsum("dn,dn->d", over_seeds, self.samples) / values.size
        return Estimate(value, draws, seeds, samples)


def relative_change(value: Estimate, reference: Estimate) -> Estimate:
    """(value - reference) / |reference|, paired draw by draw; NaN where the reference is 0."""
    return _paired(value, reference, lambda a, b: _quotient(a - b, np.abs(b)))


def ratio(numerator: Estimate, denominator: Estimate) -> Estimate:
    """numerator / denominator, paired draw by draw; NaN where the denominator is 0."""
    return _paired(numerator, denominator, _quotient)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """first - second, draw by draw."""
    return _paired(first, second, np.subtract)


def _quotient(numerator: Array, denominator: Array) -> Array:
    known = np.where(denominator == 0, np.nan, denominator)
    return np.asarray(numerator / known)


def _paired(
    first: Estimate, second: Estimate, function: Callable[[Array, Array], Array]
) -> Estimate:
    with np.errstate(invalid="ignore"):
        value = function(np.array(first.value), np.array(second.value))
        draws = function(first.draws, second.draws)
    seeds, samples = min(first.seeds, second.seeds), min(first.samples, second.samples)
    return Estimate(float(value), draws, seeds, samples)


def pooled(estimates: Sequence[Estimate]) -> Estimate:
    """Mean of several estimates, each with the same weight; it has the fewest seeds and samples."""
    with np.errstate(invalid="ignore"):
        return Estimate(
            float(np.mean([estimate.value for estimate in estimates])),
            np.mean([estimate.draws for estimate in estimates], axis=0),
            min(estimate.seeds for estimate in estimates),
            min(estimate.samples for estimate in estimates),
        )


def verdict(
    interval: tuple[float, float],
    below: float | None,
    above: float | None,
    unmet: str = "contradicted",
    origin: str = "paper",
) -> str:
    """Judge an interval against what a claim expects.

    Args:
        interval: of the estimate.
        below: upper bound of what is expected, if any.
        above: lower bound, if any.
        unmet: the verdict where none of the interval lies within the bounds.
        origin: whose sentence it is; only one of the paper can be reproduced.

    Returns:
        "reproduced" (a claim of the paper) or "supported" if the whole interval lies within the
        bounds, `unmet` if none of it does, else "inconclusive".

    """
    low, high = interval
    upper = np.inf if below is None else below
    lower = -np.inf if above is None else above
    if not (np.isfinite(low) and np.isfinite(high)):
        return "inconclusive"
    if lower < low and high < upper:
        return "reproduced" if origin == "paper" else "supported"
    if high < lower or low > upper:
        return unmet
    return "inconclusive"


def verdict_of_all(verdicts: Sequence[str]) -> str:
    """Verdict on a claim about every case: the worst of its cases; "not run" without any."""
    for outcome in ("contradicted", "inconclusive"):
        if outcome in verdicts:
            return outcome
    return verdicts[0] if verdicts else NOT_RUN


def kept_gain(order: int, elements: Array) -> Array:
    """Expected share of the gain in squared error kept by n random elements (P5)."""
    if order == 1:
        return np.ones_like(elements, dtype=float)
    return 1 - (order - elements) / (elements * (order - 1))

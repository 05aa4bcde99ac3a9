"""Paired bootstrap over seeds and trajectories, and verdicts on claims.

Windows of one trajectory are correlated and all seeds see the same test set, so whole trajectories
and whole seeds are drawn, the same for every quantity that is compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

DRAWS = 2000
COVERAGE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with its bootstrap distribution.

    Attributes:
        value: the estimate from all data.
        draws: its values on resampled data.
        n: number of independent units behind it: seeds times trajectories.

    """

    value: float
    draws: Array
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """The central 95 % of the draws."""
        if not np.isfinite(self.draws).any():
            return (float("nan"), float("nan"))
        tail = (1 - COVERAGE) / 2
        low, high = np.nanquantile(self.draws, [tail, 1 - tail])
        return float(low), float(high)


class PairedBootstrap:
    """Draws seeds and trajectories once, and applies them to any quantity."""

    def __init__(self, seeds: int, trajectories: int, seed: int = 0, draws: int = DRAWS) -> None:
        """Draw the resamples.

        Args:
            seeds: number of seeds.
            trajectories: number of test trajectories.
            seed: of the draws.
            draws: number of resamples.

        """
        rng = np.random.default_rng(seed)
        self.n = seeds * trajectories
        self.seeds = rng.integers(seeds, size=(draws, seeds))
        self.trajectories = rng.integers(trajectories, size=(draws, trajectories))

    def mean(self, values: Array) -> Estimate:
        """Mean of values of shape (seed, trajectory); one value alone has no interval."""
        if self.n == 1:
            return Estimate(float(values.mean()), np.full(len(self.seeds), np.nan), self.n)
        chosen = values[self.seeds[:, :, None], self.trajectories[:, None, :]]
        return Estimate(float(values.mean()), chosen.mean(axis=(1, 2)), self.n)


def relative_change(value: Estimate, reference: Estimate) -> Estimate:
    """value / reference - 1, paired draw by draw."""
    return Estimate(value.value / reference.value - 1, value.draws / reference.draws - 1, value.n)


def ratio(numerator: Estimate, denominator: Estimate) -> Estimate:
    """numerator / denominator, paired draw by draw."""
    return Estimate(
        numerator.value / denominator.value, numerator.draws / denominator.draws, numerator.n
    )


def difference(first: Estimate, second: Estimate) -> Estimate:
    """first - second, draw by draw."""
    return Estimate(first.value - second.value, first.draws - second.draws, min(first.n, second.n))


def pooled(estimates: Sequence[Estimate]) -> Estimate:
    """Mean of several estimates, each with the same weight."""
    return Estimate(
        float(np.mean([estimate.value for estimate in estimates])),
        np.mean([estimate.draws for estimate in estimates], axis=0),
        sum(estimate.n for estimate in estimates),
    )


def verdict(
    interval: tuple[float, float],
    below: float | None,
    above: float | None,
    unmet: str = "contradicted",
) -> str:
    """Judge an interval against what a claim expects.

    Returns:
        "reproduced" if the whole interval lies within the bounds, `unmet` if none of it does,
        else "inconclusive".

    """
    low, high = interval
    upper = np.inf if below is None else below
    lower = -np.inf if above is None else above
    if not (np.isfinite(low) and np.isfinite(high)):
        return "inconclusive"
    if lower < low and high < upper:
        return "reproduced"
    if high < lower or low > upper:
        return unmet
    return "inconclusive"


def verdict_of_all(verdicts: Sequence[str]) -> str:
    """Verdict on a claim about every case: the worst of its cases."""
    for outcome in ("contradicted", "inconclusive"):
        if outcome in verdicts:
            return outcome
    return "reproduced" if verdicts else "inconclusive"


def kept_gain(order: int, elements: Array) -> Array:
    """Expected share of the gain in squared error kept by n random elements (P5)."""
    if order == 1:
        return np.ones_like(elements, dtype=float)
    return 1 - (order - elements) / (elements * (order - 1))

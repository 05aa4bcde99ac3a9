"""Simulate coverage of the intervals and rates of false verdicts; write docs/intervals.md.

python -m benchmarks.intervals
"""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.pages import markdown
from symbench.statistics import (
    UNDECIDED,
    Estimate,
    Expected,
    judge,
    lowest,
    mean,
    pooled,
    relative_change,
)

TRIALS = 2000
SEEDS = (2, 3, 5, 10)
# Variance that seeds add to the mean of five networks, over the variance that samples add.
RATIOS = (0.1, 1.0, 10.0)
FEW, MANY = 12, 48

Array = np.ndarray
Draw = Callable[[np.random.Generator, tuple[int, int]], Array]


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    return rng.standard_normal(shape)


def _heavy(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Student's t with three degrees of freedom, of unit variance."""
    return rng.standard_t(3, shape) / np.sqrt(3)


def _skewed(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Log-normal with a skewness of 1.75, of mean zero and unit variance."""
    values = rng.lognormal(0, 0.5, shape)
    return np.asarray((values - np.exp(0.125)) / np.sqrt(np.exp(0.5) - np.exp(0.25)))


OWN = "samples of each seed's own"
# Effects of seeds, and effects of samples.
KINDS: dict[str, tuple[Draw, Draw]] = {
    "normal": (_normal, _normal),
    OWN: (_normal, _normal),
    "heavy tails": (_heavy, _heavy),
    "skewed samples": (_normal, _skewed),
    "skewed seeds and samples": (_skewed, _skewed),
}


def values(rng: np.random.Generator, kind: str, seeds: int, samples: int, ratio: float) -> Array:
    """Values of zero mean, shape (seed, sample); `ratio` is that of seeds to samples."""
    of_seeds, of_samples = KINDS[kind]
    between = np.sqrt(5 * ratio / samples) * of_seeds(rng, (seeds, 1))
    if kind == OWN:
        return np.asarray(between + of_samples(rng, (seeds, samples)))
    together = 0.7 * of_samples(rng, (seeds, samples))
    return np.asarray(between + of_samples(rng, (1, samples)) + together)


def coverage_table() -> pd.DataFrame:
    """Percent of intervals that hold the mean, by seeds, kind and numbers of samples."""
    rng = np.random.default_rng(0)
    rows = []
    for kind in KINDS:
        for samples in (FEW, MANY):
            for seeds in SEEDS:
                row: dict[str, object] = {"effects": kind, "samples": samples, "seeds": seeds}
                for ratio in RATIOS:
                    drawn = (
                        mean(values(rng, kind, seeds, samples, ratio), range(seeds))
                        for _ in range(TRIALS)
                    )
                    row[f"seeds : samples = {ratio:g}"] = _percent(_covers(each) for each in drawn)
                rows.append(row)
    return pd.DataFrame(rows)


def blocks_table() -> pd.DataFrame:
    """Percent of intervals that hold the mean, for blocks of unequal sizes."""
    rng = np.random.default_rng(3)
    rows = []
    for blocks, largest in itertools.product((FEW, MANY), (3, 30)):
        for seeds in SEEDS:
            alone, changes = [], []
            for _ in range(TRIALS):
                sizes = rng.integers(1, largest, size=blocks, endpoint=True)
                plain, other = (
                    mean(
                        level + 0.1 * values(rng, "normal", seeds, blocks, 1.0),
                        range(seeds),
                        sizes=sizes,
                    )
                    for level in (1.0, 0.8)
                )
                alone.append(_covers(plain, 1.0))
                changes.append(_covers(relative_change(other, plain), -0.2))
            rows.append(
                {
                    "blocks": blocks,
                    "samples of a block": f"1 to {largest}",
                    "seeds": seeds,
                    "mean": _percent(alone),
                    "change": _percent(changes),
                }
            )
    return pd.DataFrame(rows)


def arms_table() -> pd.DataFrame:
    """Percent of intervals that hold the true value, for quantities of more than one arm."""
    rng = np.random.default_rng(1)
    rows = []
    for seeds in SEEDS:
        found: dict[str, list[bool]] = {}
        for _ in range(TRIALS):
            shared = 0.15 * values(rng, "normal", seeds, FEW, 1.0)
            plain = mean(1 + shared, range(seeds))
            own = 0.05 * values(rng, "normal", seeds, FEW, 1.0)
            paired = mean(0.8 * (1 + shared) + own, range(seeds))
            found.setdefault("change, paired", []).append(
                _covers(relative_change(paired, plain), -0.2)
            )
            apart = 0.8 + 0.12 * values(rng, "normal", seeds, MANY, 1.0)
            other = mean(apart, range(100, 100 + seeds))
            found.setdefault("change, other seeds and samples", []).append(
                _covers(relative_change(other, plain), -0.2)
            )
            more = 0.15 * values(rng, "normal", 2 * seeds, FEW, 1.0)
            fewer = mean(0.8 * (1 + more[:seeds]), range(seeds))
            longer = mean(1 + 0.15 * values(rng, "normal", seeds, MANY, 1.0), range(seeds))
            found.setdefault("change, same seeds and other samples", []).append(
                _covers(relative_change(paired, longer), -0.2)
            )
            found.setdefault("change, twice the seeds in one arm", []).append(
                _covers(relative_change(fewer, mean(1 + more, range(2 * seeds))), -0.2)
            )
            found.setdefault("mean over four tasks", []).append(
                _covers(pooled(_family(rng, seeds, 4)))
            )
        rows.append({"seeds": seeds, **{name: _percent(hits) for name, hits in found.items()}})
    return pd.DataFrame(rows)


def verdicts_table() -> pd.DataFrame:
    """Percent of families without any effect that get a verdict, and of choices that miss."""
    rng = np.random.default_rng(2)
    rows = []
    # With two bounds, the truth lies on one of them.
    for expected, cases in itertools.product(
        (Expected(below=0), Expected(below=0, above=-9)), (1, 4, 9)
    ):
        for seeds in SEEDS[:3]:
            of_cases, wholes, missed = [], [], []
            for _ in range(TRIALS):
                family = _family(rng, seeds, cases)
                found = judge(expected, "networks trained so", family)
                of_cases.append(set(found.cases) != {UNDECIDED})
                wholes.append(found.whole != UNDECIDED)
                low, high = lowest("networks trained so", family)[1]
                missed.append(not low < 0 < high)
            rows.append(
                {
                    "claim": "below" if expected.above is None else "within two bounds",
                    "cases": cases,
                    "seeds": seeds,
                    "some case decided": _percent(of_cases),
                    "claim as a whole decided": _percent(wholes),
                    "interval of the lowest misses": _percent(missed),
                }
            )
    return pd.DataFrame(rows)


def _family(rng: np.random.Generator, seeds: int, cases: int) -> list[Estimate]:
    return [mean(values(rng, "normal", seeds, FEW, 1.0), range(seeds)) for _ in range(cases)]


def _covers(estimate: Estimate, truth: float = 0.0) -> bool:
    low, high = estimate.interval("networks trained so")
    return low < truth < high


def _percent(hits: Iterable[bool]) -> str:
    return f"{100 * np.mean(list(hits)):.1f}"


def main() -> None:
    """Write the page."""
    text = f"""# How good the intervals are

Made by `python -m benchmarks.intervals`: {TRIALS} simulated results for each number, so that each
is known to about half a percent. A value is the sum of an effect of the seed, one of the test
sample, and one of both together (0.7 of the spread of samples); or each seed has samples of its
own, as folds have. The method stands in `symbench.statistics`: mean squares of the two-way layout,
and the margins of seeds and of samples, each with Student's t of its own degrees of freedom, added
in quadrature (Banerjee, Sankhyā 22, 1960, 357-358).

## Coverage of the 95 % intervals of networks trained so

Percent of intervals that hold the true mean; 95 would be exact. Columns: variance that seeds add to
the mean of five networks over that of samples. One seed has no interval. Heavy tails: Student's t
with three degrees of freedom; skewed: log-normal with a skewness of 1.75.

{markdown(coverage_table())}

## Coverage for blocks of unequal sizes

Of a mean over samples that lie in blocks of as many as the columns say, all numbers equally often,
and of the change between two such means.

{markdown(blocks_table())}

## Coverage for quantities of several arms

{markdown(arms_table())}

## Verdicts where there is no effect

Percent of claims "below 0", or "between -9 and 0", about several cases, all of whose true values
are 0, for which some case, or the claim as a whole, gets a verdict; each would be false, and at
most 5 is aimed at. The last column is for claims about the lowest case.

{markdown(verdicts_table())}
"""
    Path("docs/intervals.md").write_text(text)


if __name__ == "__main__":
    main()

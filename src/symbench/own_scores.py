"""Scores of your own methods: intervals, ranks and verdicts by the statistics of the claims."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from symbench.config.schema import Population
from symbench.errors import DataError, choose
from symbench.statistics import COVERAGE, Estimate, mean, relative_change

Better = Literal["lower", "higher"]
COLUMNS = ("method", "seed", "sample")
ROUND_OFF = 1e-9


@dataclass(frozen=True)
class Scores:
    """Scores of one method.

    Attributes:
        values: shape (seed, block); samples of a block are averaged.
        seeds: label of each row.
        blocks: label of each column.

    """

    values: np.ndarray
    seeds: tuple[object, ...]
    blocks: tuple[object, ...]

    @property
    def estimate(self) -> Estimate:
        """Their mean, with what its interval follows from."""
        return mean(self.values, self.seeds)


def read_scores(path: Path) -> dict[str, Scores]:
    """Scores by method, from a table.

    A CSV file has the columns method, seed and sample, and score, or prediction and truth, whose
    squared difference is the score; samples of one `block`, where that column is given, are not
    independent. An .npz file has an array of scores of shape (seed, sample) for each method, of
    the same samples; or of predictions, of shape (seed, sample, ...), beside an array `truth` of
    shape (sample, ...).

    Raises:
        DataError: if something is missing, is no number, is there twice, or differs between
            methods.

    """
    if path.suffix == ".npz":
        return _from_arrays(path)
    try:
        table = pd.read_csv(path, dtype={"method": str})
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}.") from None
    wanted = [*COLUMNS, *(("prediction", "truth") if "truth" in table else ("score",))]
    if missing := [name for name in wanted if name not in table]:
        raise DataError(f"{path} has no column '{missing[0]}'; it needs {', '.join(wanted)}.")
    for name in wanted[3:]:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise DataError(f"{path}: column '{name}' holds what is no number.")
    if table[list(COLUMNS)].isna().any(axis=None):
        raise DataError(f"{path} has rows without a method, a seed or a sample.")
    if "truth" in table:
        table["score"] = (table.prediction - table.truth) ** 2
    twice = table.duplicated(list(COLUMNS))
    if twice.any():
        row = table[twice].iloc[0]
        raise DataError(
            f"{path}: sample {row['sample']} of seed {row.seed} of {row.method} is there twice."
        )
    of_samples = table.assign(block=table.get("block", table["sample"]))[["sample", "block"]]
    blocks = of_samples.drop_duplicates().set_index("sample").block.sort_index()
    if not blocks.index.is_unique:
        raise DataError(
            f"{path}: sample {blocks.index[blocks.index.duplicated()][0]} is in two blocks."
        )
    samples = blocks.index.tolist()
    found = {}
    for method, rows in table.groupby("method", sort=False):
        whole = pd.MultiIndex.from_product([sorted(set(rows.seed)), samples])
        given = rows.set_index(["seed", "sample"]).score
        if lost := [pair for pair in whole if pair not in given.index]:
            raise DataError(f"{path}: {method} lacks sample {lost[0][1]} of seed {lost[0][0]}.")
        wide = given.loc[whole].unstack()
        # The mean of a block with something that is no number is none.
        means = wide.T.groupby(blocks.to_numpy()).agg(_plain_mean)
        found[str(method)] = Scores(means.T.to_numpy(float), tuple(wide.index), tuple(means.index))
    return found


def _plain_mean(values: pd.Series) -> float:
    return float(values.mean(skipna=False))


def _from_arrays(path: Path) -> dict[str, Scores]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name], float) for name in file}
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as .npz: {error}.") from None
    truth = arrays.pop("truth", None)
    if not arrays:
        raise DataError(f"{path} holds no scores of a method.")
    found = {}
    for name, values in arrays.items():
        scores = values
        if truth is not None:
            if values.ndim < 2 or values.shape[1:] != truth.shape:
                raise DataError(
                    f"{path}: {name} has the shape {values.shape}; truth of shape {truth.shape} "
                    "needs a seed in front of it."
                )
            errors = (values - truth) ** 2
            scores = errors.reshape(*errors.shape[:2], -1).mean(axis=2)
        if scores.ndim != 2 or not scores.size:
            raise DataError(f"{path}: {name} has the shape {values.shape}, not (seed, sample).")
        seeds, samples = (tuple(range(size)) for size in scores.shape)
        found[name] = Scores(scores, seeds, samples)
    sizes = {each.values.shape[1] for each in found.values()}
    if len(sizes) > 1:
        raise DataError(f"{path}: methods have different numbers of samples: {sorted(sizes)}.")
    return found


def judge_scores(
    scores: Mapping[str, Scores],
    baseline: str,
    population: Population = "networks trained so",
    better: Better = "lower",
) -> pd.DataFrame:
    """A row for each method, the best first.

    Args:
        scores: by method.
        baseline: the method that the others are held against; pairs share seeds and samples.
        population: what an interval is about.
        better: whether lower or higher scores are better.

    Returns:
        Mean score with its 95 % interval; the relative change against the baseline with an interval
        that holds for all methods at once; a verdict, "better", "worse", "equal" or "open"; the
        best and the worst rank that the intervals of all pairs of methods leave open.

    Raises:
        ConfigError: if there is no such baseline.

    """
    choose(baseline, list(scores), "method")
    estimates = {name: each.estimate for name, each in scores.items()}
    others = max(len(scores) - 1, 1)
    pairs = max(len(scores) * (len(scores) - 1) // 2, 1)
    sign = 1 if better == "lower" else -1
    rows = []
    for name, estimate in estimates.items():
        change = relative_change(estimate, estimates[baseline])
        ends = change.interval(population, 1 - (1 - COVERAGE) / others)
        sides = [
            _side(relative_change(estimate, other), population, pairs, sign)
            for key, other in estimates.items()
            if key != name
        ]
        low, high = estimate.interval(population)
        row = {
            "method": name,
            "score": estimate.value,
            "low": low,
            "high": high,
            "seeds": estimate.seeds,
            "samples": estimate.samples,
        }
        if name != baseline:
            row |= {
                "change": change.value,
                "change_low": ends[0],
                "change_high": ends[1],
                "verdict": _side(change, population, others, sign),
            }
        best = 1 + sides.count("worse")
        rows.append({**row, "best_rank": best, "worst_rank": len(scores) - sides.count("better")})
    columns = ["verdict", "change", "change_low", "change_high"]
    table = pd.DataFrame(rows)
    for name in columns:
        if name not in table:
            table[name] = np.nan
    return table.sort_values("score", ascending=better == "lower", ignore_index=True)


def _side(change: Estimate, population: Population, family: int, sign: int) -> str:
    low, high = change.interval(population, 1 - (1 - COVERAGE) / family)
    if not np.isfinite([low, high]).all():
        return "open"
    if max(abs(low), abs(high)) < ROUND_OFF:
        return "equal"
    if low <= 0 <= high:
        return "open"
    return "better" if sign * change.value < 0 else "worse"

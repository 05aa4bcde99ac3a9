"""Scores of your own methods: intervals, ranks and verdicts by the statistics of the claims."""

import itertools
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from symbench.config.schema import Population
from symbench.errors import DataError, choose, nearest
from symbench.files import COMPRESSED
from symbench.statistics import COVERAGE, Estimate, difference, mean, relative_change

Better = Literal["lower", "higher"]
COLUMNS = ("method", "seed", "sample")
JUDGED = (
    *("method", "score", "low", "high", "seeds", "samples"),
    *("change", "change_low", "change_high", "verdict", "best_rank", "worst_rank"),
)
ROUND_OFF = 1e-9
_SAME_TRUTH = 1e-6
# A method, or a seed, may be called None.
_EMPTY: dict[str, list[str]] = {
    **{name: [""] for name in (*COLUMNS, "block")},
    **{name: ["", "nan", "NaN", "NA", "None", "null"] for name in ("score", "prediction", "truth")},
}


@dataclass(frozen=True)
class Scores:
    """Scores of one method.

    Attributes:
        values: shape (seed, block); samples of a block are averaged.
        seeds: label of each row.
        blocks: label of each column.
        sizes: number of samples in each block.

    """

    values: np.ndarray
    seeds: tuple[object, ...]
    blocks: tuple[object, ...]
    sizes: tuple[int, ...]

    @property
    def estimate(self) -> Estimate:
        """Their mean, with what its interval follows from."""
        return mean(self.values, self.seeds, sizes=np.array(self.sizes))


def read_scores(path: Path) -> dict[str, Scores]:
    """Scores by method, from a table.

    A CSV file has the columns method, seed and sample, and score, or prediction and truth, whose
    squared difference is the score; samples of one `block`, where that column is given, are not
    independent. An .npz file has an array of scores of shape (seed, sample) for each method, of
    the same samples; or of predictions, of shape (seed, sample, ...), beside an array `truth` of
    shape (sample, ...).

    Raises:
        DataError: if something is missing, is no number, is there twice, or differs between
            methods, or the file is compressed.

    """
    if path.suffix == ".npz":
        return _from_arrays(path)
    if path.suffix.lower() in COMPRESSED:
        raise DataError(f"{path} is compressed: unpack it first.")
    try:
        with warnings.catch_warnings():
            # Rows that are longer than the head, as with commas in numbers, are no less.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                dtype={"method": str},
                keep_default_na=False,
                na_values=_EMPTY,
                skipinitialspace=True,
                index_col=False,
                low_memory=False,
            )
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise DataError(
            f"{path} cannot be read as CSV: {str(error).strip().rstrip('.')}."
        ) from None
    wanted = [*COLUMNS, *(("prediction", "truth") if "truth" in table else ("score",))]
    if missing := [name for name in wanted if name not in table]:
        raise DataError(f"{path} has no column '{missing[0]}'; it needs {', '.join(wanted)}.")
    # Pandas numbers the second of two columns of one name.
    if twice := [name for name in (*wanted, "block") if f"{name}.1" in table]:
        raise DataError(f"{path} has the column '{twice[0]}' twice.")
    if "truth" in table and "score" in table:
        raise DataError(f"{path} has scores beside predictions and truth: give one of them.")
    _refuse_unread(path, table.columns.tolist())
    if table.empty:
        raise DataError(f"{path} has no rows.")
    for name in wanted[3:]:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise DataError(f"{path}: column '{name}' holds what is no number.")
    labels = [*COLUMNS, *(["block"] if "block" in table else [])]
    for name in labels:
        if pd.api.types.is_string_dtype(table[name]):
            table[name] = table[name].str.strip()
    if table[labels].isin([np.nan, ""]).any(axis=None):
        raise DataError(f"{path} has rows without a {' or a '.join(labels)}.")
    if "truth" in table:
        table["score"] = (table.prediction.astype(float) - table.truth.astype(float)) ** 2
        _refuse_other_truths(path, table)
    again = table.duplicated(list(COLUMNS))
    if again.any():
        row = table[again].iloc[0]
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
        of_blocks = wide.T.groupby(blocks.to_numpy())
        means, sizes = of_blocks.agg(_plain_mean), tuple(of_blocks.size().tolist())
        found[str(method)] = Scores(
            means.T.to_numpy(float), tuple(wide.index), tuple(means.index), sizes
        )
    return found


def _refuse_unread(path: Path, given: Sequence[str]) -> None:
    """Raise `DataError` for a column that would change what is judged, and is not read."""
    lacking = [name for name in ("truth", "block") if name not in given]
    for name in given:
        read = name in (*COLUMNS, "score", "prediction")
        if not read and (question := nearest(name.strip().lower(), lacking)):
            raise DataError(f"{path} has a column '{name}', which nothing reads.{question}")
    if "prediction" in given and "truth" in lacking:
        raise DataError(f"{path} has predictions without truth beside scores: give one of them.")


def _refuse_other_truths(path: Path, table: pd.DataFrame) -> None:
    """Raise `DataError` if a sample has another truth in one row than in another."""
    truths = table.truth.astype(float).groupby(table["sample"]).agg(["min", "max"])
    # Some write a number in single precision, others in double.
    low, high = truths["min"], truths["max"]
    apart = truths[~np.isclose(low, high, rtol=_SAME_TRUTH, atol=0, equal_nan=True)]
    if len(apart):
        low, high = apart.iloc[0]
        raise DataError(
            f"{path}: sample {apart.index[0]} has the truths {low:.9g} and {high:.9g}; all methods "
            "and seeds need the same."
        )


def _plain_mean(values: pd.Series) -> float:
    return float(values.mean(skipna=False))


def _from_arrays(path: Path) -> dict[str, Scores]:
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file}
            for name, array in arrays.items():
                # Of a member that is no array, NumPy gives the bytes.
                if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
                    raise ValueError(f"{name} holds what is no number")
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read as .npz: {error}.") from None
    truth = arrays.pop("truth", None)
    if not arrays:
        raise DataError(f"{path} holds no scores of a method.")
    found = {}
    for name, array in arrays.items():
        values = array.astype(float)
        scores = values
        if truth is not None:
            if values.ndim < 2 or values.shape[1:] != truth.shape:
                raise DataError(
                    f"{path}: {name} has the shape {values.shape}; truth of shape {truth.shape} "
                    "needs a seed in front of it."
                )
            errors = (values - truth) ** 2
            scores = errors.mean(axis=tuple(range(2, errors.ndim))) if errors.size else errors
        if scores.ndim != 2 or not scores.size:
            raise DataError(f"{path}: {name} has the shape {values.shape}, not (seed, sample).")
        seeds, samples = (tuple(range(size)) for size in scores.shape)
        found[name] = Scores(scores, seeds, samples, (1,) * len(samples))
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
    # Each pair is judged once, so that one is better where the other is worse.
    order = [baseline, *(name for name in scores if name != baseline)]
    beaten, beating = dict.fromkeys(order, 0), dict.fromkeys(order, 0)
    for reference, name in itertools.combinations(order, 2):
        side = _side(_apart(estimates[name], estimates[reference]), population, pairs, sign)
        if side in ("better", "worse"):
            first, last = (name, reference) if side == "better" else (reference, name)
            beating[first] += 1
            beaten[last] += 1
    rows = []
    for name, estimate in estimates.items():
        change = relative_change(estimate, estimates[baseline])
        ends = change.interval(population, 1 - (1 - COVERAGE) / others)
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
        ranks = {"best_rank": 1 + beaten[name], "worst_rank": len(scores) - beating[name]}
        rows.append({**row, **ranks})
    table = pd.DataFrame(rows, columns=JUDGED)
    return table.sort_values("score", ascending=better == "lower", ignore_index=True)


def what_is_open(judged: pd.DataFrame, baseline: str, population: Population) -> list[str]:
    """A sentence on each reason why intervals, or changes, are not there."""
    of_networks = population == "networks trained so"
    units, what = ("seeds", "seed") if of_networks else ("samples", "sample, or block,")
    few = judged.method[judged[units] < 2]
    lost = judged.method[~np.isfinite(judged.score)]
    score = float(judged.score[judged.method == baseline].iloc[0])
    also = " --of-these-networks asks about these alone." if of_networks else ""
    return [
        *([f"One {what} gives no interval: {', '.join(few)}.{also}"] if len(few) else []),
        *([f"Scores that are not finite have no verdict: {', '.join(lost)}."] if len(lost) else []),
        *([f"No change is relative to the score of {baseline}, 0."] if score == 0 else []),
    ]


def _apart(value: Estimate, reference: Estimate) -> Estimate:
    """Relative to a reference, but for one of zero."""
    return (relative_change if reference.value else difference)(value, reference)


def _side(change: Estimate, population: Population, family: int, sign: int) -> str:
    low, high = change.interval(population, 1 - (1 - COVERAGE) / family)
    if not np.isfinite([low, high]).all():
        return "open"
    if max(abs(low), abs(high)) < ROUND_OFF:
        return "equal"
    if low <= 0 <= high:
        return "open"
    return "better" if sign * change.value < 0 else "worse"

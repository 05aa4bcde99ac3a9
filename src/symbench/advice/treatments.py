"""Which treatment at training paid on the benchmark's tasks most like one of the user's.

The table beside this module is made by `python -m benchmarks.treatments` from the reference tables
of the repository.
"""

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pandas as pd

from symbench.data.dataset import Kind
from symbench.numbers import interval

COLUMNS = (
    *("size", "study", "task", "kind", "group", "order", "exact", "training_samples"),
    *("model", "treatment", "score", "change", "low", "high", "gain", "verdict", "seeds"),
)


@dataclass(frozen=True)
class Situation:
    """What makes tasks alike.

    Attributes:
        kind: of the data.
        exact: whether the symmetry is exact.
        order: number of elements of the group; infinite for rotations.
        training_samples: independent ones; NaN where it is not known.

    """

    kind: Kind
    exact: bool
    order: float
    training_samples: float


def known_treatments() -> pd.DataFrame:
    """The table that comes with the package; see `COLUMNS` and `report.ways.Cell`."""
    with files("symbench.advice").joinpath("treatments.csv").open() as stream:
        return pd.read_csv(stream)


def distances(table: pd.DataFrame, situation: Situation) -> pd.Series:
    """How unlike each row is: a symmetry that differs in being exact counts as much as a factor of
    ten in training samples, or of sixteen in the order of the group.
    """
    samples = np.abs(np.log10(table.training_samples / situation.training_samples)).fillna(1.0)
    with np.errstate(invalid="ignore"):
        orders = np.abs(np.log2(table.order) - np.log2(situation.order)) / 4
    # Of two infinite groups the difference is not a number.
    orders = orders.fillna(0.0).clip(upper=2.0)
    return (table.exact != situation.exact).astype(float) + samples + orders


def what_paid(situation: Situation, table: pd.DataFrame | None = None) -> str:
    """A sentence on the task most like this one; says so where there is none of its kind."""
    known = known_treatments() if table is None else table
    alike = known[known.kind == situation.kind]
    if alike.empty:
        return f"No treatment was tried on {situation.kind} in the reference tables."
    nearest = alike.iloc[int(distances(alike, situation).argmin())]
    rows = alike[(alike.task == nearest.task) & (alike["size"] == nearest["size"])]
    paid = rows[rows.verdict == "pays"]
    shown = paid if len(paid) else rows
    best = shown.iloc[int(shown.gain.argmax())]
    samples = "" if np.isnan(best.training_samples) else f", {best.training_samples:.0f} samples"
    where = (
        f"On the benchmark's task most like this one ({best.task}: {best.kind}, {best.group} "
        f"{'exact' if best.exact else 'broken'}{samples}; size {best['size']})"
    )
    value, low, high = 100 * best[["change", "low", "high"]].to_numpy(float)
    told = f"{value:.3g} %" if np.isnan([low, high]).any() else f"{interval(value, low, high)} %"
    change = f"the {best.score} of {best.model} by {told}"
    if len(paid):
        return (
            f"{where} the treatment {best.treatment} paid most at training: it changed {change} "
            f"({best.seeds} seeds)."
        )
    seeds = f"{best.seeds} seed{'' if best.seeds == 1 else 's'}"
    return (
        f"{where} no treatment at training paid for sure: the best, {best.treatment}, changed "
        f"{change} ({seeds}{', no interval' if np.isnan(low) else ''})."
    )

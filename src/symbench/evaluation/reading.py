"""What runs wrote, read: evaluations of all seeds as one dataset, and training histories."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import pandas as pd
import xarray as xr

from symbench.config.run import Run
from symbench.errors import DataError
from symbench.evaluation.netcdf import load
from symbench.files import refuse_damaged
from symbench.layout import Layout

# Attributes that count what was not finite, in each seed.
DIVERGED = "diverged"
COLUMNS_OF_HISTORY = ("epoch", "train_loss", "valid_loss")


def is_evaluated(run: Run, layout: Layout) -> bool:
    """Whether all evaluations of a run are there, of these settings and this code."""
    paths = (layout.evaluation(run.study, *run.key, name, run.seed) for name in run.evaluations)
    return all(recorded_fingerprint(path) == run.evaluation_fingerprint for path in paths)


def recorded_fingerprint(path: Path) -> object:
    """The fingerprint in a file of evaluations; None if there is no such file, or it is damaged."""
    try:
        with h5py.File(path, "r") as file:
            return file.attrs.get("config")
    # What h5py raises depends on which bytes are wrong.
    except (OSError, KeyError, RuntimeError):
        return None


def read_evaluation(run: Run, layout: Layout, evaluation: str) -> xr.Dataset:
    """One evaluation of one run.

    Raises:
        DataError: if its file is not there, is damaged, or was made with other settings.

    """
    path = layout.evaluation(run.study, *run.key, evaluation, run.seed)
    refuse_damaged(path)
    try:
        dataset = load(path)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    if dataset.attrs.get("config") != run.evaluation_fingerprint:
        raise DataError(
            f"{path} was made with other settings (or other code): evaluate {run} again."
        )
    return dataset


def join_seeds(runs: Sequence[Run], layout: Layout, evaluation: str) -> xr.Dataset:
    """One evaluation of runs that differ in the seed alone, with a dimension `seed` in front.

    Attributes are those of the first seed, but for the counts of what diverged, of which there is
    one for each seed.

    Raises:
        DataError: if a file is damaged or foreign, or the seeds do not fit together.

    """
    parts = [read_evaluation(run, layout, evaluation) for run in runs]
    named = f"'{evaluation}' of {'/'.join(runs[0].key)}"
    for run, part in zip(runs, parts, strict=True):
        for dimension, size in part.sizes.items():
            first = parts[0].sizes.get(dimension, 0)
            if size != first and str(dimension).startswith("sample"):
                raise DataError(
                    f"{named} has {first} test samples ({dimension}) for seed {runs[0].seed} and "
                    f"{size} for seed {run.seed}: seeds are compared sample by sample, so give "
                    "them test sets of one length."
                )
    # Each seed may have test samples of its own, in blocks of its own.
    blocks = [str(name) for name in parts[0].coords if str(name).startswith("block")]
    try:
        joined = xr.concat(
            parts,
            dim=xr.Variable("seed", [run.seed for run in runs]),
            data_vars="all",
            coords=blocks,
            compat="override",
            join="exact",
            combine_attrs="override",
        )
    except ValueError as error:
        raise DataError(f"{named}: its seeds do not fit together: {error}.") from None
    counts = [name for name in joined.attrs if DIVERGED in name]
    return joined.assign_attrs(
        {name: [int(part.attrs.get(name, 0)) for part in parts] for name in counts}
    )


def read_history(runs: Sequence[Run], layout: Layout) -> pd.DataFrame:
    """Training histories of some runs, with a column `seed`; no rows of published weights."""
    tables = []
    for run in runs:
        path = layout.trained("history.csv", run.study, *run.key, run.seed)
        refuse_damaged(path)
        if path.is_file():
            tables.append(pd.read_csv(path).assign(seed=run.seed))
    trained = [table for table in tables if len(table)]
    if not trained:
        return pd.DataFrame(columns=[*COLUMNS_OF_HISTORY, "seed"])
    return pd.concat(trained, ignore_index=True)


def multipliers_of(history: pd.DataFrame) -> xr.Dataset:
    """What constrained training recorded: gamma, lambda, slack and ratio of homotopy layers.

    Dimensions (seed, epoch, layer), NaN after the last epoch of a seed; no variable without such
    layers.
    """
    columns = [name for name in map(str, history) if ":" in name]
    if not columns:
        return xr.Dataset()
    long = history.melt(["seed", "epoch"], columns)
    long[["quantity", "layer"]] = long.variable.str.split(":", n=1, expand=True)
    index = ["seed", "epoch", "layer", "quantity"]
    table = long.set_index(index).value.unstack("quantity")
    return table.to_xarray().sel(layer=long.layer.unique())

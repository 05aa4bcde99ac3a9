"""Times of predictions that were measured alone, read: they replace those of evaluations."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from symbench.config.run import Run
from symbench.config.study import Study
from symbench.files import refuse_damaged
from symbench.layout import TIMES, Layout

COLUMNS = ["task", "model", "treatment", "seed", "evaluation", "config", "seconds_per_sample"]

# Seconds per sample of some calls, by task, model, treatment, seed and evaluation.
Times = dict[tuple[str, str, str, int, str], list[float]]


def times_measured_alone(study: Study, layout: Layout) -> Times:
    """The times of a study; none unless they are of all its networks as they are now.

    Times of both kinds do not compare.

    Raises:
        DataError: if the table is damaged.

    """
    path = layout.table(study.name, TIMES)
    refuse_damaged(path)
    if not path.is_file():
        return {}
    # Names are texts, also where they look like numbers, or like none.
    texts = dict.fromkeys([*COLUMNS[:-1], "config"], str)
    table = pd.read_csv(path, dtype=texts, keep_default_na=False).astype({"seed": int})
    found = {
        names: rows.seconds_per_sample.tolist()
        for names, rows in table.groupby(COLUMNS[:-1], sort=False)
    }
    times: Times = {}
    for run in study.runs:
        for evaluation in run.evaluations:
            names = (*run.key, run.seed, evaluation)
            if (seconds := found.get((*names, run.evaluation_fingerprint))) is None:
                return {}
            times[names] = seconds
    return times


def with_times(
    dataset: xr.Dataset, runs: Sequence[Run], evaluation: str, times: Times
) -> xr.Dataset:
    """An evaluation of all seeds with these times as `seconds_per_sample`, if there are any."""
    if not times:
        return dataset
    values = np.array([times[*run.key, run.seed, evaluation] for run in runs])
    alone = (("seed", "call"), values, {"units": "s"})
    return dataset.drop_dims("call", errors="ignore").assign(seconds_per_sample=alone)

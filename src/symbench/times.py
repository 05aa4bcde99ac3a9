"""Times of predictions, measured alone: a stage of its own, beside which no other job runs.

Evaluations tell times too, but of jobs that share caches and memory with others.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from symbench.config.read import Configuration
from symbench.config.run import Run
from symbench.config.study import Study
from symbench.evaluation.measure import Measurement
from symbench.evaluation.reading import COLUMNS_OF_TIMES
from symbench.files import write_whole
from symbench.memory import keep_freed_memory
from symbench.stages import trained_model

# Calls of an evaluation that are timed, and seconds after which no further one is begun; at least
# the first number of calls is.
_CALLS = (5, 50)
_SECONDS = 1.0


def measure_times(configuration: Configuration, study: Study, threads: int) -> None:
    """Write the table of times of a study, one evaluation after the other.

    A row has the median over calls with one batch, after one call that is not counted, in seconds
    a sample.

    Args:
        configuration: of all studies.
        study: whose networks are trained.
        threads: of one evaluation.

    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    rows = [row for run in study.timed_runs for row in _times_of(configuration, run)]
    table = pd.DataFrame(rows, columns=COLUMNS_OF_TIMES)
    with write_whole(configuration.layout.times(study.name)) as temporary:
        table.to_csv(temporary, index=False)


def _times_of(configuration: Configuration, run: Run) -> Iterator[tuple[object, ...]]:
    model, data, symmetry = trained_model(configuration, run)
    measurement = Measurement(model, data, symmetry, run.evaluation, run.task.dataset)
    for evaluation in run.evaluations:
        seconds = measurement.time(evaluation, *_CALLS, within=_SECONDS)
        median = float(np.median(seconds))
        yield *run.key, evaluation, run.seed, run.evaluation_fingerprint, len(seconds), median

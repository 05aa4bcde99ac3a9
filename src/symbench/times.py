"""Times of predictions, measured alone: a stage of its own, beside which no other job runs.

Evaluations tell times too, but of jobs that share caches and memory with others.
"""

from collections.abc import Iterator

import pandas as pd
import torch

from symbench.config.read import Configuration
from symbench.config.run import Run
from symbench.config.study import Study
from symbench.devices import chosen_device
from symbench.evaluation.measure import Measurement
from symbench.evaluation.times import COLUMNS
from symbench.files import write_json, write_whole
from symbench.layout import TIMES
from symbench.memory import keep_freed_memory
from symbench.provenance import describe
from symbench.stages.evaluate import evaluated_as_set
from symbench.stages.networks import trained_model


def measure_times(configuration: Configuration, study: Study, threads: int) -> None:
    """Write the table of times of a study, one network and evaluation after the other.

    Args:
        configuration: of all studies.
        study: whose networks are trained.
        threads: of one evaluation.

    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    layout = configuration.layout
    rows = [row for run in study.runs for row in _times_of(configuration, run)]
    with write_whole(layout.table(study.name, TIMES)) as temporary:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(temporary, index=False)
    write_json(
        layout.table_provenance(study.name, TIMES),
        describe(study.times_fingerprint, device=chosen_device()),
    )


def _times_of(configuration: Configuration, run: Run) -> Iterator[tuple[object, ...]]:
    model, data, symmetry = trained_model(configuration, run)
    measurement = Measurement(model, data, symmetry, run.evaluation, run.task.dataset)
    for evaluation in run.evaluations:
        with evaluated_as_set(run, evaluation, measurement.device):
            times = measurement.time(evaluation)
        for seconds in times:
            yield *run.key, run.seed, evaluation, run.evaluation_fingerprint, seconds

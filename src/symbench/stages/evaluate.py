"""Evaluation of trained runs, and tables of figures that come from no evaluation."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
import xarray as xr

from symbench.arithmetic import tf32
from symbench.config import registry
from symbench.config.read import Configuration
from symbench.config.run import Run
from symbench.config.study import Study
from symbench.devices import chosen_device
from symbench.errors import CheckpointError, ConfigError, choose
from symbench.evaluation.floor import vrmse_of_the_well
from symbench.evaluation.measure import Measurement
from symbench.evaluation.scores import own_metric
from symbench.files import write_json, write_whole
from symbench.memory import keep_freed_memory
from symbench.models.homotopy import parameters_in_use
from symbench.provenance import describe, measure
from symbench.stages.networks import room_for_networks, trained_model
from symbench.training.cuda import device_of
from symbench.training.failures import told_in_a_sentence


@contextmanager
def evaluated_as_set(run: Run, evaluation: str, device: torch.device) -> Iterator[None]:
    """The precision of an evaluation, and one sentence where memory is too small for it."""
    chunk = run.evaluation.chunk
    chosen = run.task.dataset.has_trajectories and chunk not in (1, "auto")
    folded = f" and {chunk} group elements at once" if chosen else ""
    needed = f"{run}: evaluation ({evaluation}) of {run.evaluation.batch_size} samples{folded}"
    mended_by = f"a smaller batch_size{' or chunk' if chosen else ''} of the evaluation"
    precision = tf32(run.evaluation.precision == "tf32")
    with precision, told_in_a_sentence(device_of(device), needed, mended_by):
        yield


def evaluate_run(configuration: Configuration, run: Run, threads: int) -> None:
    """Evaluate a run and write one NetCDF file per evaluation."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    layout = configuration.layout
    model, data, symmetry = trained_model(configuration, run)
    metrics = [own_metric(path) for path in run.task.settings.metrics]
    with room_for_networks(chosen_device(), f"{run}"):
        measurement = Measurement(model, data, symmetry, run.evaluation, run.task.dataset, metrics)
    parameters = parameters_in_use(model.eval())
    trained_on = _trained_on(layout.run_folder(run.study, *run.key, run.seed))
    for evaluation in run.evaluations:
        with (
            evaluated_as_set(run, evaluation, measurement.device),
            measure(measurement.device) as spent,
        ):
            dataset = measurement.run(evaluation)
        if evaluation == "plain":
            _refuse_other_than_published(run, dataset)
        record = describe(run.evaluation_fingerprint, run.seed, measurement.device)
        dataset.attrs |= {
            **{
                key: json.dumps(value) if isinstance(value, dict) else value
                for key, value in record.items()
            },
            "study": run.study,
            "task": run.task.name,
            "model": run.model,
            "treatment": run.treatment,
            "evaluation": evaluation,
            "trained_on": trained_on,
            "parameters": parameters,
            **spent.measured(),
        }
        path = layout.evaluation(run.study, *run.key, evaluation, run.seed)
        with write_whole(path) as temporary:
            dataset.to_netcdf(temporary, engine="h5netcdf")


def _trained_on(folder: Path) -> str:
    """The device that a training ran on, as its provenance says."""
    record = json.loads((folder / "provenance.json").read_text())
    return str(record["device"]) if "seconds" in record else "not trained here"


def _refuse_other_than_published(run: Run, plain: xr.Dataset) -> None:
    """Stop before anything is averaged if published weights do not give their published error.

    Raises:
        CheckpointError: if a score is farther from the published one than the tolerance.

    """
    checkpoint = run.checkpoint
    if checkpoint is None:
        return
    for metric, published in checkpoint.scores.items():
        found = plain[choose(metric, map(str, plain), "metric")]
        if metric == "vrmse" and "mse" in plain:
            found = vrmse_of_the_well(plain)
        raw = float(found.mean(skipna=False))
        if not abs(raw - published) <= checkpoint.tolerance * abs(published):
            raise CheckpointError(
                f"{checkpoint.file or checkpoint.repository} has a raw {metric} of {raw:.4g} on "
                f"{run.task.name}, published is {published:.4g} (within {checkpoint.tolerance:.0%})"
                ": look for another normalisation (stats.yaml), another revision of the data, or "
                "swapped axes or fields; nothing was averaged."
            )


def make_table(configuration: Configuration, study: Study, name: str) -> None:
    """Make a table that figures of a study draw, and that does not come from evaluations."""
    path = study.tables[choose(name, study.tables, "table")]
    function = registry.resolve("tables", path)
    made = function(study) if callable(function) else None
    if not isinstance(made, pd.DataFrame):
        raise ConfigError(f"Table '{path}' is no function that returns a pandas DataFrame.")
    layout = configuration.layout
    with write_whole(layout.further_table(study.name, name)) as temporary:
        made.to_csv(temporary, index=False)
    record = describe(study.table_fingerprint(name))
    write_json(layout.further_table_provenance(study.name, name), record)

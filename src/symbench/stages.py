"""What the commands for data, training and evaluation do, from settings to files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import xarray as xr
from torch import nn

from symbench.config import registry
from symbench.config.study import Cell, Study
from symbench.data.arrays import read_manifest
from symbench.data.raw_files import FromOriginals
from symbench.errors import CheckpointError, ConfigError
from symbench.evaluation import evaluator
from symbench.files import copy_near, remove, write_json, write_whole
from symbench.memory import keep_freed_memory
from symbench.models.homotopy import parameters_in_use
from symbench.models.weights import load_weights, published_files, save_weights
from symbench.provenance import describe, measure
from symbench.symmetry.audit import refuse_broken
from symbench.symmetry.symmetry import Symmetry
from symbench.training.loop import Trainer
from symbench.training.treatments.treatment import Treatment


def build_task(study: Study, name: str) -> Any:
    """The task family of a task, built from its parameters."""
    settings = study.task(name)
    family = registry.resolve("tasks", settings.family)
    try:
        return family(**settings.parameters)
    except TypeError as error:
        raise ConfigError(
            f"Task '{name}' ({settings.family}) does not take these parameters: {error}."
        ) from None


def fetch(study: Study, name: str, output: Path, threads: int = 1) -> None:
    """Simulate or download the data of a task."""
    task = build_task(study, name)
    if hasattr(task, "workers"):
        task.workers = threads
    if isinstance(task, FromOriginals):
        task.folders = study.cache
    task.fetch(output)


def open_data(study: Study, task: str, directory: Path, seed: int = 0) -> Any:
    """The data of a task, in the format that its manifest names (The Well's by default)."""
    data_format = registry.resolve("formats", read_manifest(directory).get("format", "well"))
    return data_format.open(directory, study.task(task), seed)


def task_symmetry(study: Study, task: str, data: Any) -> Symmetry:
    """The symmetry that the config declares for a task."""
    settings = study.task(task)
    symmetry: Symmetry = data.symmetry(settings.group, settings.exact)
    return symmetry


def audit(study: Study, task: str, directory: Path, output: Path) -> None:
    """Audit the declared symmetry of a task and write one row per element.

    Raises:
        AuditError: if the symmetry is declared exact and fails.

    """
    settings = study.task(task)
    data = open_data(study, task, directory)
    audits = data.audit(settings.group, build_task(study, task))
    if settings.exact:
        refuse_broken(task, settings.group, audits)
    table = pd.DataFrame([vars(element) for element in audits])
    with write_whole(output) as temporary:
        table.to_csv(temporary, index=False)


def build_model(
    study: Study, cell: Cell, data: Any, symmetry: Symmetry
) -> tuple[nn.Module, Path | None]:
    """The network of a cell, initialised from its seed, and its published weights if any.

    An architecture with `needs_symmetry` is given the symmetry of the task.
    """
    settings = study.settings.models[cell.model]
    factory: Callable[..., nn.Module] = registry.resolve("models", settings.architecture)
    arguments = {**data.model_arguments(), **study.model_settings(cell.task, cell.model)}
    if getattr(factory, "needs_symmetry", False):
        arguments["symmetry"] = symmetry
    weights = None
    if (checkpoint := settings.checkpoints.get(cell.task)) is not None:
        published, weights = published_files(checkpoint.repository, checkpoint.revision)
        arguments |= _published_arguments(published)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cell.seed)
        try:
            return factory(**arguments), weights
        except TypeError as error:
            raise ConfigError(
                f"Model '{cell.model}' ({settings.architecture}) does not take these settings: "
                f"{error}."
            ) from None


def build_treatment(study: Study, cell: Cell, symmetry: Symmetry) -> Treatment:
    """The training treatment of a cell."""
    method = study.treatment(cell.treatment).method
    try:
        treatment: Treatment = registry.resolve("treatments", method)(
            symmetry, **study.treatment_settings(cell.task, cell.treatment)
        )
    except TypeError as error:
        raise ConfigError(
            f"Treatment '{cell.treatment}' ({method}) does not take these settings: {error}."
        ) from None
    return treatment


def _published_arguments(published: dict[str, Any]) -> dict[str, Any]:
    """Constructor arguments of a published config.json in our names."""
    arguments = {key: value for key, value in published.items() if not key.startswith("modes")}
    if "modes1" in published:
        arguments["modes"] = published["modes1"]
    if "spatial_resolution" in arguments:
        arguments["spatial_resolution"] = tuple(arguments["spatial_resolution"])
    return arguments


def train(study: Study, cell: Cell, directory: Path, output: Path, threads: int) -> None:
    """Train a cell, or take its published weights; writes weights, history and provenance."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    data = open_data(study, cell.task, copy_near(directory, study.scratch), cell.seed)
    symmetry = task_symmetry(study, cell.task, data)
    model, published = build_model(study, cell, data, symmetry)
    fingerprint = study.training_fingerprint(cell)
    state_path = output / "state.pt"
    parameters = parameters_in_use(model)
    if published is not None or not parameters:
        if published is not None:
            load_weights(model, published)
        save_weights(output / "weights.safetensors", model.state_dict())
        history = pd.DataFrame(columns=["epoch", "train_loss", "valid_loss"])
        cost = {}
    else:
        settings = study.training(cell.task, cell.model)
        with torch.random.fork_rng(devices=[]), measure(gpu=torch.cuda.is_available()) as spent:
            torch.manual_seed(cell.seed)
            trainer = Trainer(
                model,
                data.split("train"),
                data.split("valid"),
                build_treatment(study, cell, symmetry),
                settings,
                seed=cell.seed,
                state_path=state_path,
                fingerprint=fingerprint,
                test=data.split("test") if settings.test_every else None,
            )
            trained = trainer.run()
        if trainer.rank:
            return
        save_weights(output / "weights.safetensors", trained.weights)
        history = trained.history
        cost = {**vars(spent), "samples_per_second": trained.throughput}
        load_weights(model, output / "weights.safetensors")
        parameters = parameters_in_use(model.eval())
    with write_whole(output / "history.csv") as temporary:
        history.to_csv(temporary, index=False)
    record = {**describe(fingerprint, cell.seed), **cost, "parameters": parameters}
    write_json(output / "provenance.json", record)
    remove(state_path)


def evaluate(
    study: Study, cell: Cell, directory: Path, weights: Path, output: Path, threads: int
) -> None:
    """Evaluate a cell and write one NetCDF file per evaluation."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    data = open_data(study, cell.task, copy_near(directory, study.scratch), cell.seed)
    symmetry = task_symmetry(study, cell.task, data)
    model, _ = build_model(study, cell, data, symmetry)
    load_weights(model, weights)
    chosen = evaluator(model, data, symmetry, study.evaluation(cell.task))
    parameters = parameters_in_use(model.eval())
    for evaluation in study.evaluations(cell.model, cell.treatment):
        with measure(gpu=torch.cuda.is_available()) as spent:
            dataset = chosen.evaluate(evaluation)
        if evaluation == "none":
            _refuse_other_than_published(study, cell, dataset)
        record = describe(study.evaluation_fingerprint(cell), cell.seed)
        dataset.attrs |= {
            **{
                key: json.dumps(value) if isinstance(value, dict) else value
                for key, value in record.items()
            },
            "kind": data.kind,
            **{key: getattr(cell, key) for key in ("study", "task", "model", "treatment", "seed")},
            "evaluation": evaluation,
            "parameters": parameters,
            "seconds": spent.seconds,
            "peak_memory": spent.peak_memory,
        }
        _write_dataset(output / evaluation / f"seed{cell.seed}.nc", dataset)


def _refuse_other_than_published(study: Study, cell: Cell, plain: xr.Dataset) -> None:
    """Stop before anything is averaged if published weights do not give their published error.

    Raises:
        CheckpointError: if the VRMSE of one step is farther from it than the tolerance.

    """
    checkpoint = study.settings.models[cell.model].checkpoints.get(cell.task)
    if checkpoint is None or checkpoint.vrmse is None:
        return
    raw = float(plain.vrmse.mean())
    if not abs(raw / checkpoint.vrmse - 1) <= checkpoint.tolerance:
        raise CheckpointError(
            f"{checkpoint.repository} has a raw VRMSE of {raw:.4g} on {cell.task}, published is "
            f"{checkpoint.vrmse:.4g} (within {checkpoint.tolerance:.0%}): look for another "
            "normalisation (stats.yaml), another revision of the data, or swapped axes or fields; "
            "nothing was averaged."
        )


def _write_dataset(path: Path, dataset: xr.Dataset) -> None:
    with write_whole(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf")

"""What the commands for data, training and evaluation do, from settings to files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import xarray as xr
from torch import nn

from symbench import registry
from symbench.errors import ConfigError
from symbench.evaluation import GridEvaluator
from symbench.files import write_json, write_whole
from symbench.memory import keep_freed_memory
from symbench.models.weights import load_weights, published_files, save_weights
from symbench.provenance import describe, measure
from symbench.study import Cell, Study
from symbench.symmetry.audit import (
    audit_distribution,
    audit_dynamics,
    judge,
    refuse_broken,
)
from symbench.symmetry.isometries import GridGroup, named_group
from symbench.symmetry.reynolds import Symmetry
from symbench.tasks.grid_data import SPLITS, GridData
from symbench.training import Trainer

AUDITED_TRAJECTORIES = 64
AUDITED_FRAMES = 3


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


def fetch(study: Study, name: str, output: Path) -> None:
    """Simulate or download the data of a task."""
    build_task(study, name).fetch(output)


def open_data(study: Study, task: str, directory: Path) -> GridData:
    """The data of a task."""
    settings = study.task(task)
    return GridData(directory, input_steps=settings.input_steps, parity=settings.parity)


def task_symmetry(study: Study, task: str, data: GridData) -> Symmetry:
    """The symmetry that the config declares for a task."""
    settings = study.settings.tasks[task]
    return data.symmetry(named_group(settings.group, data.dimension), settings.exact)


def audit(study: Study, task: str, directory: Path, output: Path) -> None:
    """Audit the declared symmetry of a task and write one row per element.

    Raises:
        AuditError: if the symmetry is declared exact and fails.

    """
    settings = study.task(task)
    data = open_data(study, task, directory)
    group: GridGroup = task_symmetry(study, task, data).group
    simulator = build_task(study, task)
    dynamics = None
    if hasattr(simulator, "solve"):
        starts = simulator.simulate_start(1)
        fields = (simulator.state_fields, simulator.fields)
        dynamics = audit_dynamics(simulator.solve, starts, group, *fields)
    distribution = audit_distribution(_audit_sample(data), group, data.header.fields)
    audits = judge(group, dynamics, distribution)
    if settings.exact:
        refuse_broken(task, group, audits)
    table = pd.DataFrame([vars(element) for element in audits])
    with write_whole(output) as temporary:
        table.to_csv(temporary, index=False)


def _audit_sample(data: GridData) -> torch.Tensor:
    """A few evenly spaced frames of trajectories, shape (trajectory, time, channel, *space)."""
    split = data.split(next(s for s in SPLITS if any((data.directory / s).glob("*.h*5"))))
    chosen = range(min(split.trajectories, AUDITED_TRAJECTORIES))
    steps = min(split.steps)
    picks = torch.linspace(0, steps - 1, min(AUDITED_FRAMES, steps)).long()
    frames = [
        torch.cat([split.frames(t, int(step), int(step) + 1) for step in picks]) for t in chosen
    ]
    return data.normalizer.denormalize(torch.stack(frames), channel_axis=2)


def build_model(study: Study, cell: Cell, data: GridData) -> tuple[nn.Module, Path | None]:
    """The network of a cell, initialised from its seed, and its published weights if any."""
    settings = study.settings.models[cell.model]
    factory: Callable[..., nn.Module] = registry.resolve("models", settings.architecture)
    arguments = {**data.model_arguments(), **study.model_settings(cell.task, cell.model)}
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
    data = open_data(study, cell.task, directory)
    symmetry = task_symmetry(study, cell.task, data)
    model, published = build_model(study, cell, data)
    fingerprint = study.training_fingerprint(cell)
    state_path = output / "state.pt"
    if published is not None:
        load_weights(model, published)
        save_weights(output / "weights.safetensors", model.state_dict())
        history = pd.DataFrame(columns=["epoch", "train_loss", "valid_loss"])
        cost = {}
    else:
        with torch.random.fork_rng(devices=[]), measure(gpu=torch.cuda.is_available()) as spent:
            torch.manual_seed(cell.seed)
            trainer = Trainer(
                model,
                data.split("train"),
                data.split("valid"),
                registry.resolve("treatments", cell.treatment)(symmetry),
                study.training(cell.task, cell.model),
                seed=cell.seed,
                state_path=state_path,
                fingerprint=fingerprint,
            )
            trained = trainer.run()
        if trainer.rank:
            return
        save_weights(output / "weights.safetensors", trained.weights)
        history = trained.history
        cost = vars(spent)
    with write_whole(output / "history.csv") as temporary:
        history.to_csv(temporary, index=False)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    record = {**describe(fingerprint, cell.seed), **cost, "parameters": parameters}
    write_json(output / "provenance.json", record)
    state_path.unlink(missing_ok=True)


def evaluate(
    study: Study, cell: Cell, directory: Path, weights: Path, output: Path, threads: int
) -> None:
    """Evaluate a cell and write one NetCDF file per evaluation."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    data = open_data(study, cell.task, directory)
    model, _ = build_model(study, cell, data)
    load_weights(model, weights)
    evaluator = GridEvaluator(
        model, data, task_symmetry(study, cell.task, data), study.evaluation(cell.task)
    )
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    for evaluation in study.settings.evaluations:
        with measure(gpu=torch.cuda.is_available()) as spent:
            dataset = evaluator.evaluate(evaluation)
        record = describe(study.evaluation_fingerprint(cell), cell.seed)
        dataset.attrs |= {
            **{
                key: json.dumps(value) if isinstance(value, dict) else value
                for key, value in record.items()
            },
            **{key: getattr(cell, key) for key in ("study", "task", "model", "treatment", "seed")},
            "evaluation": evaluation,
            "parameters": parameters,
            "seconds": spent.seconds,
            "peak_memory": spent.peak_memory,
        }
        _write_dataset(output / evaluation / f"seed{cell.seed}.nc", dataset)


def _write_dataset(path: Path, dataset: xr.Dataset) -> None:
    with write_whole(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf")

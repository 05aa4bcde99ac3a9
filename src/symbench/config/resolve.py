"""From the settings of a study to its runs, with everything that they name checked."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from symbench.config import registry
from symbench.config.claims import check_claim
from symbench.config.datasets import build_dataset
from symbench.config.patterns import Everywhere, matches, matching
from symbench.config.run import Run, SweepPoint, Task
from symbench.config.schema import (
    Checkpoint,
    RunBlock,
    Settings,
    StudySettings,
    TreatmentSettings,
)
from symbench.config.settings import FIELD_KEYS, EvaluationSettings, Strict, TrainingSettings
from symbench.config.study import Study
from symbench.errors import ConfigError, SymBenchError
from symbench.evaluation.scores import own_metric

Some = TypeVar("Some", bound=Strict)


def build_study(
    name: str,
    settings: StudySettings,
    sweeps: Mapping[str, Sequence[SweepPoint]],
    everywhere: Everywhere,
    only_tasks: Sequence[str] | None = None,
    scratch: str | None = None,
) -> Study:
    """Resolve all runs of a study and check everything that its config names.

    Args:
        name: of the study.
        settings: what the config says.
        sweeps: where each task stands in sweeps.
        everywhere: names of "tasks", "models" or "treatments" that the study has at any size.
        only_tasks: patterns of the tasks whose runs are kept; None for all.
        scratch: see `Run`.

    Raises:
        ConfigError: for the first mistake found.

    """
    tasks: dict[str, Task] = {}
    runs: dict[tuple[str, str, str, int], Run] = {}
    _check_patterns(settings, everywhere)
    for pattern in only_tasks or ():
        matching(pattern, everywhere("tasks") | set(settings.tasks), "task")
    for block in settings.runs:
        for task_name, model, treatment in _names(block, settings):
            if only_tasks is not None and not matches(task_name, only_tasks):
                continue
            if task_name not in tasks:
                points = tuple(sweeps.get(task_name, ()))
                tasks[task_name] = _task(name, task_name, settings, points)
            task = tasks[task_name]
            published = task_name in settings.models[model].checkpoints
            # Published weights are one network: there is nothing to seed.
            for seed in [0] if published else block.seeds or settings.seeds:
                key = (task_name, model, treatment, seed)
                if key not in runs:
                    runs[key] = _run(task, model, treatment, seed, settings, scratch)
    if not runs:
        raise ConfigError("no run is left: 'only_tasks' names no task of its runs.")
    study = Study(name, settings, tuple(runs.values()))
    for number, claim in enumerate(settings.claims):
        try:
            check_claim(claim, study, everywhere)
        except SymBenchError as error:
            raise ConfigError(f"claims.{number} ({claim.name}): {error}") from None
    for figure in settings.figures:
        registry.check("figures", figure.draw or figure.name)
    for table in settings.tables:
        registry.check("tables", table)
    return study


def _check_patterns(settings: StudySettings, everywhere: Everywhere) -> None:
    """Refuse settings and checkpoints of tasks that the study has at no size."""
    named = [
        *(("models", name, key) for name, each in settings.models.items() for key in each.per_task),
        *(
            ("models", name, key)
            for name, each in settings.models.items()
            for key in each.checkpoints
        ),
        *(
            ("treatments", name, key)
            for name, each in settings.treatments.items()
            for key in each.per_task
        ),
    ]
    for what, name, pattern in named:
        if any(matches(task, [pattern]) for task in settings.tasks):
            continue
        try:
            matching(pattern, everywhere("tasks"), "task")
        except ConfigError as error:
            raise ConfigError(f"{what}.{name}: {error}") from None


def _names(block: RunBlock, settings: StudySettings) -> Iterable[tuple[str, str, str]]:
    tasks = [name for each in block.tasks for name in matching(each, settings.tasks, "task")]
    models = [name for each in block.models for name in matching(each, settings.models, "model")]
    for treatment in block.treatments:
        registry.check("treatments", _treatment(settings, treatment).method)
    return itertools.product(tasks, models, block.treatments)


def _treatment(settings: StudySettings, name: str) -> TreatmentSettings:
    """That of the config, or the method of the name without settings."""
    return settings.treatments.get(name) or TreatmentSettings(method=name)


def _task(study: str, name: str, settings: StudySettings, points: tuple[SweepPoint, ...]) -> Task:
    described = settings.tasks[name]
    try:
        dataset, parameters = build_dataset(described)
        dataset.check_group(described.group)
        if described.evaluation.rollout_group is not None and dataset.has_trajectories:
            dataset.check_group(described.evaluation.rollout_group)
        for path in described.metrics:
            own_metric(path)
    except SymBenchError as error:
        raise ConfigError(f"tasks.{name}: {error}") from None
    if not dataset.has_trajectories:
        given = described.evaluation.model_fields_set & FIELD_KEYS
        keys = [f"evaluation.{key}" for key in sorted(given)]
        keys += sorted(described.model_fields_set & {"parity", "input_steps"})
        if keys:
            raise ConfigError(
                f"tasks.{name}.{keys[0]}: makes sense for fields on a grid alone, and "
                f"{described.dataset} holds {dataset.kind}."
            )
    return Task(study, name, described, dataset, parameters, points, settings.resources)


def _run(
    task: Task,
    model: str,
    treatment: str,
    seed: int,
    settings: StudySettings,
    scratch: str | None,
) -> Run:
    chosen = settings.models[model]
    method = _treatment(settings, treatment)
    training = {
        **settings.training.model_dump(exclude_unset=True),
        **_options(chosen.training),
        **_options(task.settings.training),
    }
    # Steps in place of epochs, or the other way round, replace what is below.
    for one, other in (("epochs", "steps"), ("steps", "epochs")):
        if other in _last_length(settings, model, task) and one in training:
            training[one] = None
    evaluation = {**settings.evaluation.model_dump(), **_options(task.settings.evaluation)}
    names = f"{task.name}, {model}"
    try:
        task.dataset.check_seed(seed)
    except SymBenchError as error:
        raise ConfigError(f"tasks.{task.name}: {error}") from None
    evaluations = chosen.evaluations or method.evaluations or settings.evaluations
    return Run(
        task=task,
        model=model,
        treatment=treatment,
        seed=seed,
        architecture=registry.check("models", chosen.architecture),
        model_settings=_for_task(chosen.settings, chosen.per_task, task.name),
        checkpoint=_checkpoint(settings, model, task.name),
        method=method.method,
        treatment_settings=_for_task(method.settings, method.per_task, task.name),
        training=_valid(TrainingSettings, training, f"training of {names}"),
        evaluation=_valid(EvaluationSettings, evaluation, f"evaluation of {names}"),
        evaluations=tuple(evaluations),
        scratch=scratch,
    )


def _options(options: Strict) -> dict[str, object]:
    return options.model_dump(exclude_unset=True)


def _last_length(settings: StudySettings, model: str, task: Task) -> set[str]:
    """The one of epochs and steps that the most special part of the config gives."""
    parts = (task.settings.training, settings.models[model].training, settings.training)
    for part in parts:
        if given := part.model_dump(include={"epochs", "steps"}, exclude_none=True):
            return set(given)
    return set()


def _valid(model: type[Some], content: Mapping[str, object], where: str) -> Some:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        said = problem["msg"].removeprefix("Value error, ")
        said = "is given nowhere" if problem["type"] == "missing" else said
        raise ConfigError(f"{where}: {f'{key}: ' if key else ''}{said}.") from None


def _for_task(settings: Settings, per_task: Mapping[str, Settings], task: str) -> Settings:
    """Settings with those of the patterns that a task matches on top."""
    merged = dict(settings)
    for pattern, more in per_task.items():
        if matches(task, [pattern]):
            merged |= more
    return merged


def _checkpoint(settings: StudySettings, model: str, task: str) -> Checkpoint | None:
    described = settings.models[model]
    if (checkpoint := described.checkpoints.get(task)) is None:
        return None
    repository = checkpoint.repository or described.repository
    if repository is None:
        raise ConfigError(
            f"models.{model}.checkpoints.{task}: 'repository' is missing, here and at the model."
        )
    repository = repository.replace("{task}", task)
    if repository.startswith((".", "/", "~")) and not Path(repository).expanduser().is_dir():
        raise ConfigError(f"models.{model}.checkpoints.{task}: {repository} is no folder.")
    return checkpoint.model_copy(update={"repository": repository})

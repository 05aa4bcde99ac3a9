"""From the settings of a study to its runs, with everything that they name checked."""

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from symbench.config import registry
from symbench.config.arguments import check_arguments, needs_list
from symbench.config.claims import check_claim, check_published, check_reference_metrics
from symbench.config.datasets import build_dataset
from symbench.config.mistakes import MisplacedError, at, said
from symbench.config.patterns import Everywhere, fitting, matches, matching
from symbench.config.run import Run, SweepPoint, Task
from symbench.config.schema import (
    ArmSettings,
    Checkpoint,
    ModelSettings,
    RunBlock,
    Settings,
    StudySettings,
    TaskSettings,
    TreatmentSettings,
)
from symbench.config.settings import (
    FIELD_KEYS,
    EvaluationSettings,
    Strict,
    TrainingOptions,
    TrainingSettings,
)
from symbench.config.study import Study
from symbench.config.sweeps import LENGTHS
from symbench.config.tuning import check_arms, check_tuning
from symbench.data.dataset import Score
from symbench.errors import ConfigError, choose
from symbench.evaluation.scores import metrics_of, own_metric
from symbench.layout import PUBLISHED, from_home
from symbench.symmetry.group_names import is_infinite

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
    _check_code(settings)
    _check_patterns(settings, everywhere)
    for number, block in enumerate(settings.runs):
        with at("runs", str(number)):
            named = _names(block, settings)
        for task_name, model, treatment in named:
            if only_tasks is not None and not matches(task_name, only_tasks):
                continue
            if task_name not in tasks:
                points = tuple(sweeps.get(task_name, ()))
                tasks[task_name] = _task(name, task_name, settings, points)
            task = tasks[task_name]
            with at("runs", str(number), "treatments"):
                _refuse_infinite(task, treatment, _treatment(settings, treatment).method)
            published = task_name in settings.models[model].checkpoints
            # Published weights are one network: there is nothing to seed.
            place = ("runs", str(number), "seeds") if block.seeds else ("seeds",)
            for seed in [0] if published else block.seeds or settings.seeds:
                with at(*place):
                    task.dataset.check_seed(seed)
                key = (task_name, model, treatment, seed)
                if key not in runs:
                    runs[key] = _run(task, model, treatment, seed, settings, scratch)
    study = Study(name, settings, tuple(runs.values()))
    for number, claim in enumerate(settings.claims):
        with at("claims", str(number)):
            check_claim(claim, study, everywhere)
    for number, known in enumerate(settings.published):
        with at("published", str(number)):
            check_published(known, study, everywhere)
    with at("reference_metrics"):
        check_reference_metrics(study)
    with at("tuning"):
        check_tuning(study, everywhere)
    return study


def _check_code(settings: StudySettings) -> None:
    """Refuse names of code that does not exist, of what no run uses too."""
    for name, task in settings.tasks.items():
        with at("tasks", name, "dataset"):
            registry.check("datasets", task.dataset)
    for name, model in settings.models.items():
        with at("models", name, "architecture"):
            registry.check("models", model.architecture)
        with at("models", name):
            _check_arguments("models", model.architecture, model)
    for name, treatment in settings.treatments.items():
        with at("treatments", name, "method"):
            registry.check("treatments", treatment.method)
        with at("treatments", name):
            _check_arguments("treatments", treatment.method, treatment)
    for number, figure in enumerate(settings.figures):
        with at("figures", str(number), "draw" if figure.draw else "name"):
            registry.check("figures", figure.draw or figure.name)
    for number, table in enumerate(settings.tables):
        with at("tables", str(number)):
            registry.check("tables", table)


def _check_arguments(
    kind: registry.Kind, code: str, described: ModelSettings | TreatmentSettings
) -> None:
    with at("settings"):
        check_arguments(kind, code, described.settings)
    for pattern, settings in described.per_task.items():
        with at("per_task", pattern):
            check_arguments(kind, code, settings)


def _check_patterns(settings: StudySettings, everywhere: Everywhere) -> None:
    """Refuse settings and checkpoints of tasks that the study has at no size."""
    models, treatments = settings.models.items(), settings.treatments.items()
    named = [
        *(("models", name, "per_task", key) for name, each in models for key in each.per_task),
        *(
            ("models", name, "checkpoints", key)
            for name, each in models
            for key in each.checkpoints
        ),
        *(
            ("treatments", name, "per_task", key)
            for name, each in treatments
            for key in each.per_task
        ),
    ]
    for place in named:
        pattern = place[-1]
        if not any(matches(task, [pattern]) for task in settings.tasks):
            with at(*place):
                matching(pattern, everywhere("tasks"), "task")
    with at("arms"):
        check_arms(settings.arms, settings, everywhere)


def _names(block: RunBlock, settings: StudySettings) -> list[tuple[str, str, str]]:
    """All of a block: task, model, treatment; raises `ConfigError` for a name that is not there."""
    with at("tasks"):
        tasks = [name for each in block.tasks for name in matching(each, settings.tasks, "task")]
    with at("models"):
        models = [
            name for each in block.models for name in matching(each, settings.models, "model")
        ]
    with at("treatments"):
        for name in block.treatments:
            if name not in settings.treatments:
                choose(name, {*registry.names("treatments"), *settings.treatments}, "treatment")
    return list(itertools.product(tasks, models, block.treatments))


def _treatment(settings: StudySettings, name: str) -> TreatmentSettings:
    """That of the config, or the method of the name without settings."""
    return settings.treatments.get(name) or TreatmentSettings(method=name)


def _refuse_infinite(task: Task, treatment: str, method: str) -> None:
    """Raise `ConfigError` if a treatment needs a list of what is infinite."""
    if is_infinite(task.settings.group) and needs_list(method):
        raise ConfigError(
            f"Treatment '{treatment}' goes through all elements of a group, and "
            f"{task.settings.group} of {task.name} has infinitely many: take 'random_average'."
        )


def _task(study: str, name: str, settings: StudySettings, points: tuple[SweepPoint, ...]) -> Task:
    described = settings.tasks[name]
    with at("tasks", name):
        dataset, parameters = build_dataset(described)
        with at("group"):
            dataset.check_group(described.group)
        known = metrics_of(dataset)
        for path in described.metrics:
            with at("metrics"):
                own = _own_score(path, known)
                known[own.name] = own
        if not dataset.has_trajectories:
            _refuse_trajectories(described)
    return Task(study, name, described, dataset, parameters, points, settings.resources)


def _own_score(path: str, known: Collection[str]) -> Score:
    """The score of a metric of one's own; refuses one that says nothing, or has a name twice."""
    found = own_metric(path).score
    if not isinstance(found.name, str) or found.better not in ("lower", "higher"):
        raise ConfigError(
            f"'{path}': a metric has a name, and lower or higher values are better, not "
            f"{found.name!r} and {found.better!r}."
        )
    if found.name in known:
        raise ConfigError(f"'{path}': the task has a metric '{found.name}' already.")
    return found


def _refuse_trajectories(described: TaskSettings) -> None:
    """Raise `ConfigError` if settings of trajectories are given for data without them."""
    given = described.evaluation.model_fields_set & FIELD_KEYS
    places = [["evaluation", key] for key in sorted(given)]
    places += [[key] for key in sorted(described.model_fields_set & {"parity", "input_steps"})]
    if places:
        raise MisplacedError(
            places[0],
            f"it makes sense for trajectories of fields alone, and {described.dataset} has none.",
        )


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
    arguments = _for_task(method.settings, method.per_task, task)
    arms = _arms(settings, task, model, treatment)
    for pattern, arm in arms.items():
        with at("arms", pattern, "treatment"):
            check_arguments("treatments", method.method, arm.treatment)
        training |= _options(arm.training)
        arguments |= arm.treatment
    # Steps in place of epochs, or the other way round, replace what is below.
    place, given = _last_length(settings, model, task, arms)
    for one, other in (("epochs", "steps"), ("steps", "epochs")):
        if given == {other} and one in training:
            training[one] = None
    evaluation = {**settings.evaluation.model_dump(), **_options(task.settings.evaluation)}
    names = f"{model} on {task.name}"
    with at(*place):
        training_settings = _valid(TrainingSettings, training, names)
        _check_length(task, training_settings, f"{names}, {treatment}")
    with at("evaluation"):
        evaluation_settings = _valid(EvaluationSettings, evaluation, names)
    if task.dataset.has_trajectories and evaluation_settings.rollout_group is not None:
        own = "rollout_group" in task.settings.evaluation.model_fields_set
        with at(*(("tasks", task.name) if own else ()), "evaluation", "rollout_group"):
            task.dataset.check_group(evaluation_settings.rollout_group)
    checkpoint = _checkpoint(settings, model, task)
    if checkpoint is not None and method.method != "none":
        raise MisplacedError(
            ["models", model, "checkpoints", task.name],
            f"published weights are not trained: no run can give them the treatment '{treatment}'.",
        )
    of_task = task.settings.evaluations or settings.evaluations
    evaluations = chosen.evaluations or method.evaluations or of_task
    return Run(
        task=task,
        model=model,
        treatment=treatment,
        seed=seed,
        architecture=chosen.architecture,
        model_settings=_for_task(chosen.settings, chosen.per_task, task),
        checkpoint=checkpoint,
        method=method.method,
        treatment_settings=arguments,
        training=training_settings,
        evaluation=evaluation_settings,
        evaluations=tuple(evaluations),
        scratch=scratch,
    )


def _check_length(task: Task, training: TrainingSettings, run: str) -> None:
    """Raise `ConfigError` if a run is not trained as long as its point of a sweep says."""
    for setting, quantity in LENGTHS.items():
        value = getattr(training, setting)
        for point in task.sweeps:
            if point.quantity == quantity and point.value != value:
                raise ConfigError(
                    f"{run} is trained for {setting} {value}, but the sweep of its task says "
                    f"{point.value:g}: leave the length of training to the sweep."
                )


def _options(options: Strict) -> dict[str, object]:
    return options.model_dump(exclude_unset=True)


def _arms(settings: StudySettings, task: Task, *others: str) -> dict[str, ArmSettings]:
    """What is said of an arm, by its pattern; its very name lies on top of all patterns.

    Below lies what is said of the same arm of the task that its own is made from.
    """
    names = ["/".join((name, *others)) for name in task.names]
    found: dict[str, ArmSettings] = {}
    for name, patterns in zip(names, fitting(settings.arms, names), strict=True):
        for pattern in sorted(patterns, key=name.__eq__):
            found[pattern] = settings.arms[pattern]
    return found


def _last_length(
    settings: StudySettings, model: str, task: Task, arms: Mapping[str, ArmSettings]
) -> tuple[tuple[str, ...], set[str]]:
    """The most special part of the config that gives epochs or steps, and what it gives."""
    parts: dict[tuple[str, ...], TrainingOptions] = {
        **{("arms", name, "training"): arms[name].training for name in reversed(list(arms))},
        ("tasks", task.name, "training"): task.settings.training,
        ("models", model, "training"): settings.models[model].training,
        ("training",): settings.training,
    }
    for place, part in parts.items():
        if given := part.model_dump(include={"epochs", "steps"}, exclude_none=True):
            return place, set(given)
    return ("training",), set()


def _valid(model: type[Some], content: Mapping[str, object], where: str) -> Some:
    """All settings of a run of some names; a part of them may be said nowhere."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        place = [str(part) for part in problem["loc"]]
        raise MisplacedError(place, f"{said(problem).removesuffix('.')}, for {where}.") from None


def _for_task(settings: Settings, per_task: Mapping[str, Settings], task: Task) -> Settings:
    """Settings with those of the patterns on top that fit a task, or the one it is made from."""
    merged = dict(settings)
    for pattern in itertools.chain(*fitting(per_task, task.names)):
        merged |= per_task[pattern]
    return merged


def _checkpoint(settings: StudySettings, model: str, task: Task) -> Checkpoint | None:
    described = settings.models[model]
    if (checkpoint := described.checkpoints.get(task.name)) is None:
        return None
    place = ["models", model, "checkpoints", task.name]
    known = metrics_of(task.dataset, tuple(map(own_metric, task.settings.metrics)))
    with at(*place, "scores"):
        for metric in checkpoint.scores:
            choose(metric, known, "metric")
    if checkpoint.file is not None:
        return checkpoint
    repository = checkpoint.repository or described.repository
    if repository is None:
        raise MisplacedError(place, "'repository' is missing, here and at the model.")
    repository = repository.replace("{task}", task.name)
    if repository.startswith((".", "/", "~")):
        with at(*place):
            repository = str(from_home(repository))
        for name in PUBLISHED:
            if not Path(repository, name).is_file():
                raise MisplacedError(
                    place, f"{repository} is no folder with {' and '.join(PUBLISHED)}."
                )
    elif not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise MisplacedError(
            place,
            f"'{repository}' is no repository: write owner/name, or ./folder for a folder.",
        )
    return checkpoint.model_copy(update={"repository": repository})

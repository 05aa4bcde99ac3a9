"""From config files to typed studies, cells, claims and figures; the only reader of config.

A configuration is a size file (config/config.yaml for the laptop size, config/smoke.yaml,
config/paper.yaml), optionally overlaid by your own files, and one file per study in
config/studies/. Every mistake is reported as one sentence that names the key, the value, what is
allowed and the file. Nothing here imports torch: the workflow plans thousands of jobs in seconds.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from symbench.config import registry
from symbench.config.schema import (
    CellBlock,
    Resources,
    SizeFile,
    StudyDescription,
    StudySize,
    TaskSettings,
    TreatmentSettings,
)
from symbench.config.settings import EvaluationSettings, TrainingSettings
from symbench.errors import ConfigError, SymmetryError, choose
from symbench.symmetry.group_names import check_group_name

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Cell:
    """One row of the benchmark: a model trained on a task with a treatment and a seed."""

    study: str
    task: str
    model: str
    treatment: str
    seed: int

    @property
    def family(self) -> str:
        """The path of all its seeds: task/model/treatment."""
        return f"{self.task}/{self.model}/{self.treatment}"


@dataclass(frozen=True)
class Study:
    """A study at one size."""

    name: str
    description: StudyDescription
    settings: StudySize
    only_tasks: tuple[str, ...] | None = None
    cache: tuple[Path, ...] = ()
    scratch: str | None = None

    @property
    def cells(self) -> list[Cell]:
        """All cells, each once, in the order of the config."""
        cells = {
            Cell(self.name, task, model, treatment, seed): None
            for block in self.settings.cells
            for task, model, treatment in itertools.product(
                block.tasks, block.models, block.treatments
            )
            if self.only_tasks is None or task in self.only_tasks
            for seed in self._seeds(block, task, model)
        }
        return list(cells)

    def _seeds(self, block: CellBlock, task: str, model: str) -> list[int]:
        # Published weights are one network: there is nothing to seed.
        if task in self.settings.models[model].checkpoints:
            return [0]
        return block.seeds or self.settings.seeds

    @property
    def tasks(self) -> list[str]:
        """Tasks that some cell uses."""
        return list(dict.fromkeys(cell.task for cell in self.cells))

    def task(self, name: str) -> TaskSettings:
        """Settings of a task; raises `ConfigError` if the study has none of that name."""
        return self.settings.tasks[choose(name, self.settings.tasks, "task")]

    def check(self, cell: Cell) -> Cell:
        """Return a cell whose names exist; raises `ConfigError` for one that does not."""
        self.task(cell.task)
        choose(cell.model, self.settings.models, "model")
        registry.check("treatments", self.treatment(cell.treatment).method)
        return cell

    def training(self, task: str, model: str) -> TrainingSettings:
        """Training settings of a cell: those of the study, its model's and its task's on top."""
        settings = self.settings.training
        overrides = self.settings.models[model].training
        settings = _overlay(settings, overrides, f"models.{model}.training")
        overrides = self.settings.tasks[task].training
        return _overlay(settings, overrides, f"tasks.{task}.training")

    def evaluation(self, task: str) -> EvaluationSettings:
        """Evaluation settings of a task: those of the study with its own on top."""
        overrides = self.settings.tasks[task].evaluation
        return _overlay(self.settings.evaluation, overrides, f"tasks.{task}.evaluation")

    def evaluations(self, model: str, treatment: str = "none") -> list[str]:
        """Evaluations of a model: its own, or else of the treatment, or else of the study."""
        own = self.settings.models[model].evaluations
        return list(own or self.treatment(treatment).evaluations or self.settings.evaluations)

    def model_settings(self, task: str, model: str) -> dict[str, Any]:
        """Settings of the architecture on a task."""
        settings = self.settings.models[model]
        return {**settings.settings, **settings.per_task.get(task, {})}

    def treatment(self, name: str) -> TreatmentSettings:
        """A training treatment: that of the config, or the method of the name without settings."""
        return self.settings.treatments.get(name) or TreatmentSettings(method=name)

    def treatment_settings(self, task: str, name: str) -> dict[str, Any]:
        """Settings of a training treatment on a task."""
        treatment = self.treatment(name)
        return {**treatment.settings, **treatment.per_task.get(task, {})}

    def resources(self, stage: str) -> Resources:
        """Resources of the jobs of a stage."""
        return {str(k): v for k, v in self.settings.resources.items()}.get(stage, Resources())

    def data_fingerprint(self, task: str) -> str:
        """Hash of all that decides the data of a task."""
        settings = self.settings.tasks[task]
        return _hash([settings.family, settings.parameters])

    def audit_fingerprint(self, task: str) -> str:
        """Hash of all that decides the audit of a task."""
        hidden = {"training", "evaluation", "places"}
        return _hash(self.settings.tasks[task].model_dump(exclude=hidden))

    def training_fingerprint(self, cell: Cell) -> str:
        """Hash of all that decides the weights of a cell."""
        model = self.settings.models[cell.model]
        checkpoint = model.checkpoints.get(cell.task)
        return _hash(
            [
                self.audit_fingerprint(cell.task),
                model.architecture,
                self.model_settings(cell.task, cell.model),
                vars(self.training(cell.task, cell.model)),
                checkpoint.model_dump() if checkpoint else None,
                self.treatment(cell.treatment).method,
                self.treatment_settings(cell.task, cell.treatment),
                cell.seed,
            ]
        )

    def evaluation_fingerprint(self, cell: Cell) -> str:
        """Hash of all that decides the evaluations of a cell."""
        evaluation = vars(self.evaluation(cell.task))
        evaluations = self.evaluations(cell.model, cell.treatment)
        return _hash([self.training_fingerprint(cell), evaluation, evaluations])

    def comparison_fingerprint(self) -> str:
        """Hash of the whole study."""
        content = (self.description.model_dump(), self.settings.model_dump(), self.only_tasks)
        return _hash(content)


@dataclass(frozen=True)
class Configuration:
    """All that the config says, checked."""

    size: str
    data: str
    results: str
    studies: dict[str, Study]
    files: tuple[Path, ...]

    @property
    def tasks(self) -> dict[str, Study]:
        """Each task with a study that defines it."""
        return {task: study for study in self.studies.values() for task in study.tasks}

    def study(self, name: str) -> Study:
        """A study by name; raises `ConfigError` if it is not in the configuration."""
        return self.studies[choose(name, self.studies, "study")]


def config_file(size: str, directory: Path = Path("config")) -> Path:
    """The file of a size: config.yaml is the laptop's, the others have their own."""
    sizes = {"laptop": "config.yaml", "smoke": "smoke.yaml", "paper": "paper.yaml"}
    return directory / sizes[choose(size, sizes, "size")]


def read_configuration(
    files: Sequence[Path], studies: Sequence[str] | None = None
) -> Configuration:
    """Read and check config files.

    Args:
        files: a size file, then files that override parts of it.
        studies: names of the studies to keep; None for those that the files name.

    Raises:
        ConfigError: for the first mistake found.

    """
    content: dict[str, Any] = {}
    for file in files:
        content = _merge(content, _read_yaml(file))
    described = ", ".join(str(file) for file in files)
    directory = files[0].parent / "studies"
    descriptions = {}
    named = content.get("studies")
    for name, settings in named.items() if isinstance(named, dict) else ():
        if (path := directory / f"{name}.yaml").is_file() and isinstance(settings, dict):
            descriptions[name] = _read_yaml(path)
            # What all sizes share lies below what each of them says.
            shared = {key: descriptions[name].pop(key, {}) for key in ("models", "treatments")}
            content["studies"][name] = _merge(shared, settings)
    parsed = _validate(SizeFile, content, described)
    chosen = {}
    for name in studies or parsed.studies:
        choose(name, parsed.studies, "study")
        path = directory / f"{name}.yaml"
        if name not in descriptions:
            raise ConfigError(f"Config file {path} does not exist.")
        description = _validate(StudyDescription, descriptions[name], str(path))
        only = tuple(parsed.only_tasks) if parsed.only_tasks else None
        # Beside the folder of the config, wherever a run is started.
        cache = tuple(files[0].resolve().parents[1] / folder for folder in parsed.cache)
        study = Study(name, description, parsed.studies[name], only, cache, parsed.scratch)
        try:
            _check(study)
        except (ConfigError, SymmetryError) as error:
            raise ConfigError(f"{described}: {name}: {error}") from None
        chosen[name] = study
    return Configuration(parsed.size, parsed.data, parsed.results, chosen, tuple(files))


def schema() -> dict[str, Any]:
    """The JSON schema of a size file, before what all sizes share is laid below it."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    full = SizeFile.model_json_schema()
    for shared in ("ModelSettings", "TreatmentSettings"):
        full["$defs"][shared].pop("required")
    return {"$schema": dialect, **full}


def _check(study: Study) -> None:
    """Check names across parts of a study."""
    settings = study.settings
    for name, task in settings.tasks.items():
        registry.check("tasks", task.family)
        check_group_name(task.group)
        study.evaluation(name)
    for name, model in settings.models.items():
        registry.check("models", model.architecture)
        for task_name in settings.tasks:
            study.training(task_name, name)
        for task_name in (*model.per_task, *model.checkpoints):
            choose(task_name, settings.tasks, "task")
    for treatment in settings.treatments.values():
        registry.check("treatments", treatment.method)
        for task_name in treatment.per_task:
            choose(task_name, settings.tasks, "task")
    for block in settings.cells:
        for task_name in block.tasks:
            choose(task_name, settings.tasks, "task")
        for model_name in block.models:
            choose(model_name, settings.models, "model")
        for treatment_name in block.treatments:
            registry.check("treatments", study.treatment(treatment_name).method)


def _overlay(settings: Any, overrides: Mapping[str, Any], where: str) -> Any:
    for key in overrides:
        if key not in vars(settings):
            raise ConfigError(
                f"{where}: unknown key '{key}'; allowed: {', '.join(sorted(vars(settings)))}."
            )
    return type(settings)(**{**vars(settings), **overrides})


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"Config file {path} does not exist.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values, not {type(content).__name__}.")
    return content


def _validate(model: type[Model], content: Mapping[str, Any], where: str) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        value = problem["input"]
        shown = "" if isinstance(value, dict | list) else f" (value: {value!r})"
        raise ConfigError(f"{where}: key '{key}': {_say(problem, model)}{shown}.") from None


def _say(problem: Any, model: type[BaseModel]) -> str:
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"unknown key; allowed here: {', '.join(_allowed(model, problem['loc'][:-1]))}"
    message: str = problem["msg"]
    return message[0].lower() + message[1:]


def _allowed(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Keys that the schema allows at a place."""
    full = model.model_json_schema()
    node: Any = full
    for part in location:
        node = _follow(full, node)
        if isinstance(part, int):
            node = node["items"]
        elif part in node.get("properties", {}):
            node = node["properties"][part]
        elif "patternProperties" in node:
            node = next(iter(node["patternProperties"].values()))
        else:
            node = node.get("additionalProperties", node)
    return sorted(_follow(full, node).get("properties", {}))


def _follow(full: Mapping[str, Any], node: Any) -> Any:
    while "$ref" in node or "allOf" in node or "anyOf" in node:
        if "$ref" in node:
            node = full["$defs"][node["$ref"].rsplit("/", 1)[1]]
        else:
            node = (node.get("allOf") or node["anyOf"])[0]
    return node


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def evaluation_paths(study: Study) -> Iterator[str]:
    """Paths of all evaluation files of a study, below its folder of evaluations."""
    for cell in study.cells:
        for evaluation in study.evaluations(cell.model, cell.treatment):
            yield f"{cell.family}/{evaluation}/seed{cell.seed}.nc"


TRAINED = ("weights.safetensors", "history.csv", "provenance.json")


def training_paths(study: Study, names: Sequence[str] = TRAINED) -> Iterator[str]:
    """Paths of what trainings of a study write, below its folder of models."""
    for cell in study.cells:
        for name in names:
            yield f"{cell.family}/seed{cell.seed}/{name}"


def evaluation_sets(
    configuration: Configuration,
) -> Iterator[tuple[Study, list[str], str, list[str]]]:
    """Each study with each list of evaluations and treatment, and the models that have them."""
    for study in configuration.studies.values():
        models: dict[tuple[tuple[str, ...], str], dict[str, None]] = {}
        for cell in study.cells:
            evaluations = tuple(study.evaluations(cell.model, cell.treatment))
            models.setdefault((evaluations, cell.treatment), {})[cell.model] = None
        for (evaluations, treatment), sharing in models.items():
            yield study, list(evaluations), treatment, list(sharing)

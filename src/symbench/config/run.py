"""One run of the benchmark, with everything about it resolved: what every stage is handed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from symbench.config import registry
from symbench.config.code import code_of
from symbench.config.schema import Checkpoint, Resources, Settings, Stage, TaskSettings
from symbench.config.settings import EvaluationSettings, TrainingSettings
from symbench.data.dataset import Dataset, TaskOptions
from symbench.layout import PUBLISHED


def fingerprint(content: object) -> str:
    """Hash of plain values: the same for the same content, wherever and whenever it is made."""
    text = json.dumps(_plain(content), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(content: object) -> object:
    """Values in which 1.0 and 1 are written alike, which mean the same."""
    if isinstance(content, float) and content.is_integer():
        return int(content)
    if isinstance(content, Mapping):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return content


@dataclass(frozen=True)
class SweepPoint:
    """Where a task stands in a sweep: tasks that differ in one number.

    Attributes:
        sweep: name of the sweep.
        quantity: what differs, such as "training samples".
        value: of this task.
        own: whether the task is the one that says the sweep, not one that was made for a value.
        made_from: the name of the task that says the sweep, if it is another one.

    """

    sweep: str
    quantity: str
    value: float
    own: bool = True
    made_from: str | None = None


@dataclass(frozen=True)
class Task:
    """A task of a study, resolved.

    Attributes:
        study: name of the study.
        name: of the task.
        settings: what the config says.
        dataset: where its data come from, built from the parameters.
        parameters: of the data set, with its defaults: what the data are.
        sweeps: where it stands in them.
        resources: of jobs by stage.

    """

    study: str
    name: str
    settings: TaskSettings
    dataset: Dataset = field(compare=False)
    parameters: Mapping[str, object] = field(compare=False)
    sweeps: tuple[SweepPoint, ...] = ()
    resources: Mapping[Stage, Resources] = field(default_factory=dict, compare=False)

    @property
    def names(self) -> list[str]:
        """Names that settings may be said for: of the task that this is made from, and its own."""
        made_from = {point.made_from: None for point in self.sweeps}
        return [*filter(None, made_from), self.name]

    @property
    def options(self) -> TaskOptions:
        """How its data are opened."""
        return TaskOptions(self.settings.input_steps, self.settings.parity)

    @property
    def dataset_folder(self) -> str:
        """Name of the data set, as a part of a path."""
        return self.settings.dataset.rpartition(":")[2].replace(".", "_")

    @cached_property
    def data_fingerprint(self) -> str:
        """Hash of all that decides the data: the data set, its parameters and its code."""
        module = registry.module_of("datasets", self.settings.dataset)
        content = [self.settings.dataset, self.parameters, code_of(module, deep=False)]
        return fingerprint(content)

    @cached_property
    def audit_fingerprint(self) -> str:
        """Hash of all that decides the audit."""
        settings = self.settings
        opened = [settings.group, settings.exact, settings.input_steps, settings.parity]
        modules = [registry.module_of("datasets", settings.dataset), *_modules(settings.group)]
        return fingerprint([self.data_fingerprint, opened, code_of(*modules)])


@dataclass(frozen=True)
class Run:
    """One training: task, model, treatment and seed, with all settings resolved.

    Attributes:
        task: the task.
        model: name of the model.
        treatment: name of the training treatment.
        seed: of the run.
        architecture: name of the model's code.
        model_settings: keyword arguments of the architecture.
        checkpoint: published weights that are taken in place of a training, if any.
        method: name of the treatment's code.
        treatment_settings: keyword arguments of the method.
        training: how to train.
        evaluation: how to evaluate.
        evaluations: what is evaluated.
        scratch: a folder of the node that data are copied to, if any.

    """

    task: Task
    model: str
    treatment: str
    seed: int
    architecture: str
    model_settings: Settings
    checkpoint: Checkpoint | None
    method: str
    treatment_settings: Settings
    training: TrainingSettings
    evaluation: EvaluationSettings
    evaluations: tuple[str, ...]
    scratch: str | None = None

    @property
    def study(self) -> str:
        """Name of the study."""
        return self.task.study

    @property
    def published(self) -> str | None:
        """Fingerprint of the Hub repository that the weights come from; None if from none."""
        taken = self.checkpoint
        if taken is None or taken.repository is None or Path(taken.repository).is_dir():
            return None
        return fingerprint([taken.repository, taken.revision])

    @property
    def key(self) -> tuple[str, str, str]:
        """What all seeds share: task, model, treatment."""
        return self.task.name, self.model, self.treatment

    def __str__(self) -> str:
        """Such as nbody/segnn/strict/seed0."""
        return "/".join((*self.key, f"seed{self.seed}"))

    @cached_property
    def group_fingerprint(self) -> str:
        """Hash of all that decides the weights but the seed, the same for the whole run group."""
        data = registry.module_of("datasets", self.task.settings.dataset)
        model = registry.module_of("models", self.architecture)
        method = registry.module_of("treatments", self.method)
        content = [
            self.task.audit_fingerprint,
            self.architecture,
            self.model_settings,
            self.training.model_dump(exclude={"save_every"}),
            self.method,
            self.treatment_settings,
            code_of(data, model, method, "symbench.training.loop"),
        ]
        if self.checkpoint is not None:
            # Of weights at hand it does not matter where they lie.
            weights = _local_weights(self.checkpoint)
            content += [self.checkpoint.model_dump(exclude={"repository"} if weights else None)]
            content += [weights]
        return fingerprint(content)

    @cached_property
    def training_fingerprint(self) -> str:
        """Hash of all that decides the weights."""
        return fingerprint([self.group_fingerprint, self.seed])

    @cached_property
    def evaluation_fingerprint(self) -> str:
        """Hash of all that decides the evaluations."""
        content = [
            self.training_fingerprint,
            self.evaluation.model_dump(),
            self.evaluations,
            self.task.settings.metrics,
            code_of("symbench.evaluation.measure", *_modules(*self.task.settings.metrics)),
        ]
        return fingerprint(content)


def _modules(*paths: str) -> list[str]:
    """The modules of those that are `package.module:Name`."""
    return [path.partition(":")[0] for path in paths if ":" in path]


def _local_weights(checkpoint: Checkpoint) -> list[str]:
    """Checksums of weights in a folder of the user, which may be replaced at any time."""
    folder = Path(checkpoint.repository or "")
    if not checkpoint.repository or not folder.is_dir():
        return []
    paths = (folder / name for name in PUBLISHED)
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()]

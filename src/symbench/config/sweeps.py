"""Sweeps: tasks that differ in one number, written as one."""

from collections.abc import Sequence
from typing import TypeGuard

from symbench.config import registry
from symbench.config.mistakes import MisplacedError, at
from symbench.config.run import SweepPoint, Task
from symbench.config.schema import LARGEST
from symbench.config.yaml_files import Content, listed, mapping, merge, without
from symbench.data.dataset import Dataset
from symbench.errors import ConfigError, choose

# How long a training lasts, by the setting of training.
LENGTHS = {"epochs": "epochs of training", "steps": "steps of training"}


def with_sweeps(content: object) -> tuple[object, dict[str, list[SweepPoint]]]:
    """The content of a study with a task for each value of each sweep, and where each stands.

    Raises:
        MisplacedError: for a sweep over what is no parameter, for two tasks of one name, and for a
            task of another value than that of its point.

    """
    study = mapping(content)
    tasks = mapping(study.get("tasks"))
    made: Content = dict(tasks)
    points: dict[str, list[SweepPoint]] = {}
    origins: dict[str, str] = {}
    swept: dict[str, tuple[list[str], float]] = {}
    for name, described in tasks.items():
        task = mapping(described)
        for key, values in mapping(task.get("sweep")).items():
            origin = f"{name}.sweep.{key}"
            with at("tasks", name, "sweep", key):
                path = _swept_parameter(key, task)
                # What is no list of numbers is refused with the types of the config.
                for value in filter(_is_number, listed(values)):
                    own = _value_at(task, path) == value
                    made_name = name if own else f"{name}_{key}_{_word(value)}"
                    if not own:
                        if origins.setdefault(made_name, origin) != origin or (
                            made_name in points and points[made_name][-1].value != value
                        ):
                            raise ConfigError(f"another task is called {made_name} too.")
                        made[made_name] = merge(
                            _with_value(without(task, "sweep"), path, value),
                            mapping(tasks.get(made_name)),
                        )
                        swept[made_name] = (path, value)
                    quantity = LENGTHS[key] if path[0] == "training" else key.replace("_", " ")
                    made_from = None if own else name
                    point = SweepPoint(f"{name}_{key}", quantity, float(value), own, made_from)
                    points.setdefault(made_name, []).append(point)
    for name, (path, value) in swept.items():
        # Figures draw a point at its value.
        if (found := _value_at(made[name], path)) != value:
            shown = "nothing" if found is None else found
            raise MisplacedError(
                ["tasks", name, *path],
                f"it is a point of the sweep {origins[name]} at {value}, and has {shown} here: "
                "leave this to the sweep, or give the task another name.",
            )
    return ({**study, "tasks": made} if made else content), points


def is_of_another_length(task: Task) -> bool:
    """Whether a task only differs from another one in how long networks are trained on it."""
    return any(not point.own and point.quantity in LENGTHS.values() for point in task.sweeps)


def _swept_parameter(key: str, task: Content) -> list[str]:
    parameters = mapping(task.get("parameters"))
    if key in LENGTHS and key not in parameters:
        if key not in mapping(task.get("training")):
            raise ConfigError(
                f"say the task's own 'training: {{{key}: …}}', which is a point of the sweep too."
            )
        return ["training", key]
    if key == "training_samples":
        dataset = registry.resolve("datasets", str(task.get("dataset")))
        inside = (
            dataset.training_samples
            if isinstance(dataset, type) and issubclass(dataset, Dataset)
            else key
        )
        return ["parameters", *inside.split(".")]
    choose(key, ["training_samples", *LENGTHS, *parameters], "parameter of the task")
    return ["parameters", key]


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def _word(value: int | float) -> str:
    """A number as a part of a name."""
    return f"{value:.12g}".replace("-", "minus_").replace(".", "_").replace("+", "")


def _value_at(content: object, path: Sequence[str]) -> object:
    for part in path:
        content = mapping(content).get(part)
    return content


def _with_value(content: Content, path: Sequence[str], value: object) -> Content:
    for part in reversed(path):
        value = {part: value}
    return merge(content, mapping(value))

"""Sweeps: tasks that differ in one number, written as one."""

from collections.abc import Sequence
from typing import TypeGuard

from symbench.config import registry
from symbench.config.mistakes import file_of
from symbench.config.run import SweepPoint
from symbench.config.yaml_files import Content, Layer, listed, mapping, merge, without
from symbench.data.dataset import Dataset
from symbench.errors import ConfigError, nearest


def with_sweeps(
    content: Content, where: str, layers: Sequence[Layer]
) -> tuple[Content, dict[str, list[SweepPoint]]]:
    """The content of a study with a task for each value of each sweep, and where each stands."""
    tasks = mapping(content.get("tasks"))
    made: Content = dict(tasks)
    points: dict[str, list[SweepPoint]] = {}
    for name, described in tasks.items():
        task = mapping(described)
        for key, values in mapping(task.get("sweep")).items():
            path = _swept_parameter(key, task, f"{where}.tasks.{name}.sweep", layers)
            # What is no list of numbers is refused with the types of the config.
            for value in filter(_is_number, listed(values)):
                own = _value_at(task, path) == value
                made_name = name if own else f"{name}_{key}_{_word(value)}"
                if not own:
                    made[made_name] = merge(
                        _with_value(without(task, "sweep"), path, value),
                        mapping(tasks.get(made_name)),
                    )
                quantity = key.replace("_", " ")
                point = SweepPoint(f"{name}_{key}", quantity, float(value))
                points.setdefault(made_name, []).append(point)
    return {**content, "tasks": made}, points


def _swept_parameter(key: str, task: Content, where: str, layers: Sequence[Layer]) -> list[str]:
    parameters = mapping(task.get("parameters"))
    if key == "training_samples":
        try:
            dataset = registry.resolve("datasets", str(task.get("dataset")))
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
        inside = (
            dataset.training_samples
            if isinstance(dataset, type) and issubclass(dataset, Dataset)
            else key
        )
        return ["parameters", *inside.split(".")]
    if key not in parameters:
        file = file_of(where.split("."), layers)
        known = ["training_samples", *parameters]
        raise ConfigError(
            f"{file}: key '{where}.{key}': no parameter of the task; allowed: "
            f"{', '.join(sorted(known))}.{nearest(key, known)}"
        )
    return ["parameters", key]


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


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

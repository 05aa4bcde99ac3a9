"""The data set of a task, built from its parameters."""

import inspect

from symbench.config import registry
from symbench.config.mistakes import at
from symbench.config.schema import TaskSettings
from symbench.data.dataset import Dataset
from symbench.errors import ConfigError


def build_dataset(settings: TaskSettings) -> tuple[Dataset, dict[str, object]]:
    """The data set of a task, and all its parameters, those by default too.

    Raises:
        ConfigError: for a data set or parameters that do not exist or make no sense.

    """
    with at("dataset"):
        found = _dataset_class(settings.dataset)
    with at("parameters"):
        try:
            dataset = found(**settings.parameters)
        # Whatever code of a user raises for a value that it does not expect.
        except (TypeError, ValueError, KeyError) as error:
            raise ConfigError(f"{settings.dataset}: {error!r}.") from error
    return dataset, dataset.model_dump(mode="json", by_alias=True)


def _dataset_class(name: str) -> type[Dataset]:
    found = registry.resolve("datasets", name)
    if not (isinstance(found, type) and issubclass(found, Dataset)):
        raise ConfigError(f"'{name}' is no symbench.data.dataset.Dataset.")
    if inspect.isabstract(found):
        lacking = ", ".join(sorted(found.__abstractmethods__))
        raise ConfigError(f"'{name}' does not define {lacking}.")
    return found

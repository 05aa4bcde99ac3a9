"""The data set of a task, built from its parameters."""

import inspect

from symbench.config import registry
from symbench.config.schema import TaskSettings
from symbench.data.dataset import Dataset
from symbench.errors import ConfigError, choose


def build_dataset(settings: TaskSettings) -> tuple[Dataset, dict[str, object]]:
    """The data set of a task, and all its parameters, those by default too.

    Raises:
        ConfigError: for a data set or parameters that do not exist or make no sense.

    """
    found = registry.resolve("datasets", settings.dataset)
    if not (isinstance(found, type) and issubclass(found, Dataset)):
        raise ConfigError(f"'{settings.dataset}' is no symbench.data.dataset.Dataset.")
    signature = inspect.signature(found)
    accepts_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for key in settings.parameters:
        if not accepts_any:
            choose(key, signature.parameters, f"parameter of {settings.dataset}")
    try:
        bound = signature.bind(**settings.parameters)
    except TypeError as error:
        raise ConfigError(f"parameters of {settings.dataset}: {error}.") from None
    bound.apply_defaults()
    return found(**settings.parameters), dict(bound.arguments)

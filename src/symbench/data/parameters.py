"""Checks of the parameters that data sets take from the config; booleans are not numbers."""

import math
from collections.abc import Mapping

from symbench.errors import ConfigError


def whole_number(value: object, what: str, at_least: int) -> int:
    """Return a whole number; raises `ConfigError`, which begins with `what`, for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise ConfigError(f"{what} is {value!r}; give a whole number of at least {at_least}.")
    return value


def number(value: object, what: str) -> float:
    """Return a finite number; raises `ConfigError`, which begins with `what`, for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{what} is {value!r}; give a number.")
    return value


def positive_number(value: object, what: str) -> float:
    """Return a number above 0; raises `ConfigError`, which begins with `what`, for others."""
    if (checked := number(value, what)) <= 0:
        raise ConfigError(f"{what} is {value!r}; give a number above 0.")
    return checked


def text(value: object, what: str) -> str:
    """Return a text that is not empty; raises `ConfigError`, which begins with `what`, else."""
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{what} is {value!r}; give a text.")
    return value


def keys_and_values(value: object, what: str) -> Mapping[str, object]:
    """Return a mapping by text; raises `ConfigError`, which begins with `what`, for others."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{what} is {value!r}; give keys and values.")
    return value

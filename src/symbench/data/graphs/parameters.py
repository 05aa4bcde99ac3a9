"""Checks of parameters that random graphs share."""

from symbench.data.parameters import number
from symbench.errors import ConfigError


def probability(value: object, what: str) -> float:
    """Return a number from 0 to 1; raises `ConfigError`, which begins with `what`, for others."""
    checked = number(value, what)
    if not 0 <= checked <= 1:
        raise ConfigError(f"{what} is {value!r}; give a probability, from 0 to 1.")
    return checked

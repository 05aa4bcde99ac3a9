"""Checks of the settings of treatments; each message names the treatment and the key."""

from symbench.data.parameters import number
from symbench.errors import ConfigError


def share(value: object, what: str, *, above_zero: bool = False) -> float:
    """Return a number from 0 to 1; raises `ConfigError`, which begins with `what`, for others.

    Args:
        value: as the config says it.
        what: treatment and key, for the message.
        above_zero: whether 0 itself is refused.

    """
    checked = number(value, what)
    if not 0 <= checked <= 1 or (above_zero and checked == 0):
        allowed = "above 0 and at most 1" if above_zero else "from 0 to 1"
        raise ConfigError(f"{what} is {value!r}; give a number {allowed}.")
    return checked


def number_of_at_least_zero(value: object, what: str) -> float:
    """Return a number that is not negative; raises `ConfigError`, which begins with `what`."""
    if (checked := number(value, what)) < 0:
        raise ConfigError(f"{what} is {value!r}; give a number of at least 0.")
    return checked


def switch(value: object, what: str) -> bool:
    """Return true or false; raises `ConfigError`, which begins with `what`, for anything else."""
    if not isinstance(value, bool):
        raise ConfigError(f"{what} is {value!r}; give true or false.")
    return value

"""Settings of networks, held against the types that the code behind them says."""

import inspect
import math
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import get_args

from symbench.errors import ConfigError

_PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_WORDS = {**_PLAIN, NoneType: "null"}


def check_settings(takes: Callable[..., object], settings: Mapping[str, object]) -> None:
    """Raise `ConfigError` for a setting of another plain type than is annotated.

    Numbers that are not finite are refused too, and those below 0: none of ours takes them.
    """
    for name, parameter in inspect.signature(takes).parameters.items():
        said = parameter.annotation
        types = get_args(said) if isinstance(said, UnionType) else (said,)
        if name not in settings or not all(each in _WORDS for each in types):
            continue
        value = settings[name]
        good = type(value) in types or (float in types and type(value) is int)
        if isinstance(value, int | float) and takes.__module__.startswith("symbench."):
            good = good and 0 <= value < math.inf
        if not good:
            allowed = " or ".join(_WORDS[each] for each in types)
            raise ConfigError(f"{name} is {value!r}; give {allowed}, and no number below 0.")

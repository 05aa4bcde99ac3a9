"""Settings of networks, held against the types that the code behind them says."""

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from types import NoneType, UnionType
from typing import get_args

from symbench.errors import ConfigError

# Plain types, as an annotation writes them.
WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "None": "null",
}
_TYPES = {int: "int", float: "float", bool: "bool", str: "str", NoneType: "None"}


def check_settings(takes: Callable[..., object], settings: Mapping[str, object]) -> None:
    """Raise `ConfigError` for a setting of another plain type than is annotated.

    Numbers that are not finite are refused too, and those below 0: none of ours takes them.
    """
    ours = takes.__module__.startswith("symbench.")
    for name, parameter in inspect.signature(takes).parameters.items():
        said = parameter.annotation
        types = get_args(said) if isinstance(said, UnionType) else (said,)
        if name in settings and all(each in _TYPES for each in types):
            check_setting(name, settings[name], [_TYPES[each] for each in types], ours=ours)


def check_setting(name: str, value: object, types: Collection[str], *, ours: bool) -> None:
    """Raise `ConfigError` if a value is of none of some plain types, keys of `WORDS`.

    Args:
        name: of the setting.
        value: of it.
        types: allowed ones.
        ours: whether the code is of this package, where no number below 0 makes sense.

    """
    given = _TYPES.get(type(value))
    good = given in types or ("float" in types and given == "int")
    if isinstance(value, int | float) and ours:
        good = good and 0 <= value < math.inf
    if not good:
        allowed = " or ".join(WORDS[each] for each in types)
        raise ConfigError(f"{name} is {value!r}; give {allowed}, and no number below 0.")

"""Names in the config and the code behind them: entry points, or `package.module:Name`."""

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from symbench.errors import ConfigError, choose


@cache
def names(kind: str) -> list[str]:
    """Registered names of a kind: "tasks", "models" or "treatments"."""
    return sorted(entry_points(group=f"symbench.{kind}").names)


def check(kind: str, name: str) -> str:
    """Raise `ConfigError` unless the name is registered or looks like `package.module:Name`."""
    return name if ":" in name else choose(name, names(kind), kind.removesuffix("s"))


def resolve(kind: str, name: str) -> Any:
    """The object behind a name; raises `ConfigError` if it is not there."""
    check(kind, name)
    if ":" not in name:
        return entry_points(group=f"symbench.{kind}")[name].load()
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"Cannot import {kind.removesuffix('s')} '{name}': {error}.") from None

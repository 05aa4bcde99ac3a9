"""Names in the config and the code behind them: entry points, or `package.module:Name`.

A config is code: `package.module:Name` imports that module and runs what it names.
"""

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Literal

from symbench.errors import ConfigError, choose

Kind = Literal["datasets", "models", "treatments", "figures", "measures", "tables"]


@cache
def _entries(kind: Kind) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"symbench.{kind}")}


def names(kind: Kind) -> list[str]:
    """Registered names of a kind."""
    return sorted(_entries(kind))


def check(kind: Kind, name: str) -> str:
    """Return a name that is registered or reads `package.module:Name`; else raise `ConfigError`."""
    if ":" not in name:
        return choose(name, names(kind), kind.removesuffix("s"))
    module, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
        raise ConfigError(f"'{name}' is no {kind.removesuffix('s')}: write package.module:Name.")
    return name


def resolve(kind: Kind, name: str) -> object:
    """The object behind a name; raises `ConfigError` if it is not there."""
    check(kind, name)
    try:
        return _entry(kind, name).load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"Cannot import {kind.removesuffix('s')} '{name}': {error}.") from None


def module_of(kind: Kind, name: str) -> str:
    """The module of the code behind a name, which is not imported."""
    return _entry(kind, name).module


def _entry(kind: Kind, name: str) -> EntryPoint:
    if ":" in name:
        return EntryPoint(name, name, f"symbench.{kind}")
    return _entries(kind)[name]


def imported(path: str) -> object:
    """The object at `package.module:Name`; raises `ConfigError` if it is not there."""
    module, _, attribute = path.partition(":")
    try:
        found: object = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"Cannot import '{path}': {error}.") from None
    return found

"""Names in the config and the code behind them: entry points, or `package.module:Name`.

A config is code: `package.module:Name` imports that module and runs what it names.
"""

import os
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Literal

from symbench.errors import ConfigError, choose, lacking_extra

Kind = Literal["datasets", "models", "treatments", "figures", "measures", "tables"]


@cache
def _entries(kind: Kind) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"symbench.{kind}")}


def add_working_folder() -> None:
    """Let names stand for modules of the working folder too, behind all that are installed."""
    if (folder := os.getcwd()) not in sys.path:
        sys.path.append(folder)


def names(kind: Kind) -> list[str]:
    """Registered names of a kind."""
    return sorted(_entries(kind))


def check(kind: Kind, name: str) -> str:
    """Return a name that is registered, or `package.module:Name` of a module that is there.

    The module is looked for and not imported: it may need torch. What it holds is seen when used.

    Raises:
        ConfigError: for any other name.

    """
    what = kind.removesuffix("s")
    if ":" not in name:
        return choose(name, names(kind), what)
    module, _ = _parts(name, what)
    try:
        found = module in sys.modules or find_spec(module) is not None
    except ImportError:
        found = False
    # Its package is imported, and whatever code of a user raises then.
    except Exception as error:
        raise ConfigError(f"Cannot import {what} '{name}': {_said(error)}.") from error
    if not found:
        raise ConfigError(f"Cannot import {what} '{name}': there is no module {module}.")
    return name


def resolve(kind: Kind, name: str) -> object:
    """The object behind a name; raises `ConfigError` if it is not there."""
    check(kind, name)
    return imported(_entry(kind, name).value, kind.removesuffix("s"))


def module_of(kind: Kind, name: str) -> str:
    """The module of the code behind a name, which is not imported."""
    return _entry(kind, name).module


def path_of(kind: Kind, name: str) -> str:
    """`package.module:Name` of the code behind a name, which is not imported."""
    return _entry(kind, name).value


def _entry(kind: Kind, name: str) -> EntryPoint:
    if ":" in name:
        return EntryPoint(name, name, f"symbench.{kind}")
    return _entries(kind)[name]


def imported(path: str, what: str = "object") -> object:
    """The object at `package.module:Name`; raises `ConfigError` if it is not there.

    Args:
        path: of the object.
        what: it should be, for messages.

    """
    module, attributes = _parts(path, what)
    try:
        found: object = import_module(module)
        for part in attributes:
            found = getattr(found, part)
    # Whatever code of a user raises when it is imported.
    except Exception as error:
        raise ConfigError(f"Cannot import {what} '{path}': {_said(error)}.") from error
    return found


def _parts(path: str, what: str) -> tuple[str, list[str]]:
    """Module and attributes; names are ASCII, since they become parts of paths."""
    module, _, attribute = path.partition(":")
    attributes = attribute.split(".")
    if not all(
        part.isidentifier() and part.isascii() for part in (*module.split("."), *attributes)
    ):
        raise ConfigError(f"'{path}' is no {what}: write package.module:Name.")
    return module, attributes


def _said(error: Exception) -> str:
    if lacking := lacking_extra(error):
        return lacking
    told = isinstance(error, ImportError | AttributeError)
    message = " ".join(str(error).split()).removesuffix(".")
    return message if told else f"{type(error).__name__}: {message}"

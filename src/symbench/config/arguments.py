"""Keyword arguments of the code that a config names, from its source: a model may need torch."""

import ast
from collections.abc import Iterable
from functools import cache

from symbench.config.code import tree
from symbench.config.registry import Kind, path_of
from symbench.errors import choose


def check_arguments(kind: Kind, name: str, given: Iterable[str]) -> None:
    """Refuse a keyword argument that the code behind a name does not have.

    Code whose source does not say what it takes is asked when its object is built, after the data
    are fetched.

    Raises:
        ConfigError: for the first argument that is unknown; it names the nearest.

    """
    known = _arguments(*path_of(kind, name).split(":"))
    for key in given if known is not None else ():
        choose(key, known or (), f"setting of {kind.removesuffix('s')} {name}")


@cache
def _arguments(module: str, name: str) -> frozenset[str] | None:
    """What a class or function takes by name; None where its source does not say."""
    for node in tree(module).body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _arguments(node.module, alias.name)
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name != name:
            continue
        if node.decorator_list:
            return None
        if isinstance(node, ast.FunctionDef):
            return _names(node)
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                return _names(part)
        return _arguments(module, ast.unparse(node.bases[0]).split("[")[0]) if node.bases else None
    return None


def _names(function: ast.FunctionDef) -> frozenset[str] | None:
    given = function.args
    if given.kwarg:
        return None
    return frozenset(each.arg for each in (*given.args, *given.kwonlyargs)) - {"self"}

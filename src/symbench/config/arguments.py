"""Keyword arguments of the code that a config names, from its source: a model may need torch."""

import ast
from collections.abc import Mapping
from functools import cache

from symbench.config.code import tree
from symbench.config.registry import Kind, path_of
from symbench.errors import choose
from symbench.models.settings import WORDS, check_setting


def check_arguments(kind: Kind, name: str, given: Mapping[str, object]) -> None:
    """Refuse a keyword argument that the code behind a name does not have, or of another type.

    Code whose source does not say what it takes is asked when its object is built, after the data
    are fetched.

    Raises:
        ConfigError: for the first argument that is unknown, with the nearest; or whose value is of
            another plain type than is annotated.

    """
    module, member = path_of(kind, name).split(":")
    known, ours = _arguments(module, member), module.startswith("symbench.")
    # What goes on to code that cannot be told has a name that is not known here.
    named = known or _arguments(module, member, True) or {}
    for key, value in given.items():
        if known is not None:
            choose(key, known, f"setting of {kind.removesuffix('s')} {name}")
        types = named.get(key, "").split(" | ")
        if all(each in WORDS for each in types):
            check_setting(key, value, types, ours=ours)


@cache
def needs_list(method: str) -> bool:
    """Whether a treatment, or a class that it extends, says `finite = True` in its source."""
    module, member = path_of("treatments", method).split(":")
    return _says_finite(module, member)


def _says_finite(module: str, name: str) -> bool:
    if (found := _definition(module, name)) is None:
        return False
    module, node = found
    if isinstance(node, ast.FunctionDef):
        return False
    own = [ast.unparse(part) for part in node.body if isinstance(part, ast.Assign)]
    bases = [ast.unparse(base).split("[")[0] for base in node.bases]
    return "finite = True" in own or any(_says_finite(module, base) for base in bases)


def _definition(module: str, name: str) -> tuple[str, ast.ClassDef | ast.FunctionDef] | None:
    """Where a class or function is written, through imports and further names; None if unknown."""
    for node in tree(module).body:
        match node:
            case ast.ImportFrom(module=str(other), level=0):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return _definition(other, alias.name)
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.Name(id=other)):
                if target == name:
                    return _definition(module, other)
            case ast.ClassDef() | ast.FunctionDef() if node.name == name:
                return module, node
    return None


@cache
def _arguments(module: str, name: str, partly: bool = False) -> Mapping[str, str] | None:
    """What a class or function takes by name, with annotations; None where its source is silent.

    Args:
        module: where it is.
        name: of it.
        partly: whether what it takes beside `**settings` is enough.

    """
    if (found := _definition(module, name)) is None or found[1].decorator_list:
        return None
    module, node = found
    if isinstance(node, ast.FunctionDef):
        return _parameters(module, node, partly)
    base = ast.unparse(node.bases[0]).split("[")[0] if node.bases else ""
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            own = _parameters(module, part, partly)
            # The rest goes to the class that it is one of.
            of_base = _arguments(module, base) if own is None else None
            return own if of_base is None else {**of_base, **_named(part)}
    return _arguments(module, base, partly)


def _parameters(module: str, function: ast.FunctionDef, partly: bool) -> Mapping[str, str] | None:
    own, rest = _named(function), function.args.kwarg
    if rest and isinstance(rest.annotation, ast.Subscript):
        # `**settings: Unpack[Settings]`, a `TypedDict`.
        members = _members(module, ast.unparse(rest.annotation.slice))
        return own if partly else None if members is None else {**members, **own}
    if partly or not rest:
        return own
    passed_on = _passed_on(module, function.body[-1], rest.arg)
    return None if passed_on is None else {**passed_on, **own}


def _named(function: ast.FunctionDef) -> dict[str, str]:
    return {
        each.arg: ast.unparse(each.annotation) if each.annotation else ""
        for each in (*function.args.args, *function.args.kwonlyargs)
        if each.arg != "self"
    }


def _members(module: str, name: str) -> Mapping[str, str] | None:
    """Names and annotations of a `TypedDict` and of those that it extends; None if not found."""
    if (found := _definition(module, name)) is None:
        return None
    module, node = found
    if isinstance(node, ast.FunctionDef):
        return None
    members: dict[str, str] = {}
    for base in node.bases:
        members |= _members(module, ast.unparse(base)) or {}
    return members | {
        ast.unparse(part.target): ast.unparse(part.annotation)
        for part in node.body
        if isinstance(part, ast.AnnAssign)
    }


def _passed_on(module: str, last: ast.stmt, settings: str) -> Mapping[str, str] | None:
    """What a function takes that ends in `return make(Network, **settings)`: that of both."""
    match last:
        case ast.Return(
            value=ast.Call(
                func=ast.Name(id=make),
                args=[ast.Name(id=network)],
                keywords=[*_, ast.keyword(arg=None, value=ast.Name(id=rest))],
            )
        ) if rest == settings:
            of_make, of_network = _arguments(module, make, True), _arguments(module, network)
            return None if of_make is None or of_network is None else {**of_make, **of_network}
    return None

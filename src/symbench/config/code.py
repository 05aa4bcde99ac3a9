"""Fingerprints of code: a change in what a stage runs is noticed, a comment is not.

The rule: the fingerprint of a stage holds a hash of the modules that the stage starts from and of
all that they import within the packages of `FOLLOWED`, without comments, docstrings and layout.
What only moves results (files, config, provenance, commands) is left out.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

FOLLOWED = ("data", "symmetry", "models", "training", "evaluation")
_ROOT = Path(__file__).parents[1]


@cache
def code_of(*modules: str, deep: bool = True) -> str:
    """Hash of some modules and all that they import.

    Args:
        modules: names such as "symbench.training.loop"; one of another package counts alone.
        deep: whether imports inside functions count too. What a data set does when it is fetched
            does not depend on the code that opens it, which it imports there.

    """
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += _imports(name, deep)
    described = "".join(f"{name} {_digest(name)}\n" for name in sorted(seen))
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _path(name: str) -> Path | None:
    """The source of a module, which is not imported."""
    if name.partition(".")[0] == "symbench":
        path = _ROOT.joinpath(*name.split(".")[1:])
        found = (path.with_suffix(".py"), path / "__init__.py")
        return next((each for each in found if each.is_file()), None)
    if (loaded := sys.modules.get(name)) is not None and loaded.__file__:
        return Path(loaded.__file__)
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None


@cache
def _tree(name: str) -> ast.Module:
    path = _path(name)
    if path is None or path.suffix != ".py":
        return ast.Module([], [])
    return ast.parse(path.read_text())


@cache
def _digest(name: str) -> str:
    tree = _tree(name)
    text = "\n".join(ast.dump(_without_docstrings(node)) for node in tree.body)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_docstrings(tree: ast.stmt) -> ast.stmt:
    documented = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Constant):
        return ast.Pass()
    return tree


@cache
def _imports(name: str, deep: bool) -> list[str]:
    """Modules of the followed packages that a module imports, but for type checking."""
    return sorted({found for node in _statements(_tree(name).body, deep) for found in _named(node)})


def _statements(body: Iterable[ast.stmt], deep: bool) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from _statements(node.orelse, deep)
            continue
        yield node
        if not deep and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for part in ("body", "orelse", "finalbody"):
            inner = getattr(node, part, [])
            yield from _statements(inner if isinstance(inner, list) else [], deep)


def _named(node: ast.stmt) -> Iterator[str]:
    names = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    for name in names:
        parts = name.split(".")
        if parts[0] == "symbench" and len(parts) > 1 and parts[1] in FOLLOWED and _path(name):
            yield name

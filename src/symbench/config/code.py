"""Fingerprints of code: a change in what a stage runs is noticed, a comment is not.

The rule: the fingerprint of a stage holds a hash of the modules that the stage starts from and of
all that they import within the packages of `FOLLOWED`, without comments, docstrings and layout. A
package counts with what lies beside its modules, such as the style of a page.
What only moves results (files, manifests, config, provenance, commands) is left out.
"""

import ast
import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

FOLLOWED = ("data", "symmetry", "models", "training", "evaluation")
# What figures and reports are made with beside them.
SHOWN = (*FOLLOWED, "figures", "report")
# What opens data or judges them makes none: the data do not depend on what is imported there.
_OPENERS = frozenset({"open", "audit", "dynamics_errors"})
_MOVERS = frozenset({"symbench.data.manifest", "symbench.data.raw_files"})
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_ROOT = Path(__file__).parents[1]
# What was read, and when it was last changed then.
SOURCES: dict[Path, int] = {}


@cache
def code_of(*modules: str, deep: bool = True, followed: tuple[str, ...] = FOLLOWED) -> str:
    """Hash of some modules and all that they import.

    Args:
        modules: names such as "symbench.training.loop"; one of another package counts alone.
        deep: whether imports inside functions that open or judge data count too. The files of a
            data set do not depend on them.
        followed: packages within which imports count.

    """
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in seen and name not in _MOVERS:
            seen.add(name)
            waiting += [each for each in _imports(name, deep) if each.split(".")[1] in followed]
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
def tree(name: str) -> ast.Module:
    """The source of a module, parsed once; its docstrings may have been taken out."""
    return parsed(name)


def parsed(name: str) -> ast.Module:
    """The source of a module, parsed; empty where there is none."""
    path = _path(name)
    if path is None or path.suffix != ".py":
        return ast.Module([], [])
    SOURCES[path] = path.stat().st_mtime_ns
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _digest(name: str) -> str:
    module = tree(name)
    _take_out_texts(module)
    digest = hashlib.sha256(ast.dump(module).encode())
    for path in _beside_modules(name):
        SOURCES[path] = path.stat().st_mtime_ns
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _beside_modules(name: str) -> list[Path]:
    """Files of a package of SymBench that are no modules; none where it is no package."""
    path = _path(name)
    if path is None or path.name != "__init__.py" or not path.is_relative_to(_ROOT):
        return []
    return sorted(
        each
        for each in path.parent.iterdir()
        if each.is_file() and not each.name.startswith(".") and each.suffix not in (".py", ".pyc")
    )


def _take_out_texts(node: ast.AST) -> None:
    """Take out what does nothing: docstrings, and the texts below attributes."""
    for block in _blocks(node):
        block[:] = [each for each in block if not _is_text(each)]
        for statement in block:
            _take_out_texts(statement)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@cache
def _imports(name: str, deep: bool) -> list[str]:
    """Modules of the packages of `SHOWN` that a module imports, but for type checking."""
    return sorted({found for node in _statements(tree(name), deep) for found in _named(node)})


def _statements(node: ast.AST, deep: bool) -> Iterator[ast.AST]:
    """Statements below a node, without what is only for type checking; see `code_of`."""
    blocks = _blocks(node)
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        blocks = [[*node.orelse]]
    for child in chain.from_iterable(blocks):
        if deep or not (isinstance(child, ast.FunctionDef) and child.name in _OPENERS):
            yield child
            yield from _statements(child, deep)


def _blocks(node: ast.AST) -> list[list[ast.AST]]:
    """Lists of statements, handlers and cases of a node: there are no statements elsewhere."""
    return [block for name in _BLOCKS if isinstance(block := getattr(node, name, None), list)]


def _named(node: ast.AST) -> Iterator[str]:
    names = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    for name in names:
        parts = name.split(".")
        if parts[0] != "symbench" or len(parts) < 2 or parts[1] not in SHOWN:
            continue
        # The packages around a module are imported with it.
        for length in range(2, len(parts) + 1):
            if _path(found := ".".join(parts[:length])):
                yield found

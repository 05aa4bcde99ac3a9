"""Names and patterns of names, such as nbody_*."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

from symbench.errors import choose

# Names of "tasks", "models" or "treatments" that a study has at any size.
Everywhere = Callable[[str], set[str]]


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name is that of one of some patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def matching(pattern: str, names: Iterable[str], what: str) -> list[str]:
    """Names that a pattern stands for, in order; raises `ConfigError` if there is none."""
    known = list(names)
    found = [name for name in known if fnmatchcase(name, pattern)]
    return found or [choose(pattern, known, what)]

"""Names and patterns of names, such as nbody_*."""

from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase

from symbench.errors import choose

# Names of "tasks", "models" or "treatments" that a study has at any size.
Everywhere = Callable[[str], set[str]]


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name is that of one of some patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def fitting(patterns: Collection[str], names: Iterable[str]) -> list[list[str]]:
    """Patterns that fit the first of some names, then others that fit the second, and so on."""
    found: list[list[str]] = []
    for name in names:
        known = set().union(*found)
        found.append([each for each in patterns if each not in known and matches(name, [each])])
    return found


def matching(pattern: str, names: Iterable[str], what: str) -> list[str]:
    """Names that a pattern stands for, in order; raises `ConfigError` if there is none."""
    known = list(names)
    found = [name for name in known if fnmatchcase(name, pattern)]
    return found or [choose(pattern, known, what)]

"""The names of the splits, and how many samples a generator makes for each."""

from collections.abc import Mapping

from symbench.errors import ConfigError

SPLITS = ("train", "valid", "test")


def check_splits(counts: Mapping[str, int], what: str) -> dict[str, int]:
    """Return the number for each split, in order; raises `ConfigError` unless all are there."""
    if set(counts) != set(SPLITS) or min(counts.values()) < 1:
        raise ConfigError(f"{what}: give at least 1 for each of {', '.join(SPLITS)}.")
    return {split: counts[split] for split in SPLITS}

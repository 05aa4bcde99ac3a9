"""Samples that stand in more than one split: a test on what was trained on says nothing."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import numpy as np

from symbench.data.arrays import Array


def digest(values: Array) -> bytes | None:
    """What equal arrays share; None for one whose values are all the same, no sign of a copy."""
    flat = np.ascontiguousarray(values)
    if not flat.size or (flat == flat.flat[0]).all():
        return None
    return blake2b(flat.tobytes(), digest_size=16).digest()


def copies(splits: Mapping[str, Iterable[bytes | None]], what: str) -> list[str]:
    """A sentence on each split that holds copies of samples of splits before it.

    Args:
        splits: the `digest` of each sample by split, the one for training first.
        what: what the samples are, in the plural.

    """
    seen: dict[bytes, str] = {}
    sentences = []
    for split, digests in splits.items():
        given = list(digests)
        first = [seen[each] for each in given if each in seen]
        if first:
            sentences.append(
                f"{len(first)} of {len(given)} {what} of {split} are copies of ones of "
                f"{' and '.join(sorted(set(first)))}: errors on them say little of new data"
            )
        seen = {each: split for each in given if each is not None} | seen
    return sentences

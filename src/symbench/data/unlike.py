"""Values of another size than in training: other units look so, and numbers that stand for gaps."""

from collections.abc import Mapping

import numpy as np

# A split whose root mean square is that many times larger or smaller than in training is told.
_UNLIKE = 10.0


def unlike_training(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A sentence on each quantity that is of another size in a split than in training.

    Args:
        found: the root mean square of each quantity, by split and name; the split for training is
            called train, and without it there is nothing to compare with.

    """
    return [
        f"{name} is {size / train:.2g} times as large in {split} as in train, root mean square: "
        "other units, or numbers that stand for gaps?"
        for split, sizes in found.items()
        for name, size in sizes.items()
        if (train := max(found.get("train", {}).get(name, size), np.finfo(float).tiny))
        and size
        and not 1 / _UNLIKE < size / train < _UNLIKE
    ]

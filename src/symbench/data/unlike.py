"""Values of another size than in training: other units look so, and numbers that stand for gaps."""

from collections.abc import Mapping

# A split whose root mean square is that many times larger or smaller than in training is told.
_UNLIKE = 10.0


def unlike_training(found: Mapping[str, Mapping[str, float]], unlike: float = _UNLIKE) -> list[str]:
    """A sentence on each quantity that is of another size in a split than in training.

    Args:
        found: the root mean square of each quantity, by split and name; the split for training is
            called train, and without it there is nothing to compare with.
        unlike: how many times larger or smaller a quantity must be to be told.

    """
    return [
        f"{name} {_told(size, train, split)}, root mean square: other units, or numbers that stand "
        "for gaps?"
        for split, sizes in found.items()
        for name, size in sizes.items()
        if size != (train := found.get("train", {}).get(name, size))
        and not train / unlike < size < train * unlike
    ]


def _told(size: float, train: float, split: str) -> str:
    if 0 in (size, train):
        zero, other = (split, "train") if size == 0 else ("train", split)
        return f"is zero in {zero}, and not in {other}"
    return f"is {size / train:.2g} times as large in {split} as in train"

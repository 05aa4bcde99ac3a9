"""How torch computes, for a while: the precision of products, and whether sums have one order."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from symbench.errors import TrainingError


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Let matrix products and convolutions on a GPU round their factors to TF32, or not.

    TF32 has the range of float32 and 11 significant bits in place of 24. By itself torch takes it
    for convolutions and not for products; here both are alike, for as long as the context lasts.

    Raises:
        TrainingError: if a GPU shall compute and torch's newer switches were set, which do not go
            with these.

    """
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    try:
        before = products.allow_tf32, convolutions.allow_tf32
    except RuntimeError:
        if torch.cuda.is_available():
            raise TrainingError(
                "torch's switches `fp32_precision` were set by some module: leave them, and say "
                "'precision' in the config."
            ) from None
        yield
        return
    products.allow_tf32 = convolutions.allow_tf32 = allowed
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Let torch compute the same bits each time, or refuse, for as long as the context lasts.

    Where it is not wanted nothing is changed.
    """
    before = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    if wanted:
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warns)

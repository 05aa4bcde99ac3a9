"""Networks that are measured: their outputs have the noise of finitely many shots."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


class Measured:
    """Beside `nn.Module`: a network that samples its outputs in evaluation mode, where it is used.

    Attributes:
        exact: whether it gives exact expectations there too, as it does in training.

    """

    exact: bool = False


@contextmanager
def exactly(model: nn.Module) -> Iterator[None]:
    """Let all measured parts of a model give exact expectations: no noise chooses its weights."""
    parts = [part for part in model.modules() if isinstance(part, Measured)]
    before = [part.exact for part in parts]
    for part in parts:
        part.exact = True
    try:
        yield
    finally:
        for part, was in zip(parts, before, strict=True):
            part.exact = was

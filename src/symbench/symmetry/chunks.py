"""How many elements of a group one call of a model takes: a number, or what the machine holds."""

import math
from collections.abc import Callable
from typing import Literal, TypeVar

import torch
from torch import Tensor

from symbench.errors import SymmetryError
from symbench.symmetry.groups import whole_number

Auto = Literal["auto"]
Chunk = int | Auto

# Cells of all samples of a call from which on more of them no longer make a call faster, by kind of
# device. A GPU of the H100's class runs 2^18 threads at once; a core has its caches full of far
# fewer (measured in benchmarks/averaging.py).
_FILLED_BY = {"cuda": 2**18}
_FILLED_BY_OTHERS = 2**13

T = TypeVar("T")


def checked_chunk(chunk: object) -> Chunk:
    """The chunk; raises `SymmetryError` unless it is "auto", or one element or more."""
    if isinstance(chunk, str) and chunk == "auto":
        return "auto"
    number = whole_number(chunk)
    if number is None or number < 1:
        raise SymmetryError(
            f"chunk={chunk!r}: fold at least one element into a batch, or give 'auto'."
        )
    return number


class Chunks:
    """The size of the next chunk; where it is chosen here, memory that is too small halves it.

    Attributes:
        size: elements in one call of the model.

    """

    def __init__(self, chunk: Chunk, values: object, count: int) -> None:
        """Choose the first size.

        Args:
            chunk: a number of elements, which is kept; or "auto", which fills the device.
            values: one batch of inputs; what is no tensor cannot be folded into one batch.
            count: number of elements in all.

        """
        self.chosen_here = chunk == "auto"
        self.size = _filling(values, count) if chunk == "auto" else chunk

    def run(self, call: Callable[[int], T]) -> T:
        """What a call with the present size gives; with half of it where memory ran out.

        Raises:
            torch.OutOfMemoryError: if the size was given, or is one element already.

        """
        while self.chosen_here and self.size > 1:
            try:
                return call(self.size)
            except torch.OutOfMemoryError:
                self.size = -(-self.size // 2)
            # Outside of the handler, which keeps the tensors of the failed call alive.
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()
        return call(self.size)


def _filling(values: object, count: int) -> int:
    """Elements that fill the device of a batch of shape (sample, channel, *space).

    One where a compiler looks on: its batches may have any size.
    """
    compiling = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]
    if compiling or not isinstance(values, Tensor):
        return 1
    cells = values.shape[0] * math.prod(values.shape[2:])
    filled = _FILLED_BY.get(values.device.type, _FILLED_BY_OTHERS)
    return max(1, min(count, filled // max(1, cells)))

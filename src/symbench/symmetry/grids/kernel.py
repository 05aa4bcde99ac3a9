"""The moves of `grids.moves` as one kernel for GPUs, in Triton.

A program moves a tile of one channel. The tile lies along the innermost axis of the output and
along the axis that is innermost in the input, so that whole rows are read and whole rows written,
with a transposition of the tile between them where these are different axes.
"""

import warnings
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from symbench.symmetry.grids.isometry import identity

if TYPE_CHECKING:
    from symbench.symmetry.grids.moves import CellMove, FrameMoves

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
# Bytes of a row of a tile: what a GPU reads at once.
_ROW = 128
# Cells of a tile where there is one axis.
_LINE = 1024


def takes(values: Tensor) -> bool:
    """Whether the kernel moves these values: real numbers on a GPU on which it runs.

    Tensors that only look like some, which tell shapes or record what is done, are moved by
    operations of torch.
    """
    return (
        values.is_cuda
        and values.dtype in DTYPES
        and values.ndim in (3, 4, 5)
        and values.shape[2:].numel() < 2**31
        and type(values) in (Tensor, torch.nn.Parameter)
        and not is_in_torch_dispatch_mode()
        and _runs(values.device)
    )


@cache
def _runs(device: torch.device) -> bool:
    """Whether Triton can make a kernel here: it needs a GPU that it knows and a C compiler."""
    from symbench.symmetry.grids.moves import ChannelMove, FrameMoves

    moves = FrameMoves((identity(1),), ((ChannelMove(0),),))
    values = torch.ones(1, 1, 1, device=device)
    try:
        move(moves, (0,), values, torch.empty_like(values), parts=False)
    except Exception as error:
        # Whatever is wrong with an installation, torch alone gives the same numbers.
        warnings.warn(
            f"Fields are moved without a kernel, which is slower: Triton says {error!r}.",
            stacklevel=2,
        )
        return False
    return True


def move(
    moves: "FrameMoves", elements: Sequence[int], values: Tensor, target: Tensor, parts: bool
) -> None:
    """Move values in one launch; the same numbers as `moves.move`.

    Args:
        moves: how each frame is moved.
        elements: indices of elements of the moves.
        values: shape (batch, step·channel, *space), or (element·batch, ...) with `parts`, of one
            of `DTYPES`.
        target: what is written, shape (element·batch, step·channel, *space), contiguous but for
            the batch.
        parts: whether each element has its own part of the batch; else all move the same values.

    """
    from symbench.symmetry.grids import tiles

    if not target.numel():
        return
    # Slices of channels are read where they are.
    values = values if values[0].is_contiguous() else values.contiguous()
    space = tuple(values.shape[2:])
    size_0, size_1, size_2 = (1,) * (3 - len(space)) + space
    side = _ROW // min(4, values.element_size())
    rows, columns = _tile(space, side)
    number = max(
        -(-size_2 // columns) * -(-along // rows) * across
        for along, across in ((size_1, size_0), (size_0, size_1))[: 2 if len(space) == 3 else 1]
    )
    table = _table(moves, tuple(elements), values.device)
    channels, frame = values.shape[1], len(moves.channels[0])
    with torch.cuda.device_of(values):
        tiles.move_tile[(number * channels * len(target),)](
            values,
            target,
            table.cells,
            table.sources,
            table.scales,
            table.offsets,
            number,
            len(target) // len(elements),
            channels,
            frame,
            values.stride(0),
            target.stride(0),
            size_0,
            size_1,
            size_2,
            size_1 * size_2,
            size_0 * size_1 * size_2,
            PARTS=parts,
            SHIFTED=table.shifted,
            OFFSETS=table.offset,
            ROWS=rows,
            COLUMNS=columns,
            DOUBLE=values.dtype == torch.float64,
            # A product that is added without rounding would give other numbers than torch.
            enable_fp_fusion=False,
        )


def _tile(space: Sequence[int], side: int) -> tuple[int, int]:
    """Rows and columns of a tile, powers of 2."""
    if len(space) == 1:
        return 1, min(_LINE, _power_of_2(space[0]))
    return min(side, _power_of_2(max(space[:-1]))), min(side, _power_of_2(space[-1]))


def _power_of_2(number: int) -> int:
    return 1 << (number - 1).bit_length()


class _Table(NamedTuple):
    """Moves of some elements on a device, as `tiles.move_tile` reads them.

    Attributes:
        cells: shape (element, output axis, 4).
        sources: shape (element, channel).
        scales: shape (element, channel).
        offsets: shape (element, channel).
        shifted: whether any element shifts.
        offset: whether there is any offset.

    """

    cells: Tensor
    sources: Tensor
    scales: Tensor
    offsets: Tensor
    shifted: bool
    offset: bool


# Random elements make ever new lists.
@lru_cache(maxsize=1024)
def _table(moves: "FrameMoves", elements: tuple[int, ...], device: torch.device) -> _Table:
    """Tabulated once for each list of elements, so that no call waits for a copy."""
    chosen = [moves.channels[element] for element in elements]
    double = torch.float64
    offsets = torch.tensor([[move.offset for move in each] for each in chosen], dtype=double)
    scales = torch.tensor([[move.scale for move in each] for each in chosen], dtype=double)
    sources = torch.tensor([[move.source for move in each] for each in chosen], dtype=torch.int32)
    cells = [moves.cells[element] for element in elements]
    return _Table(
        torch.tensor([_cells(each) for each in cells], dtype=torch.int32).to(device),
        sources.to(device),
        scales.to(device),
        offsets.to(device),
        any(each.fractions for each in cells),
        bool(offsets.any()),
    )


def _cells(move: "CellMove") -> list[list[int]]:
    """Three output axes, the first ones of which do nothing where there are fewer."""
    added = 3 - len(move.permutation)
    shifts = {axis: [count, parts] for axis, count, parts in move.fractions}
    return [[axis, 0, 0, 1] for axis in range(added)] + [
        [added + axis, int(axis in move.flips), *shifts.get(axis, [0, 1])]
        for axis in move.permutation
    ]

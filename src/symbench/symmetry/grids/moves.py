"""How elements of a grid group move cells and channels, on any device.

Each output channel is one input channel, flipped, shifted and transposed, times a scale, plus an
offset: out[c] = scale · moved in[source] + offset. All that moves fields goes through `moved`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from symbench.symmetry.grids import kernel
from symbench.symmetry.grids.isometry import GridIsometry

# Cells of one channel that are moved at once on a CPU: 256 KiB in single precision.
_BLOCK = 2**16


@dataclass(frozen=True)
class ChannelMove:
    """Where one output channel comes from: out = scale · moved input[source] + offset."""

    source: int
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class CellMove:
    """Where an element moves cells: what is flipped and shifted before axes are permuted.

    Attributes:
        flips: axes to flip.
        fractions: axes to shift, with numerator and denominator of the fraction of the box.
        permutation: axis `permutation[i]` becomes axis i.

    """

    flips: tuple[int, ...]
    fractions: tuple[tuple[int, int, int], ...]
    permutation: tuple[int, ...]

    @classmethod
    def of(cls, element: GridIsometry) -> "CellMove":
        """The move of an element, in numbers alone, so that a compiler follows it."""
        moved = list(zip(element.permutation, element.flips, element.shift, strict=True))
        return cls(
            tuple(axis for axis, flip, _ in moved if flip),
            tuple((axis, s.numerator, s.denominator) for axis, _, s in moved if s),
            element.permutation,
        )

    def shifts(self, shape: Sequence[int]) -> dict[int, int]:
        """Cells to shift some axes by."""
        return {axis: shape[axis] // parts * count for axis, count, parts in self.fractions}


@dataclass(frozen=True, eq=False)
class FrameMoves:
    """How each element of a list moves the channels and cells of one frame.

    Attributes:
        elements: the isometries.
        channels: for each of them, one move for each output channel; each channel is the source
            of one.
        cells: the isometries as moves of cells.

    """

    elements: tuple[GridIsometry, ...]
    channels: tuple[tuple[ChannelMove, ...], ...]
    cells: tuple[CellMove, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Tabulate the moves of cells."""
        object.__setattr__(self, "cells", tuple(CellMove.of(each) for each in self.elements))

    @cached_property
    def transposed(self) -> "FrameMoves":
        """The transposed maps, by which gradients are moved; transposed again without offsets."""
        channels = []
        for moves in self.channels:
            back = {move.source: ChannelMove(c, move.scale) for c, move in enumerate(moves)}
            channels.append(tuple(back[c] for c in range(len(moves))))
        return FrameMoves(tuple(each.inverse() for each in self.elements), tuple(channels))


# Moves of consecutive channels of a tensor, and the number of channels that they take: a whole
# number of frames.
Spans = tuple[tuple[FrameMoves, int], ...]


def moved(values: Tensor, spans: Spans, elements: Sequence[int], parts: bool) -> Tensor:
    """Move a batch by several elements; the results lie one after the other in one batch.

    Args:
        values: shape (batch, channel, *space), or (element·batch, channel, *space) with `parts`.
        spans: how the channels are moved.
        elements: indices of elements of the moves.
        parts: whether each element has its own part of the batch; else all move the same values.

    Returns:
        Shape (element·batch, channel, *space), contiguous unless a compiler looks on.

    """
    if (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()  # type: ignore[attr-defined]
        # Transforms of functions, such as vmap: no public name tells of them.
        or torch._C._are_functorch_transforms_active()
    ):
        return _moved_by_operations(values, spans, elements, parts)
    uses = [values] * (1 if parts else len(elements))
    result: Tensor = _Moved.apply(spans, tuple(elements), *uses)
    return result


class _Context(FunctionCtx):
    """What the gradient of a move has to know; see `moved`."""

    spans: Spans
    elements: tuple[int, ...]
    uses: int


class _Moved(torch.autograd.Function):
    """`moved` as one differentiable operation, whose gradient is the transposed one.

    Values that all elements move are given once for each of them, so that autograd adds the
    gradients one by one, as those of single moves, whatever moves together.
    """

    @staticmethod
    def forward(spans: Spans, elements: tuple[int, ...], *uses: Tensor) -> Tensor:
        return _moved_in_place(uses[0], spans, elements, parts=len(uses) < len(elements))

    @staticmethod
    def setup_context(
        ctx: _Context, inputs: tuple[Spans, tuple[int, ...], *tuple[Tensor, ...]], _: Tensor
    ) -> None:
        ctx.spans, ctx.elements = inputs[:2]
        ctx.uses = len(inputs) - 2

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor | None, ...]:
        back = moved(gradient, _transposed(ctx.spans), ctx.elements, parts=True)
        each = back.unflatten(0, (ctx.uses, back.shape[0] // ctx.uses)).unbind()
        # Autograd adds the gradients of uses of a tensor from the last to the first.
        return None, None, *reversed(each)

    @staticmethod
    def jvp(ctx: _Context, *tangents: Tensor) -> Tensor:
        linear = _transposed(_transposed(ctx.spans))
        return moved(tangents[-1], linear, ctx.elements, parts=ctx.uses < len(ctx.elements))


def _transposed(spans: Spans) -> Spans:
    return tuple((moves.transposed, channels) for moves, channels in spans)


def _moved_in_place(values: Tensor, spans: Spans, elements: tuple[int, ...], parts: bool) -> Tensor:
    """Written into one batch, by a kernel where there is one for these values."""
    batch = len(values) // len(elements) if parts else len(values)
    result = values.new_empty((len(elements) * batch, *values.shape[1:]))
    for moves, channels in _channel_ranges(spans):
        source, target = values[:, channels], result[:, channels]
        if kernel.takes(source):
            kernel.move(moves, elements, source, target, parts)
        else:
            move(moves, elements, source, target, parts)
    return result


def _channel_ranges(spans: Spans) -> Iterator[tuple[FrameMoves, slice]]:
    start = 0
    for moves, channels in spans:
        yield moves, slice(start, start + channels)
        start += channels


def move(
    moves: FrameMoves, elements: Sequence[int], values: Tensor, target: Tensor, parts: bool
) -> None:
    """Move values with torch alone, in blocks of one channel that fit in the cache of a CPU.

    Flipping and scaling are then two passes over the cache and one over memory.

    Args:
        moves: how each frame is moved.
        elements: indices of elements of the moves.
        values: shape (batch, step·channel, *space), or (element·batch, ...) with `parts`.
        target: what is written, shape (element·batch, step·channel, *space).
        parts: see `moved`.

    """
    batch = len(target) // len(elements)
    frame = len(moves.channels[0])
    steps, space = values.shape[1] // frame, values.shape[2:]
    frames, written = (each.unflatten(1, (steps, frame)) for each in (values, target))
    rows = max(1, _BLOCK // max(1, math.prod(space)))
    samples = max(1, rows // steps)
    for number, element in enumerate(elements):
        move_cells = _mover(moves.cells[element], space)
        for first in range(0, batch, samples):
            into = slice(number * batch + first, number * batch + min(first + samples, batch))
            out_of = into if parts else slice(first, min(first + samples, batch))
            for step in range(0, steps, rows):
                of_steps = slice(step, step + rows)
                for channel, each in enumerate(moves.channels[element]):
                    _write(
                        move_cells(frames[out_of, of_steps, each.source]),
                        each,
                        written[into, of_steps, channel],
                    )


def _mover(cells: CellMove, space: Sequence[int]) -> Callable[[Tensor], Tensor]:
    """The move of cells as a function of values of shape (sample, step, *space)."""
    flips = [2 + axis for axis in cells.flips]
    shifts = {2 + axis: count for axis, count in cells.shifts(space).items()}

    def move_cells(values: Tensor) -> Tensor:
        if flips:
            values = values.flip(flips)
        if shifts:
            values = values.roll(list(shifts.values()), dims=list(shifts))
        return _permute(values, cells.permutation)

    return move_cells


def _write(values: Tensor, move: ChannelMove, target: Tensor) -> None:
    """Write one channel, scaled, into `target` of the same shape."""
    if move.scale == 1.0:
        target.copy_(values)
    else:
        torch.mul(values, move.scale, out=target)
    if move.offset:
        target.add_(move.offset)


def _permute(values: Tensor, permutation: tuple[int, ...]) -> Tensor:
    """The values, shape (sample, step, *space), with their spatial axes in another order."""
    last = len(permutation) - 1
    if permutation[last] == last or values.shape[:2].numel() > 1:
        return values.permute(0, 1, *(2 + axis for axis in permutation))
    # One large frame whose rows do not stay rows. Torch transposes a matrix 2 to 5 times faster
    # than it permutes in general, so the permutation is one that keeps rows, then a transposition.
    split = permutation.index(last) + 1
    rows_kept = values[0, 0].permute(permutation[split:] + permutation[:split])
    columns = math.prod(rows_kept.shape[-split:])
    shape = [values.shape[2 + axis] for axis in permutation]
    return rows_kept.reshape(-1, columns).t().contiguous().view(1, 1, *shape)


def _moved_by_operations(
    values: Tensor, spans: Spans, elements: Sequence[int], parts: bool
) -> Tensor:
    """Without loops over the batch and without writing in place, for compilers and transforms."""
    count = len(elements)
    inputs: Sequence[Tensor] = [values] * count
    if parts:
        inputs = values.unflatten(0, (count, values.shape[0] // count)).unbind()
    results = []
    for element, each in zip(elements, inputs, strict=True):
        spanned = [
            _frames_by_operations(moves, element, each[:, channels])
            for moves, channels in _channel_ranges(spans)
        ]
        results.append(spanned[0] if len(spanned) == 1 else torch.cat(spanned, dim=1))
    return results[0] if len(results) == 1 else torch.cat(results)


def _frames_by_operations(moves: FrameMoves, element: int, values: Tensor) -> Tensor:
    frame = len(moves.channels[element])
    frames = values.unflatten(1, (values.shape[1] // frame, frame))
    channels = []
    for move in moves.channels[element]:
        channel = frames[:, :, move.source]
        channel = channel if move.scale == 1.0 else channel * move.scale
        channels.append(channel + move.offset if move.offset else channel)
    cells = moves.cells[element]
    shifts = cells.shifts(frames.shape[3:])
    result = torch.stack(channels, dim=2)
    if cells.flips:
        result = result.flip([3 + axis for axis in cells.flips])
    if shifts:
        result = result.roll(list(shifts.values()), dims=[3 + axis for axis in shifts])
    return result.permute(0, 1, 2, *(3 + axis for axis in cells.permutation)).flatten(1, 2)

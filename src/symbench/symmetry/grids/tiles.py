"""The program of `grids.kernel` that moves one tile, in Triton; imported where there is a GPU."""

import triton
import triton.language as tl


@triton.jit
def places_of(
    cells: tl.tensor, axis: tl.tensor, places: tl.tensor, size: tl.tensor, SHIFTED: tl.constexpr
) -> tl.tensor:
    """Where the places along an output axis lie along the input axis that becomes it."""
    if SHIFTED:
        shift = size // tl.load(cells + axis * 4 + 3) * tl.load(cells + axis * 4 + 2)
        places = places - shift
        places = tl.where(places < 0, places + size, places)
    return tl.where(tl.load(cells + axis * 4 + 1) != 0, size - 1 - places, places)


@triton.jit
def stride_of(cells: tl.tensor, axis: tl.tensor, size_2: tl.tensor, plane: tl.tensor) -> tl.tensor:
    """Numbers from one cell to the next along the input axis that becomes an output axis."""
    into = tl.load(cells + axis * 4)
    return tl.where(into == 2, 1, tl.where(into == 1, size_2, plane))


@triton.jit
def read_tile(
    start: tl.tensor, slow: tl.tensor, fast: tl.tensor, slow_in: tl.tensor, fast_in: tl.tensor
) -> tl.tensor:
    """The numbers at the places slow + fast, shape (slow, fast), where both lie in the grid."""
    return tl.load(start + slow[:, None] + fast[None, :], mask=slow_in[:, None] & fast_in[None, :])


@triton.jit
def move_tile(
    values: tl.tensor,
    moved: tl.tensor,
    cells: tl.tensor,
    sources: tl.tensor,
    scales: tl.tensor,
    offsets: tl.tensor,
    tiles: tl.tensor,
    batch: tl.tensor,
    channels: tl.tensor,
    frame: tl.tensor,
    values_stride: tl.tensor,
    moved_stride: tl.tensor,
    size_0: tl.tensor,
    size_1: tl.tensor,
    size_2: tl.tensor,
    plane: tl.tensor,
    volume: tl.tensor,
    PARTS: tl.constexpr,
    SHIFTED: tl.constexpr,
    OFFSETS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DOUBLE: tl.constexpr,
) -> None:
    """Move one tile of one channel of one sample, for each program; see `kernel.move`.

    Args:
        values: shape (batch, channel, axis 0, axis 1, axis 2), contiguous but for the batch.
        moved: shape (element·batch, channel, axis 0, axis 1, axis 2), contiguous but for the batch.
        cells: shape (element, output axis, 4): the input axis that becomes it, whether that is
            flipped, and the numerator and denominator of the fraction that it is shifted by.
        sources: of the channels of a frame, shape (element, channel).
        scales: of the same shape.
        offsets: of the same shape.
        tiles: tiles of a channel, the largest number that an element needs.
        batch: samples of one element.
        channels: of all frames.
        frame: channels of a frame.
        values_stride: numbers from one sample of the values to the next.
        moved_stride: numbers from one moved sample to the next.
        size_0: cells along the first axis.
        size_1: along the second.
        size_2: along the third.
        plane: cells of the second and third.
        volume: cells of a channel.
        PARTS: whether each element has its own part of the values.
        SHIFTED: whether an element shifts.
        OFFSETS: whether there is an offset.
        ROWS: cells of a tile along the axis that is innermost in the input, or the second.
        COLUMNS: cells of a tile along the innermost axis of the output.
        DOUBLE: whether numbers are multiplied and added in double precision, else in single.

    """
    PRECISION: tl.constexpr = tl.float64 if DOUBLE else tl.float32
    # In 64 bits: a tensor may have more than 2^31 numbers.
    program = tl.program_id(0).to(tl.int64)
    tile = program % tiles
    channel = program // tiles % channels
    sample = program // tiles // channels
    element = sample // batch
    source_sample = sample if PARTS else sample % batch
    cells += element * 12

    # The third axis of the input becomes the first, the second or the third of the output.
    becomes_first = tl.load(cells) == 2
    stays = tl.load(cells + 8) == 2
    row_axis = tl.where(becomes_first, 0, 1)
    rows = tl.where(becomes_first, size_0, size_1)
    others = tl.where(becomes_first, size_1, size_0)
    column_tiles = tl.cdiv(size_2, COLUMNS)
    row_tiles = tl.cdiv(rows, ROWS)
    column = tile % column_tiles * COLUMNS + tl.arange(0, COLUMNS)
    row = tile // column_tiles % row_tiles * ROWS + tl.arange(0, ROWS)
    other = tile // column_tiles // row_tiles
    column_in = column < size_2
    # Elements that need fewer tiles than others have programs without work.
    row_in = (row < rows) & (other < others)

    of_frame = element * frame + channel % frame
    source = channel // frame * frame + tl.load(sources + of_frame)
    start = values + source_sample * values_stride + source * volume
    start += places_of(cells, 1 - row_axis, other, others, SHIFTED) * stride_of(
        cells, 1 - row_axis, size_2, plane
    )
    from_row = places_of(cells, row_axis, row, rows, SHIFTED)
    from_row *= stride_of(cells, row_axis, size_2, plane)
    from_column = places_of(cells, 2, column, size_2, SHIFTED)
    from_column *= stride_of(cells, 2, size_2, plane)
    if stays:
        numbers = read_tile(start, from_row, from_column, row_in, column_in)
    else:
        numbers = tl.trans(read_tile(start, from_column, from_row, column_in, row_in))

    scale = tl.load(scales + of_frame).to(PRECISION)
    result = (numbers.to(PRECISION) * scale).to(numbers.dtype)
    if OFFSETS:
        offset = tl.load(offsets + of_frame).to(PRECISION)
        # Adding zero would change the sign of a zero.
        result = tl.where(offset == 0, result, (result.to(PRECISION) + offset).to(numbers.dtype))
    start = moved + sample * moved_stride + channel * volume
    start += other * tl.where(becomes_first, size_2, plane)
    to_row = row * tl.where(becomes_first, plane, size_2)
    tl.store(
        start + to_row[:, None] + column[None, :], result, mask=row_in[:, None] & column_in[None, :]
    )

"""The program of `grids.kernel` that moves one tile, in Triton; imported where there is a GPU."""

import triton
import triton.language as tl

SIZES = [
    "tiles",
    "batch",
    "channels",
    "frame",
    "values_stride",
    "moved_stride",
    "size_0",
    "size_1",
    "size_2",
    "plane",
    "volume",
]


@triton.jit
def offsets_in(
    cells: tl.tensor,
    axis: tl.tensor,
    places: tl.tensor,
    size: tl.tensor,
    size_2: tl.tensor,
    plane: tl.tensor,
    SHIFTED: tl.constexpr,
) -> tl.tensor:
    """Where the places along an output axis lie in the input, in numbers from its first cell."""
    cells += axis * 4
    if SHIFTED:
        shift = size // tl.load(cells + 3) * tl.load(cells + 2)
        places = places - shift
        places = tl.where(places < 0, places + size, places)
    places = tl.where(tl.load(cells + 1) != 0, size - 1 - places, places)
    becomes = tl.load(cells)
    stride = tl.where(becomes == 2, 1, tl.where(becomes == 1, size_2, plane))
    return places * stride


@triton.jit
def read_tile(
    start: tl.tensor, slow: tl.tensor, fast: tl.tensor, slow_in: tl.tensor, fast_in: tl.tensor
) -> tl.tensor:
    """The numbers at the places slow + fast, shape (slow, fast), where both lie in the grid."""
    return tl.load(start + slow[:, None] + fast[None, :], mask=slow_in[:, None] & fast_in[None, :])


@triton.jit
def write_tile(
    start: tl.tensor,
    numbers: tl.tensor,
    row: tl.tensor,
    column: tl.tensor,
    row_in: tl.tensor,
    column_in: tl.tensor,
    scale: tl.tensor,
    offset: tl.tensor,
    OFFSETS: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """Write numbers of shape (row, column), times the scale, plus the offset."""
    numbers_in = row_in[:, None] & column_in[None, :]
    result = (numbers.to(PRECISION) * scale.to(PRECISION)).to(numbers.dtype)
    if OFFSETS:
        added = (result.to(PRECISION) + offset.to(PRECISION)).to(numbers.dtype)
        # Adding zero would change the sign of a zero.
        result = tl.where(offset == 0, result, added)
    tl.store(start + row[:, None] + column[None, :], result, mask=numbers_in)


# No axis has a length or a stride of its own kernel: rows are read and written whole where they are
# flipped or odd, too, and a launch finds its kernel sooner.
@triton.jit(do_not_specialize=SIZES)
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
    program = tl.program_id(0)
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
    column_tiles = (size_2 + COLUMNS - 1) // COLUMNS
    row_tiles = (rows + ROWS - 1) // ROWS
    column = tile % column_tiles * COLUMNS + tl.arange(0, COLUMNS)
    row = tile // column_tiles % row_tiles * ROWS + tl.arange(0, ROWS)
    other = tile // column_tiles // row_tiles
    column_in = column < size_2
    # Elements that need fewer tiles than others have programs without work.
    row_in = (row < rows) & (other < others)

    of_frame = element * frame + channel % frame
    source = channel // frame * frame + tl.load(sources + of_frame)
    # In 64 bits: a tensor may have more than 2^31 numbers, which one channel has not.
    start = values + source_sample.to(tl.int64) * values_stride + source.to(tl.int64) * volume
    start += offsets_in(cells, 1 - row_axis, other, others, size_2, plane, SHIFTED)
    from_row = offsets_in(cells, row_axis, row, rows, size_2, plane, SHIFTED)
    from_column = offsets_in(cells, 2, column, size_2, size_2, plane, SHIFTED)
    to_row = row * tl.where(becomes_first, plane, size_2)
    to = moved + sample.to(tl.int64) * moved_stride + channel.to(tl.int64) * volume
    to += other * tl.where(becomes_first, size_2, plane)
    scale = tl.load(scales + of_frame)
    offset = tl.load(offsets + of_frame)
    if stays:
        numbers = read_tile(start, from_row, from_column, row_in, column_in)
        write_tile(
            to, numbers, to_row, column, row_in, column_in, scale, offset, OFFSETS, PRECISION
        )
    else:
        numbers = tl.trans(read_tile(start, from_column, from_row, column_in, row_in))
        write_tile(
            to, numbers, to_row, column, row_in, column_in, scale, offset, OFFSETS, PRECISION
        )

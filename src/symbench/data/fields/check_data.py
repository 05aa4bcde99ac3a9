"""What `symbench check-data` says of a folder in The Well's schema, before anything is run."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from symbench.data.checked import Checked
from symbench.data.dataset import SPLITS
from symbench.data.fields.well import STATISTICS
from symbench.data.fields.well_folder import data_root, split_files
from symbench.data.fields.well_format import (
    WellFile,
    copied,
    differences,
    left_out,
    read_header,
    read_statistics,
)
from symbench.data.fields.well_writer import Statistics, field_statistics, sizes, write_statistics
from symbench.data.unlike import unlike_training
from symbench.errors import DataError, SymBenchError, SymmetryError
from symbench.symmetry.grids.isometries import check_grid, named_group

# Statistics that differ by more than this part of a standard deviation are of other data.
_APART = 0.1
# Names by dimension; the audit decides which of them the data have.
POINT_GROUPS = {
    1: ("flip",),
    2: ("D4", "C4", "flips", "C2", "flip_x", "flip_y"),
    3: (
        *("O_h", "O"),
        *(f"{name}_{axis}" for name in ("D4h", "C4v", "D4", "C4") for axis in "xyz"),
        *("flips", "klein4", "inversion", "C2_x", "C2_y", "C2_z", "flip_x", "flip_y", "flip_z"),
    ),
}


def check_folder(
    folder: Path,
    parity: Mapping[str, int] | None = None,
    may_differ: Collection[str] = (),
    *,
    statistics: bool = False,
) -> Checked:
    """Check all files of a folder: what they say, that they belong together, and all values.

    Args:
        folder: with {train,valid,test}/*.hdf5, or data/ with these.
        parity: names the axial fields (-1).
        may_differ: what the files need not have in common, "box" or "time_step".
        statistics: make stats.yaml from the training data.

    Raises:
        DataError: if the folder holds no data, has splits in two places, or a file is compressed.

    """
    root = data_root(folder)
    paths = {split: split_files(root, split) for split in SPLITS}
    headers: dict[str, list[WellFile]] = {}
    problems: list[str] = []
    for split in SPLITS:
        for path in paths[split]:
            try:
                headers.setdefault(split, []).append(read_header(path, parity))
            except SymBenchError as error:
                problems.append(str(error))
    every = [header for files in headers.values() for header in files]
    if not every:
        if problems:
            return Checked([], problems)
        raise DataError(f"{root} holds no HDF5 file in {', '.join(f'{s}/' for s in SPLITS)}.")
    problems += differences(every, may_differ)
    said = [*_described(every[0]), *_counted(headers), *_carried(every)]
    said += [f"left out: {sentence}" for sentence in left_out(every)]
    if not problems:
        try:
            found = {split: field_statistics(files) for split, files in headers.items()}
            said.append(_statistics(folder / STATISTICS, headers, found, make=statistics))
            said += [f"unlike: {sentence}" for sentence in unlike_training(sizes(found))]
            said += [f"copies: {sentence}" for sentence in copied(headers)]
        except DataError as error:
            problems.append(str(error))
    problems += [
        f"{header.path} has one frame; a model sees one, and is asked for the next."
        for header in every
        if header.steps == 1
    ]
    problems += [
        f"{root / split} holds no HDF5 file: a run needs one, unless its `splits` leave it out."
        for split in SPLITS
        if not paths[split]
    ]
    return Checked(said, problems)


def _described(header: WellFile) -> Iterator[str]:
    yield f"data set: {header.dataset}"
    for key, value in header.content.items():
        yield f"{key}: {value}"
    yield f"box: {header.box}"
    frames = "equally far from each other" if header.steady else "not equally far from each other"
    yield f"time step: {header.time_step:.6g}, frames {frames}"
    axial = [field.name for field in (*header.fields, *header.constant_fields) if field.parity < 0]
    yield (
        f"axial fields: {', '.join(axial) or 'none'}; a file does not say which fields change "
        "their sign in a mirror, as a vorticity does: all others are taken for true scalars, "
        "vectors and matrices"
    )


def _counted(headers: Mapping[str, Sequence[WellFile]]) -> Iterator[str]:
    for split, files in headers.items():
        frames = sorted({header.steps for header in files})
        size = sum(header.path.stat().st_size for header in files)
        yield (
            f"{split}: {len(files)} files, {sum(header.trajectories for header in files)} "
            f"trajectories of {' or '.join(map(str, frames)) or 'no'} frames, {size / 1e6:.3g} MB"
        )


def carried_groups(headers: Sequence[WellFile]) -> list[str]:
    """Groups that keep the centre of the box and that all files can carry, the largest first."""
    return [name for name in POINT_GROUPS[len(headers[0].axes)] if _carries(headers, name)]


def _carries(headers: Sequence[WellFile], name: str) -> bool:
    """Whether grid, box and boundaries of all files can carry a group."""
    group = named_group(name, len(headers[0].axes))
    grids = {(header.shape, header.extent, header.boundary) for header in headers}
    try:
        for shape, extent, boundary in grids:
            check_grid(group, shape, extent, boundary)
    except SymmetryError:
        return False
    return True


def _carried(headers: Sequence[WellFile]) -> Iterator[str]:
    """The groups that grid, box and boundaries of all files can carry."""
    first = headers[0]
    found = carried_groups(headers)
    shifts = [a for a in first.axes if _carries(headers, f"shifts_{a}({_divisor(first, a)})")]
    found += [f"shifts_{axis}(n), n a divisor of {_cells(first, axis)}" for axis in shifts]
    yield (
        f"groups that the grid can carry: {', '.join(found) or 'none but the trivial one'}; the "
        "audit decides which of them the data have"
    )


def _cells(header: WellFile, axis: str) -> int:
    return header.shape[header.axes.index(axis)]


def _divisor(header: WellFile, axis: str) -> int:
    """The least number of shifts along an axis, a divisor of its cells."""
    cells = _cells(header, axis)
    return next(n for n in range(2, cells + 1) if cells % n == 0)


def _statistics(
    path: Path,
    headers: Mapping[str, Sequence[WellFile]],
    found: Mapping[str, Statistics],
    *,
    make: bool,
) -> str:
    """Make stats.yaml, or hold it against the training data.

    Raises:
        DataError: if stats.yaml cannot be used or made.

    """
    if make and os.path.lexists(path):
        raise DataError(f"{path} is there already, and is left as it is: move it away first.")
    made = found.get("train")
    if make:
        if made is None:
            raise DataError(f"{path} is made from the training data, and train/ holds no file.")
        write_statistics(path, headers["train"])
        return f"statistics: {path}, made from the training data"
    if not path.exists():
        return f"statistics: there is no {path}; --stats makes it"
    first = next(iter(headers.values()))[0]
    unlike = []
    for field in (*first.fields, *first.constant_fields):
        mean, std = (
            np.array(read_statistics(path, [field], key, len(first.axes)))
            for key in ("mean", "std")
        )
        if made:
            true_mean, true_std = (
                np.asarray(made[key][field.name], float).reshape(-1) for key in ("mean", "std")
            )
            apart = np.maximum(abs(mean - true_mean), abs(std - true_std))
            unlike += [field.name] if (apart > _APART * true_std).any() else []
    told = f", not those of the training data here for {', '.join(unlike)}" if unlike else ""
    return f"statistics: {path}{told}"

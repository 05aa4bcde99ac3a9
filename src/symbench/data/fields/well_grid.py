"""Grid, boundaries and times of a file in The Well's schema."""

import itertools
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import h5py
import numpy as np

from symbench.data.fields.well_attributes import (
    Array,
    attribute,
    member,
    numbers,
    subgroup,
    text,
    texts,
    where,
    whole,
)
from symbench.errors import DataError, nearest
from symbench.symmetry.grids.isometries import BOUNDARIES

# Shares of a cell and of a time step; what numbers of the type in the file are off comes to them.
_UNEVEN_CELL = 0.01
_UNEVEN_FRAME = 0.05
# Where two neighbouring numbers of a type are so far apart, as a share of a step, it is lost.
_LOST = 0.05
# Frames at the end of a trajectory, and how far beyond rounding planes must differ to be others.
_FRAMES = 2
_CLEARLY = 100


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a file.

    Attributes:
        name: x, y or z.
        cells: their number.
        length: of the box, cells times their mean width.
        widths: empty where all cells are equally wide, else the least and the largest width.
        mirrored: whether the cells lie as in a mirror.

    """

    name: str
    cells: int
    length: float
    widths: str
    mirrored: bool


def read_axes(file: h5py.File) -> list[Axis]:
    """The spatial axes: x, then y, then z; raises `DataError` for all else."""
    group = subgroup(file, "dimensions")
    names = texts(group, "spatial_dims")
    allowed = list("xyz"[: len(names)])
    if names != allowed or not names:
        raise DataError(
            f"{where(group)}: attribute 'spatial_dims' names the axes {', '.join(names) or 'none'};"
            " groups and components of vectors are named by axes, which must be "
            f"{', '.join(allowed) or 'x'} in this order: rename them, or transpose the arrays and "
            "the components of vectors."
        )
    if whole(file, "n_spatial_dims") != len(names):
        raise DataError(
            f"{where(file)}: attribute 'n_spatial_dims' is {whole(file, 'n_spatial_dims')}, but "
            f"'spatial_dims' of {group.name} has {len(names)} axes."
        )
    return [_axis(group, name) for name in names]


def _axis(group: h5py.Group, name: str) -> Axis:
    nodes = numbers(group, name)
    place = f"{group.file.filename}: axis '{name}'"
    if nodes.ndim != 1:
        raise DataError(
            f"{place} has coordinates of shape {nodes.shape}; those that vary between trajectories "
            "or in time are not supported, give one for each cell."
        )
    if len(nodes) < 2:
        raise DataError(f"{place} has {len(nodes)} cells; 2 are needed.")
    if np.diff(nodes).min() <= 0:
        raise DataError(f"{place} has coordinates that do not grow from cell to cell.")
    width = (nodes[-1] - nodes[0]) / (len(nodes) - 1)
    tolerance = _UNEVEN_CELL * width + _rounding(member(group, name), nodes, width)
    uneven = abs(nodes - np.linspace(nodes[0], nodes[-1], len(nodes))).max() > tolerance
    sums = nodes + nodes[::-1]
    return Axis(
        name=name,
        cells=len(nodes),
        length=float(len(nodes) * width),
        widths=f"{np.diff(nodes).min():.3g} to {np.diff(nodes).max():.3g}" if uneven else "",
        mirrored=not uneven or bool(np.ptp(sums) <= 2 * tolerance),
    )


def read_boundary(file: h5py.File, axes: Sequence[Axis]) -> tuple[str, ...]:
    """What bounds each axis: all that a group must leave as it is.

    The kind of boundary where both sides are of one, such as WALL, and no condition lies within.
    Else kinds joined by "+" where several conditions lie on one side; low and high side divided by
    "|" where a mirror changes something; then, after commas, what lies within, and the widths of
    cells that are not equally wide. A side is bound where the mask covers all of it, both sides
    where it covers nothing; the others are open.

    Raises:
        DataError: if a condition lacks an attribute, names an unknown axis or kind, or has a mask
            of another shape than its axes.

    """
    cells = {axis.name: axis.cells for axis in axes}
    sides: dict[str, tuple[set[str], set[str]]] = {name: (set(), set()) for name in cells}
    within: dict[str, list[str]] = {name: [] for name in cells}
    mirrored = {axis.name: axis.mirrored for axis in axes}
    group = subgroup(file, "boundary_conditions")
    for condition in (subgroup(group, name) for name in group):
        kind, dims, mask = _condition(condition, cells)
        rest = mask.copy()
        for place, name in enumerate(dims):
            for side in (0, -1):
                if np.take(mask, side, place).all():
                    sides[name][side].add(kind)
                    np.moveaxis(rest, place, 0)[side] = False
        # To be periodic within the box means nothing.
        if kind != "PERIODIC" and rest.any():
            for place, name in enumerate(dims):
                shape = zlib.crc32(np.moveaxis(rest, place, 0).tobytes())
                within[name].append(f", {kind} within (shape {shape:08x})")
                mirrored[name] &= np.array_equal(rest, np.flip(rest, place))
    labels = []
    for axis in axes:
        low, high = ("+".join(sorted(kinds)) or "OPEN" for kinds in sides[axis.name])
        label = low if low == high and mirrored[axis.name] else f"{low}|{high}"
        widths = f", cells of {axis.widths}" if axis.widths else ""
        labels.append(label + "".join(sorted(within[axis.name])) + widths)
    return tuple(labels)


def _condition(condition: h5py.Group, cells: Mapping[str, int]) -> tuple[str, list[str], Array]:
    """Kind, axes and mask of a boundary condition."""
    kind = text(attribute(condition, "bc_type")).upper()
    if kind not in BOUNDARIES:
        raise DataError(
            f"{where(condition)}: attribute 'bc_type' is '{kind}'; allowed: "
            f"{', '.join(BOUNDARIES)}.{nearest(kind, BOUNDARIES)}"
        )
    dims = texts(condition, "associated_dims")
    if not dims or not set(dims) <= set(cells) or len(set(dims)) < len(dims):
        raise DataError(
            f"{where(condition)}: attribute 'associated_dims' names {', '.join(dims) or 'no axis'};"
            f" the axes are {', '.join(cells)}."
        )
    mask = numbers(condition, "mask").astype(bool)
    expected = tuple(cells[name] for name in dims)
    if mask.shape != expected:
        raise DataError(
            f"{where(condition)}: the mask has the shape {mask.shape}, its axes {', '.join(dims)} "
            f"have {expected} cells; masks that vary between trajectories or in time are not "
            "supported."
        )
    if not mask.any():
        for place in range(mask.ndim):
            np.moveaxis(mask, place, 0)[[0, -1]] = True
    return kind, dims, mask


def read_times(file: h5py.File, trajectories: int) -> tuple[int, float, bool]:
    """Number of frames, mean time between two, and whether all are equally far from each other.

    Raises:
        DataError: if times do not grow, are lost in the rounding of their type, or are not one for
            each frame, or one for each trajectory and frame.

    """
    dimensions = subgroup(file, "dimensions")
    times = numbers(dimensions, "time")
    place = f"{file.filename}: /dimensions/time"
    if times.shape[:-1] not in ((), (trajectories,)) or not times.size:
        raise DataError(
            f"{place} has the shape {times.shape}; give one time for each frame, or for "
            f"each of {trajectories} trajectories and each frame."
        )
    steps = np.diff(times, axis=-1)
    frames = times.shape[-1]
    if frames == 1:
        return frames, 0.0, True
    if steps.min() <= 0:
        raise DataError(f"{place} holds times that do not grow from frame to frame.")
    mean = float(steps.mean())
    regular = times[..., :1] + mean * np.arange(frames)
    tolerance = _UNEVEN_FRAME * mean + _rounding(member(dimensions, "time"), times, mean)
    return frames, mean, bool(abs(times - regular).max() <= tolerance)


def _rounding(stored: h5py.Dataset, values: Array, step: float) -> float:
    """How far evenly spaced values may be off for the type that they are stored in.

    Raises `DataError` if that type cannot tell whether steps of that size are even.
    """
    is_whole = stored.dtype.kind != "f"
    apart = 0.0 if is_whole else float(np.finfo(stored.dtype).eps * abs(values).max())
    if apart > _LOST * step:
        raise DataError(
            f"{where(stored)} holds numbers up to {abs(values).max():.6g} in {stored.dtype.name}, "
            f"which lie {apart:.3g} apart there, and a step is {step:.3g}: subtract the offset, or "
            "store them in double precision."
        )
    return 4 * apart


def refuse_doubled_ends(
    axes: Sequence[Axis],
    boundary: Sequence[str],
    fields: Sequence[tuple[h5py.Dataset, Sequence[bool]]],
) -> None:
    """Refuse a period whose end is stored beside its beginning: shifts would move both.

    Args:
        axes: the spatial axes.
        boundary: what bounds each, see `read_boundary`.
        fields: all arrays, and whether each has an axis of trajectories, one of time, and each of
            space.

    Raises:
        DataError: if the first and the last cells of a periodic axis hold the same values in all
            fields, and the cells next to them do not, as they would if all were as in a mirror.

    """
    for place, (axis, label) in enumerate(zip(axes, boundary, strict=True)):
        if set(label.partition(",")[0].split("|")) != {"PERIODIC"}:
            continue
        found = (_ends_agree(array, varies, place) for array, varies in fields)
        agree = list(itertools.takewhile(lambda each: each is not False, found))
        if len(agree) == len(fields) and any(agree):
            raise DataError(
                f"{fields[0][0].file.filename}: axis '{axis.name}' is periodic, and its last cells "
                "hold in all fields what the first ones hold: the end of the period is stored "
                "twice; drop the last point of the axis, of masks and of fields."
            )


@np.errstate(invalid="ignore", over="ignore")
def _ends_agree(array: h5py.Dataset, varies: Sequence[bool], place: int) -> bool | None:
    """Whether the ends of an axis are equal in a field; None where that may be by chance."""
    sample_varying, time_varying, *along = varies
    if not along[place]:
        return None
    index = [0] * sample_varying + [slice(-_FRAMES, None)] * time_varying
    index += [slice(None)] * sum(along[:place])
    # Frames at the end: at the beginning much may be the same by design.
    first, second, before, last = (
        np.asarray(array[(*index, cell)], dtype=float) for cell in (0, 1, -2, -1)
    )
    eps = np.finfo(array.dtype).eps if array.dtype.kind == "f" else 0
    rounding = 4 * eps * abs(first).max()
    if not (abs(first - last) <= rounding).all():
        return False
    components = first.shape[sum(varies) - array.ndim :] if sum(varies) < array.ndim else ()
    # On even ground, values at the ends are equal by chance.
    uneven = np.ptp(first.reshape(-1, *components), axis=0).max() > rounding
    return bool(uneven and abs(second - before).max() > _CLEARLY * rounding) or None

"""The Well's HDF5 schema: reading the meaning of fields from a file.

Schema: PolymathicAI/the_well, docs/data_format. Meaning comes from the file, never from position;
only parity, which the schema does not know, comes from the caller.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import yaml

from symbench.data.arrays import open_hdf5
from symbench.data.copies import copies, digest
from symbench.data.fields.well_attributes import (
    Array,
    attribute,
    flags,
    member,
    subgroup,
    text,
    texts,
    where,
    whole,
    with_gaps,
)
from symbench.data.fields.well_grid import (
    read_axes,
    read_boundary,
    read_times,
    refuse_doubled_ends,
)
from symbench.errors import DataError
from symbench.strict_yaml import Loader, one_line
from symbench.symmetry.grids.field import Field, channel_count

_GROUPS = ("dimensions", "boundary_conditions", "t0_fields", "t1_fields", "t2_fields")
_SAME_LENGTH = 1e-4
# Squares of larger numbers, and of 1 over these, leave the range of double precision.
LARGEST = 1e150
_SAME_STEP = 1e-2


@dataclass(frozen=True)
class WellFile:
    """What one file says about its content.

    Attributes:
        path: where it is.
        dataset: name of the data set.
        axes: names of the spatial axes: x, then y, then z.
        shape: cells along each axis.
        extent: length of each axis, in the units of the data set.
        boundary: what bounds each axis, such as PERIODIC; see `read_boundary`.
        fields: fields that vary in time, in channel order (order 0, then 1, then 2).
        constant_fields: fields that do not.
        stored: type and, where the file gives it, unit of each field, by name.
        varies: of each field, by name, whether its array has an axis of trajectories, one of time,
            and each of space.
        units: of axes and time, where the file gives them.
        trajectories: number of trajectories.
        steps: frames in each.
        time_step: mean time between two frames.
        steady: whether all frames are equally far from each other.
        unlisted: arrays beside the fields that no `field_names` lists, such as "t0_fields/p".

    """

    path: Path
    dataset: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    extent: tuple[float, ...]
    boundary: tuple[str, ...]
    fields: tuple[Field, ...]
    constant_fields: tuple[Field, ...]
    stored: Mapping[str, str]
    varies: Mapping[str, tuple[bool, ...]]
    units: tuple[str, ...]
    trajectories: int
    steps: int
    time_step: float
    steady: bool
    unlisted: tuple[str, ...]

    @property
    def content(self) -> dict[str, str]:
        """What all files of a data set must have in common, in words."""
        return {
            "fields": self._listed(self.fields),
            "fields that are constant in time": self._listed(self.constant_fields),
            "cells": " x ".join(map(str, self.shape)),
            "boundaries": "; ".join(self.boundary),
            "units of space and time": ", ".join(self.units) or "none",
        }

    def _listed(self, fields: Sequence[Field]) -> str:
        kinds = ("scalar", "vector", "matrix")
        named = [f"{f.name} ({kinds[f.order]}, {self.stored[f.name]})" for f in fields]
        return ", ".join(named) or "none"

    @property
    def box(self) -> str:
        """Length of each axis, in words."""
        return " x ".join(f"{length:.6g}" for length in self.extent)


def differences(headers: Sequence[WellFile], may_differ: Collection[str] = ()) -> list[str]:
    """What keeps files from being one data set: a sentence for each file and each thing.

    Every file is held against the first one.

    Args:
        headers: of the files of all splits.
        may_differ: what may be different: "box", "time_step", or both.

    """
    first = headers[0]
    found = []
    for header in headers:
        told: list[tuple[str, str, str, str | None]] = [
            (what, mine, first.content[what], None)
            for what, mine in header.content.items()
            if mine != first.content[what]
        ]
        if header.axes == first.axes and not np.allclose(
            header.extent, first.extent, rtol=_SAME_LENGTH, atol=0
        ):
            told.append(("box", header.box, first.box, "box"))
        if not np.isclose(header.time_step, first.time_step, rtol=_SAME_STEP, atol=0):
            mine, theirs = f"{header.time_step:.6g}", f"{first.time_step:.6g}"
            told.append(("time step", mine, theirs, "time_step"))
        if not header.steady:
            told.append(("time between frames", "not always the same", "", "time_step"))
        for what, mine, theirs, name in told:
            if name not in may_differ:
                held = f", but {theirs} in {first.path}" if theirs else ""
                allow = f"; if it should be, list '{name}' in the parameter may_differ"
                found.append(f"{header.path}: {what}: {mine}{held}{allow if name else ''}.")
    return found


def refuse_different(headers: Sequence[WellFile], may_differ: Collection[str] = ()) -> None:
    """Raise `DataError` with the first of the `differences`, if there is one."""
    if found := differences(headers, may_differ):
        raise DataError(found[0])


def read_header(path: Path, parity: Mapping[str, int] | None = None) -> WellFile:
    """Read what a file holds; `parity` names the axial fields (-1).

    Raises:
        DataError: if the file is missing, truncated or foreign, lacks an attribute, or holds fields
            of another shape than it says, of complex numbers, in other files, or with the end of a
            period stored twice.

    """
    with open_hdf5(path) as file:
        if missing := [group for group in _GROUPS if group not in file]:
            raise DataError(f"{path} is not in The Well's schema: it has no {', '.join(missing)}.")
        grid_type = text(attribute(file, "grid_type"))
        if grid_type.lower() != "cartesian":
            raise DataError(f"{path} is on a {grid_type} grid; only cartesian grids have a group.")
        dimensions = subgroup(file, "dimensions")
        axes = read_axes(file)
        boundary = read_boundary(file, axes)
        trajectories = whole(file, "n_trajectories")
        steps, time_step, steady = read_times(file, trajectories)
        varying: list[Field] = []
        constant: list[Field] = []
        stored: dict[str, str] = {}
        varies: dict[str, tuple[bool, ...]] = {}
        members: list[h5py.Dataset] = []
        taken: set[str] = set()
        for order in (0, 1, 2):
            group = subgroup(file, f"t{order}_fields")
            for name in texts(group, "field_names"):
                dataset = member(group, name)
                field = Field(name, order, (parity or {}).get(name, 1))
                names = {name, *field.component_names(len(axes))}
                if both := taken & names:
                    raise DataError(
                        f"{path} has two fields of the name '{min(both)}', components included."
                    )
                taken |= names
                lengths = [trajectories, steps, *(axis.cells for axis in axes)]
                varies[name] = _check_shape(dataset, order, lengths)
                (varying if varies[name][1] else constant).append(field)
                unit = f" in {text(dataset.attrs['units'])}" if "units" in dataset.attrs else ""
                stored[name] = f"{dataset.dtype.name}{unit}"
                members.append(dataset)
        if unknown := set(parity or {}) - set(stored):
            raise DataError(
                f"Parity is given for {', '.join(sorted(unknown))}, which {path} does not hold."
            )
        if not varying:
            raise DataError(f"{path} holds no field that varies in time.")
        refuse_doubled_ends(axes, boundary, list(zip(members, varies.values(), strict=True)))
        return WellFile(
            path=path,
            dataset=text(attribute(file, "dataset_name")),
            axes=tuple(axis.name for axis in axes),
            shape=tuple(axis.cells for axis in axes),
            extent=tuple(axis.length for axis in axes),
            boundary=boundary,
            fields=tuple(varying),
            constant_fields=tuple(constant),
            stored=stored,
            varies=varies,
            units=tuple(
                f"{name} in {text(dimensions[name].attrs['units'])}"
                for name in [*(axis.name for axis in axes), "time"]
                if "units" in dimensions[name].attrs
            ),
            trajectories=trajectories,
            steps=steps,
            time_step=time_step,
            steady=steady,
            unlisted=tuple(
                f"t{order}_fields/{name}"
                for order in (0, 1, 2)
                for name, item in file[f"t{order}_fields"].items()
                if isinstance(item, h5py.Dataset) and name not in stored
            ),
        )


def _check_shape(dataset: h5py.Dataset, order: int, lengths: Sequence[int]) -> tuple[bool, ...]:
    """Which axes of trajectories, time and space a field has.

    Raises `DataError` if its shape is another than its attributes say, or values cannot be read.
    """
    dimension = len(lengths) - 2
    along = flags(dataset, "dim_varying", dimension)
    varies = (*flags(dataset, "sample_varying"), *flags(dataset, "time_varying"), *along)
    expected = tuple(itertools.compress(lengths, varies)) + (dimension,) * order
    if dataset.shape != expected:
        raise DataError(
            f"{where(dataset)} has the shape {dataset.shape}; the attributes of the file say "
            f"{expected}."
        )
    # A filter that is not installed is only missed when values are read.
    dataset[(0,) * dataset.ndim]
    return varies


def read_frames(header: WellFile, trajectory: int, start: int, stop: int) -> Array:
    """Frames start to stop of one trajectory, shape (time, channel, *space), in file units.

    In double precision where single precision would not hold the numbers of the file; NaN where it
    calls them missing.
    """
    return _read(header, header.fields, trajectory, start, stop)


def read_constants(header: WellFile, trajectory: int) -> Array:
    """The constant fields of one trajectory, shape (channel, *space); types as `read_frames`."""
    return _read(header, header.constant_fields, trajectory, 0, 1)[0]


def read_field(header: WellFile, field: Field, trajectory: int, start: int, stop: int) -> Array:
    """Frames of one field as `read_frames`; a constant field is the same in all frames."""
    return _read(header, [field], trajectory, start, stop)


def _read(
    header: WellFile, fields: Sequence[Field], trajectory: int, start: int, stop: int
) -> Array:
    dimension = len(header.axes)
    count = channel_count(fields, dimension)
    with open_hdf5(header.path, seen=True) as file:
        arrays = [file[f"t{field.order}_fields"][field.name] for field in fields]
        wide = np.result_type(np.float32, *(array.dtype for array in arrays)).itemsize > 4
        result = np.empty((stop - start, count, *header.shape), np.float64 if wide else np.float32)
        channel = 0
        for field, array in zip(fields, arrays, strict=True):
            sample_varying, time_varying, *along = header.varies[field.name]
            index = [trajectory] * sample_varying + [slice(start, stop)] * time_varying
            values = with_gaps(array, array[tuple(index)])
            # Axes that the field does not depend on are left out of the file.
            missing = [place for place, kept in enumerate([time_varying, *along]) if not kept]
            values = np.expand_dims(values, tuple(missing))
            components = field.channels(dimension)
            values = values.reshape(*values.shape[: 1 + dimension], components)
            result[:, channel : channel + components] = np.moveaxis(values, -1, 1)
            channel += components
    return result


def left_out(headers: Sequence[WellFile]) -> list[str]:
    """A sentence on the arrays of the files that are no fields, if there are any."""
    first = {name: header.path for header in reversed(headers) for name in header.unlisted}
    if not first:
        return []
    names = sorted(first)
    return [
        f"{', '.join(names)}: read by nothing, since 'field_names' does not list "
        f"{'it' if len(names) == 1 else 'them'}, as in {first[names[0]]}"
    ]


def copied(headers: Mapping[str, Sequence[WellFile]]) -> list[str]:
    """A sentence on each split with trajectories whose first two frames are those of another's."""

    def digests(files: Sequence[WellFile]) -> Iterator[bytes | None]:
        for header in files:
            for trajectory in range(header.trajectories):
                yield digest(read_frames(header, trajectory, 0, 2))

    return copies({split: digests(files) for split, files in headers.items()}, "trajectories")


def read_statistics(
    path: Path, fields: Sequence[Field], key: str, dimension: int | None = None
) -> tuple[float, ...]:
    """One statistic per channel from a stats.yaml, in the order of its axes.

    Args:
        path: of the file.
        fields: the fields in channel order.
        key: such as "mean".
        dimension: number of spatial axes, where the number of components is to be checked.

    Raises:
        DataError: if it is not there, not finite, a negative deviation, or has another number of
            components than its field, or a key of the file stands twice.

    """
    try:
        content = yaml.load(path.read_text(), Loader=Loader)
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing: the normalisation of the fields is unknown; `symbench check-data "
            "FOLDER --stats` makes it."
        ) from None
    except (yaml.YAMLError, ValueError, OSError) as error:
        raise DataError(f"{path} is no valid YAML: {one_line(error)}.") from None
    values: list[float] = []
    for field in fields:
        try:
            entry = np.ravel(content[key][field.name]).astype(float)
        except (LookupError, TypeError, ValueError):
            raise DataError(f"{path} has no '{key}' of field '{field.name}'.") from None
        if not np.isfinite(entry).all():
            raise DataError(f"{path}: '{key}' of field '{field.name}' is not finite.")
        if key.startswith(("std", "rms")) and (entry < 0).any():
            raise DataError(f"{path}: '{key}' of field '{field.name}' is negative.")
        tiny = key.startswith(("std", "rms")) and (entry[entry != 0] < 1 / LARGEST).any()
        if tiny or not (abs(entry) < LARGEST).all():
            raise DataError(
                f"{path}: '{key}' of field '{field.name}' is so large or small that its square is "
                "no number: give the field in another unit."
            )
        if dimension is not None and len(entry) != field.channels(dimension):
            raise DataError(
                f"{path}: '{key}' of field '{field.name}' has {len(entry)} numbers for "
                f"{field.channels(dimension)} components."
            )
        values.extend(entry.tolist())
    return tuple(values)

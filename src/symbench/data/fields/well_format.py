"""The Well's HDF5 schema: reading the meaning from a file, and writing our own files.

Schema: PolymathicAI/the_well, docs/data_format. Meaning comes from the file, never from position;
only parity, which the schema does not know, comes from the caller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import yaml

from symbench.errors import DataError
from symbench.files import write_whole
from symbench.symmetry.grids.field import Field, channel_count

Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class WellFile:
    """What one file says about its content.

    Attributes:
        path: where it is.
        dataset: name of the data set.
        axes: names of the spatial axes.
        shape: cells along each axis.
        extent: length of each axis, in the units of the data set.
        boundary: kind of boundary along each axis: PERIODIC, WALL or OPEN.
        fields: fields that vary in time, in channel order (order 0, then 1, then 2).
        constant_fields: fields that do not.
        trajectories: number of trajectories.
        steps: frames in each.
        time_step: time between two frames.

    """

    path: Path
    dataset: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    extent: tuple[float, ...]
    boundary: tuple[str, ...]
    fields: tuple[Field, ...]
    constant_fields: tuple[Field, ...]
    trajectories: int
    steps: int
    time_step: float


def open_file(path: Path) -> h5py.File:
    """Open a file for reading; raises `DataError` if it is missing, truncated or foreign."""
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise DataError(f"{path} does not exist.") from None
    except OSError as error:
        raise DataError(f"{path} is truncated or no HDF5 file: {error}.") from None
    missing = [
        group
        for group in ("dimensions", "boundary_conditions", "t0_fields", "t1_fields", "t2_fields")
        if group not in file
    ]
    if missing:
        file.close()
        raise DataError(f"{path} is not in The Well's schema: it has no {', '.join(missing)}.")
    return file


def read_header(path: Path, parity: Mapping[str, int] | None = None) -> WellFile:
    """Read what a file holds; `parity` names the axial fields (-1)."""
    with open_file(path) as file:
        grid_type = _text(file.attrs.get("grid_type", "cartesian"))
        if grid_type != "cartesian":
            raise DataError(f"{path} is on a {grid_type} grid; only cartesian grids have a group.")
        axes = tuple(_text(name) for name in file["dimensions"].attrs["spatial_dims"])
        nodes = [np.asarray(file["dimensions"][axis], dtype=float).reshape(-1) for axis in axes]
        time = np.asarray(file["dimensions"]["time"], dtype=float)
        time = time.reshape(-1, time.shape[-1])[0]
        varying: list[Field] = []
        constant: list[Field] = []
        for order in (0, 1, 2):
            group = file[f"t{order}_fields"]
            for name in (_text(name) for name in group.attrs["field_names"]):
                field = Field(name, order, (parity or {}).get(name, 1))
                (varying if group[name].attrs["time_varying"] else constant).append(field)
        unknown = set(parity or {}) - {field.name for field in varying + constant}
        if unknown:
            raise DataError(
                f"Parity is given for {', '.join(sorted(unknown))}, which {path} does not hold."
            )
        return WellFile(
            path=path,
            dataset=_text(file.attrs["dataset_name"]),
            axes=axes,
            shape=tuple(len(values) for values in nodes),
            extent=tuple(float(len(v) * (v[-1] - v[0]) / (len(v) - 1)) for v in nodes),
            boundary=_boundary(file, axes),
            fields=tuple(varying),
            constant_fields=tuple(constant),
            trajectories=int(file.attrs["n_trajectories"]),
            steps=len(time),
            time_step=float(time[1] - time[0]) if len(time) > 1 else 0.0,
        )


def read_frames(header: WellFile, trajectory: int, start: int, stop: int) -> Array:
    """Frames start to stop of one trajectory, shape (time, channel, *space), in file units."""
    with open_file(header.path) as file:
        return _stack(file, header, header.fields, trajectory, slice(start, stop))


def read_constants(header: WellFile, trajectory: int) -> Array:
    """The constant fields of one trajectory, shape (channel, *space)."""
    with open_file(header.path) as file:
        return _stack(file, header, header.constant_fields, trajectory, slice(0, 1))[0]


def _stack(
    file: h5py.File, header: WellFile, fields: Sequence[Field], trajectory: int, time: slice
) -> Array:
    dimension = len(header.axes)
    length = time.stop - time.start
    result = np.empty((length, channel_count(fields, dimension), *header.shape), np.float32)
    channel = 0
    for field in fields:
        dataset = file[f"t{field.order}_fields"][field.name]
        index: list[int | slice] = []
        if dataset.attrs["sample_varying"]:
            index.append(trajectory)
        if dataset.attrs["time_varying"]:
            index.append(time)
        values = np.asarray(dataset[tuple(index)])
        if not dataset.attrs["time_varying"]:
            values = values[None]
        # Axes that the field does not depend on are left out of the file.
        for axis, varies in enumerate(dataset.attrs["dim_varying"]):
            if not varies:
                values = np.expand_dims(values, 1 + axis)
        components = field.channels(dimension)
        values = values.reshape(*values.shape[: 1 + dimension], components)
        result[:, channel : channel + components] = np.moveaxis(values, -1, 1)
        channel += components
    return result


def _boundary(file: h5py.File, axes: Sequence[str]) -> tuple[str, ...]:
    kinds = dict.fromkeys(axes, "OPEN")
    for condition in file["boundary_conditions"].values():
        kind = _text(condition.attrs["bc_type"]).upper()
        kinds.update({_text(axis): kind for axis in condition.attrs["associated_dims"]})
    return tuple(kinds[axis] for axis in axes)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def write_file(
    path: Path,
    *,
    dataset: str,
    fields: Sequence[Field],
    values: Array,
    extent: float,
    time: Array,
    parameters: Mapping[str, float],
) -> None:
    """Write trajectories on a periodic, cell-centred square or cubic grid.

    Args:
        path: the file to write, whole or not at all.
        dataset: name of the data set.
        fields: the fields in channel order.
        values: shape (trajectory, time, channel, *space).
        extent: length of every axis; the box is centred at 0.
        time: the times of the frames.
        parameters: physical parameters of the simulation, by name.

    """
    resolution, dimension = values.shape[-1], values.ndim - 3
    axes = "xyz"[:dimension]
    with write_whole(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["dataset_name"] = dataset
        file.attrs["grid_type"] = "cartesian"
        file.attrs["n_spatial_dims"] = dimension
        file.attrs["n_trajectories"] = len(values)
        file.attrs["simulation_parameters"] = list(parameters)
        file.attrs.update(parameters)
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = list(axes)
        dimensions.create_dataset("time", data=time.astype(np.float32))
        dimensions["time"].attrs["sample_varying"] = False
        nodes = ((np.arange(resolution) + 0.5) / resolution - 0.5) * extent
        boundary = file.create_group("boundary_conditions")
        scalars = file.create_group("scalars")
        scalars.attrs["field_names"] = list(parameters)
        for name, value in parameters.items():
            scalars.create_dataset(name, data=np.float32(value))
            scalars[name].attrs.update({"sample_varying": False, "time_varying": False})
        for axis in axes:
            dimensions.create_dataset(axis, data=nodes.astype(np.float32))
            dimensions[axis].attrs.update({"sample_varying": False, "time_varying": False})
            condition = boundary.create_group(f"{axis}_periodic")
            condition.attrs["associated_dims"] = [axis]
            condition.attrs["associated_fields"] = np.array([], dtype=h5py.string_dtype())
            condition.attrs["bc_type"] = "PERIODIC"
            condition.attrs.update({"sample_varying": False, "time_varying": False})
            mask = np.zeros(resolution, dtype=bool)
            mask[[0, -1]] = True
            condition.create_dataset("mask", data=mask)
            condition.create_dataset("values", data=np.zeros(2, dtype=np.float32))
        channel = 0
        for order in (0, 1, 2):
            group = file.create_group(f"t{order}_fields")
            members = [field for field in fields if field.order == order]
            group.attrs["field_names"] = np.array(
                [field.name for field in members], dtype=h5py.string_dtype()
            )
            for field in members:
                components = field.channels(dimension)
                data = np.moveaxis(values[:, :, channel : channel + components], 2, -1)
                data = data.reshape(*data.shape[:-1], *[dimension] * order).astype(np.float32)
                group.create_dataset(field.name, data=data)
                group[field.name].attrs.update(
                    {
                        "dim_varying": [True] * dimension,
                        "sample_varying": True,
                        "time_varying": True,
                    }
                )
                if order == 2:
                    group[field.name].attrs.update({"symmetric": False, "antisymmetric": False})
                channel += components


def write_statistics(path: Path, headers: Sequence[WellFile]) -> None:
    """Write stats.yaml over all frames of the files, with The Well's keys, per component."""
    dimension = len(headers[0].axes)
    fields = headers[0].fields
    sums = np.zeros((4, channel_count(fields, dimension)))
    frames = differences = 0
    for header in headers:
        for trajectory in range(header.trajectories):
            values = read_frames(header, trajectory, 0, header.steps).astype(np.float64)
            delta = np.diff(values, axis=0)
            axes = (0, *range(2, values.ndim))
            cells = np.prod(header.shape)
            for row, term in enumerate((values, values**2, delta, delta**2)):
                sums[row] += term.sum(axis=axes) / cells
            frames += len(values)
            differences += len(delta)
    mean, square = sums[:2] / frames
    mean_delta, square_delta = sums[2:] / max(differences, 1)
    table = {
        "mean": mean,
        "std": np.sqrt(np.maximum(square - mean**2, 0)),
        "rms": np.sqrt(square),
        "mean_delta": mean_delta,
        "std_delta": np.sqrt(np.maximum(square_delta - mean_delta**2, 0)),
        "rms_delta": np.sqrt(square_delta),
    }
    content: dict[str, dict[str, object]] = {key: {} for key in table}
    channel = 0
    for field in fields:
        components = field.channels(dimension)
        for key, row in table.items():
            part = row[channel : channel + components].reshape([dimension] * field.order)
            content[key][field.name] = part.tolist()
        channel += components
    with write_whole(path) as temporary:
        temporary.write_text(yaml.safe_dump(content))


def read_statistics(path: Path, fields: Sequence[Field], key: str) -> tuple[float, ...]:
    """One statistic per channel from a stats.yaml; raises `DataError` if it is not there."""
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise DataError(f"{path} is missing: the normalisation of the fields is unknown.") from None
    values: list[float] = []
    for field in fields:
        try:
            entry = content[key][field.name]
        except (KeyError, TypeError):
            raise DataError(f"{path} has no '{key}' of field '{field.name}'.") from None
        values.extend(np.ravel(entry).astype(float).tolist())
    return tuple(values)

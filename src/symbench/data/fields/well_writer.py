"""Writing files in The Well's HDF5 schema, and their statistics; see `well_format`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import yaml

from symbench.data.fields.well_format import WellFile, read_frames
from symbench.files import write_whole
from symbench.symmetry.grids.field import Field, channel_count

Array = np.ndarray


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

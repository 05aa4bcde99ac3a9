"""Writing files in The Well's HDF5 schema, and their statistics; see `well_format`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import yaml

from symbench.data.fields.well_format import LARGEST, WellFile, read_field
from symbench.errors import DataError
from symbench.files import write_whole
from symbench.symmetry.grids.field import Field

Array = np.ndarray
# By key of The Well and field: a number, or nested lists of one for each component.
Statistics = dict[str, dict[str, object]]
_KEYS = ("mean", "std", "rms")
# Bytes of a field that are read at once.
_PART = 2**26


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
    """Write the `field_statistics` of files as The Well's stats.yaml."""
    content = field_statistics(headers)
    with write_whole(path) as temporary:
        temporary.write_text(yaml.safe_dump(content))


def field_statistics(headers: Sequence[WellFile]) -> Statistics:
    """Statistics of all fields over all frames of files, by The Well's keys and by field.

    Mean, standard deviation (divided by n) and root mean square of each component; those of the
    differences of frames that follow each other too, for fields that vary in time. Files are read
    in parts, and in double precision.

    Raises:
        DataError: if a value is missing or not finite.

    """
    content: Statistics = {f"{key}{of}": {} for of in ("", "_delta") for key in _KEYS}
    dimension = len(headers[0].axes)
    for field in (*headers[0].fields, *headers[0].constant_fields):
        values, deltas, largest = _Moments(), _Moments(), 0.0
        for header in headers:
            for trajectory in range(header.trajectories):
                for part, new in _parts(header, field, trajectory):
                    values.add(part[-new:])
                    deltas.add(np.diff(part, axis=0))
                    largest = max(largest, abs(part).max(initial=0))
        if 0 < largest < 1 / LARGEST:
            raise DataError(
                f"{headers[0].path}: field '{field.name}' holds values so small that their squares "
                "are zero: give the field in another unit."
            )
        for of, moments in (("", values), ("_delta", deltas)):
            if moments.count:
                for key, row in zip(_KEYS, moments.results(), strict=True):
                    shaped = row.reshape([dimension] * field.order)
                    content[f"{key}{of}"][field.name] = shaped.tolist()
    return content


def sizes(found: Mapping[str, Statistics]) -> dict[str, dict[str, float]]:
    """Root mean square of each field over its components, from the statistics of each split."""
    return {
        split: {
            name: float(np.linalg.norm(np.asarray(rms))) for name, rms in statistics["rms"].items()
        }
        for split, statistics in found.items()
    }


def _parts(header: WellFile, field: Field, trajectory: int) -> Iterator[tuple[Array, int]]:
    """A trajectory in parts, each begun by the last frame of the one before, and what is new.

    Frames of one field, shape (time, component, *space), in double precision.
    """
    steps = header.steps if field in header.fields else 1
    frame = 8 * field.channels(len(header.axes)) * int(np.prod(header.shape))
    length = max(1, _PART // frame)
    for start in range(0, steps, length):
        stop, before = min(start + length, steps), min(start, 1)
        part = read_field(header, field, trajectory, start - before, stop).astype(np.float64)
        if not (abs(part) < LARGEST).all():
            finite = np.isfinite(part).all()
            what = "so large that their squares are" if finite else "that are missing or"
            raise DataError(
                f"{header.path}: trajectory {trajectory} of field '{field.name}' holds values "
                f"{what} not finite, in frames {start} to {stop - 1}."
            )
        yield part, stop - start


class _Moments:
    """Mean and variance of components, from parts (Chan, Golub and LeVeque 1983).

    Sums of squares about the mean of each part stay exact where the mean is much larger than what
    varies about it.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: Array = np.zeros(())
        self.squares: Array = np.zeros(())

    def add(self, values: Array) -> None:
        """Add frames, shape (time, component, *space)."""
        flat = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
        if not (new := flat.shape[1]):
            return
        mean = flat.mean(axis=1)
        apart = mean - self.mean
        total = self.count + new
        self.squares = (
            self.squares
            + np.square(flat - mean[:, None]).sum(axis=1)
            + apart**2 * (self.count * new / total)
        )
        self.mean = self.mean + apart * (new / total)
        self.count = total

    def results(self) -> tuple[Array, Array, Array]:
        """Mean, standard deviation and root mean square of each component."""
        variance = self.squares / self.count
        return self.mean, np.sqrt(variance), np.sqrt(variance + self.mean**2)

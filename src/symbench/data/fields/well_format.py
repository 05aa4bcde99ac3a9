"""The Well's HDF5 schema: reading the meaning of fields from a file.

Schema: PolymathicAI/the_well, docs/data_format. Meaning comes from the file, never from position;
only parity, which the schema does not know, comes from the caller.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import yaml

from symbench.data.arrays import open_hdf5
from symbench.errors import DataError
from symbench.symmetry.grids.field import Field, channel_count

Array = np.ndarray

_GROUPS = ("dimensions", "boundary_conditions", "t0_fields", "t1_fields", "t2_fields")


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

    @property
    def content(self) -> tuple[object, ...]:
        """What all files of a data set must have in common."""
        return self.shape, self.fields, self.constant_fields


def read_header(path: Path, parity: Mapping[str, int] | None = None) -> WellFile:
    """Read what a file holds; `parity` names the axial fields (-1).

    Raises:
        DataError: if the file is missing, truncated or foreign, lacks an attribute, or holds fields
            of another shape than it says, of complex numbers, or in other files.

    """
    with open_hdf5(path) as file:
        if missing := [group for group in _GROUPS if group not in file]:
            raise DataError(f"{path} is not in The Well's schema: it has no {', '.join(missing)}.")
        grid_type = _text(file.attrs.get("grid_type", "cartesian"))
        if grid_type != "cartesian":
            raise DataError(f"{path} is on a {grid_type} grid; only cartesian grids have a group.")
        axes = tuple(_texts(file["dimensions"], "spatial_dims"))
        nodes = [_numbers(file["dimensions"], axis).reshape(-1) for axis in axes]
        for axis, values in zip(axes, nodes, strict=True):
            if len(values) < 2:
                raise DataError(f"{path}: axis '{axis}' has {len(values)} cells; 2 are needed.")
        time = np.atleast_1d(_numbers(file["dimensions"], "time"))
        time = time.reshape(-1, time.shape[-1])[0]
        varying: list[Field] = []
        constant: list[Field] = []
        for order in (0, 1, 2):
            group = file[f"t{order}_fields"]
            for name in _texts(group, "field_names"):
                field = Field(name, order, (parity or {}).get(name, 1))
                varies = _attribute(_member(group, name), "time_varying")
                (varying if varies else constant).append(field)
        unknown = set(parity or {}) - {field.name for field in varying + constant}
        if unknown:
            raise DataError(
                f"Parity is given for {', '.join(sorted(unknown))}, which {path} does not hold."
            )
        header = WellFile(
            path=path,
            dataset=_text(_attribute(file, "dataset_name")),
            axes=axes,
            shape=tuple(len(values) for values in nodes),
            extent=tuple(float(len(v) * (v[-1] - v[0]) / (len(v) - 1)) for v in nodes),
            boundary=_boundary(file, axes),
            fields=tuple(varying),
            constant_fields=tuple(constant),
            trajectories=int(_attribute(file, "n_trajectories")),
            steps=len(time),
            time_step=float(time[1] - time[0]) if len(time) > 1 else 0.0,
        )
        for field in (*header.fields, *header.constant_fields):
            _check_field(file, header, field)
        return header


def _member(group: h5py.Group, name: str) -> h5py.Dataset:
    """An array of a group; raises `DataError` if the group has none of that name."""
    member = group.get(name)
    if not isinstance(member, h5py.Dataset):
        raise DataError(f"{group.file.filename}: {group.name} holds no array '{name}'.")
    return member


def _numbers(group: h5py.Group, name: str) -> Array:
    member = _member(group, name)
    if member.dtype.kind not in "fiu":
        raise DataError(f"{group.file.filename}: {member.name} holds no real numbers.")
    return np.asarray(member, dtype=float)


def _attribute(item: h5py.Group | h5py.Dataset, name: str) -> Array:
    """An attribute; raises `DataError` if there is none."""
    if name not in item.attrs:
        raise DataError(f"{item.file.filename}: {item.name} has no attribute '{name}'.")
    return item.attrs[name]


def _texts(item: h5py.Group | h5py.Dataset, name: str) -> list[str]:
    """An attribute that holds texts, none where it is empty."""
    value = _attribute(item, name)
    return [] if isinstance(value, h5py.Empty) else [_text(each) for each in np.atleast_1d(value)]


def _check_field(file: h5py.File, header: WellFile, field: Field) -> None:
    """Refuse a field that is not what the header and its attributes say."""
    member = _member(file[f"t{field.order}_fields"], field.name)
    if member.dtype.kind not in "fiub":
        what = (
            "complex numbers: store two real fields" if member.dtype.kind == "c" else "no numbers"
        )
        raise DataError(f"{header.path}: {member.name} (dtype {member.dtype}) holds {what}.")
    varies = _attribute(member, "dim_varying")
    if len(varies) != len(header.axes):
        raise DataError(
            f"{header.path}: attribute 'dim_varying' of {member.name} has {len(varies)} entries "
            f"for {len(header.axes)} axes."
        )
    leading = [header.trajectories] if _attribute(member, "sample_varying") else []
    leading += [header.steps] if _attribute(member, "time_varying") else []
    space = [cells for cells, along in zip(header.shape, varies, strict=True) if along]
    expected = (*leading, *space, *[len(header.axes)] * field.order)
    if member.shape != expected:
        raise DataError(
            f"{header.path}: {member.name} has the shape {member.shape}; the attributes of the "
            f"file say {expected}."
        )


def read_frames(header: WellFile, trajectory: int, start: int, stop: int) -> Array:
    """Frames start to stop of one trajectory, shape (time, channel, *space), in file units."""
    with _reopened(header) as file:
        return _stack(file, header, header.fields, trajectory, slice(start, stop))


def read_constants(header: WellFile, trajectory: int) -> Array:
    """The constant fields of one trajectory, shape (channel, *space)."""
    with _reopened(header) as file:
        return _stack(file, header, header.constant_fields, trajectory, slice(0, 1))[0]


@contextmanager
def _reopened(header: WellFile) -> Iterator[h5py.File]:
    """A file whose header was read: to look for links again would cost more than a few frames."""
    try:
        with h5py.File(header.path, "r") as file:
            yield file
    except (OSError, KeyError) as error:
        raise DataError(f"{header.path} was changed while it was in use: {error}.") from None


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
        kind = _text(_attribute(condition, "bc_type")).upper()
        kinds.update(dict.fromkeys(_texts(condition, "associated_dims"), kind))
    return tuple(kinds[axis] for axis in axes)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def read_statistics(path: Path, fields: Sequence[Field], key: str) -> tuple[float, ...]:
    """One statistic per channel from a stats.yaml; raises `DataError` if it is not there."""
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise DataError(f"{path} is missing: the normalisation of the fields is unknown.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise DataError(f"{path} is no YAML: {said}.") from None
    values: list[float] = []
    for field in fields:
        try:
            entry = np.ravel(content[key][field.name]).astype(float)
        except (KeyError, TypeError, ValueError):
            raise DataError(f"{path} has no '{key}' of field '{field.name}'.") from None
        if not np.isfinite(entry).all():
            raise DataError(f"{path}: '{key}' of field '{field.name}' is not finite.")
        values.extend(entry.tolist())
    return tuple(values)

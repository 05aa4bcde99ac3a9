"""Small files in The Well's schema, written by h5py alone, as users write their own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import yaml

TEXT = h5py.string_dtype()
STEPS = 5
# Trajectories of each file.
COUNTS = {"train": (2, 1), "valid": (1,), "test": (1,)}


def centres(cells: int, length: float = 1.0) -> np.ndarray:
    """Middles of cells that fill a box."""
    return ((np.arange(cells) + 0.5) / cells * length).astype(np.float32)


def write(
    path: Path,
    fields: Mapping[str, tuple[int, np.ndarray]],
    axes: Mapping[str, np.ndarray],
    *,
    constants: Sequence[str] = (),
    conditions: Sequence[tuple[str, str, Sequence[str], np.ndarray]] = (),
    frame: float = 0.5,
) -> None:
    """Write fields by name, each a tensor order and values (trajectory, time, *space, *component).

    Constants have no axis of time. Conditions are name, kind, axes and mask; all axes are periodic
    where there is none.
    """
    trajectories, steps = next(
        values.shape[:2] for name, (_, values) in fields.items() if name not in constants
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update({"dataset_name": "own", "grid_type": "cartesian"})
        file.attrs.update({"n_spatial_dims": len(axes), "n_trajectories": trajectories})
        file.attrs["simulation_parameters"] = np.array([], TEXT)
        file.create_group("scalars").attrs["field_names"] = np.array([], TEXT)
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = list(axes)
        times = (np.arange(steps) * frame).astype(np.float32)
        for name, values in {"time": times, **axes}.items():
            dimensions[name] = values
            dimensions[name].attrs.update({"sample_varying": False, "time_varying": False})
        boundary = file.create_group("boundary_conditions")
        ends = {name: np.isin(np.arange(len(x)), [0, len(x) - 1]) for name, x in axes.items()}
        periodic = [(f"{name}_periodic", "PERIODIC", [name], ends[name]) for name in axes]
        for name, kind, dims, mask in conditions or periodic:
            group = boundary.create_group(name)
            group.attrs.update({"bc_type": kind, "associated_dims": dims})
            group.attrs["associated_fields"] = np.array([], TEXT)
            group.attrs.update({"sample_varying": False, "time_varying": False})
            group["mask"] = mask
        for order in (0, 1, 2):
            group = file.create_group(f"t{order}_fields")
            named = [name for name in fields if fields[name][0] == order]
            group.attrs["field_names"] = np.array(named, TEXT)
            for name in named:
                group[name] = fields[name][1]
                group[name].attrs["dim_varying"] = [True] * len(axes)
                varies = {"sample_varying": True, "time_varying": name not in constants}
                group[name].attrs.update(varies)


def put(group: h5py.Group, name: str, values: object, kind: str | None = None) -> None:
    """Other values in place of an array, with its attributes."""
    attributes = dict(group[name].attrs)
    del group[name]
    group[name] = np.asarray(values, kind)
    group[name].attrs.update(attributes)


def statistics(path: Path, fields: Mapping[str, tuple[int, np.ndarray]]) -> None:
    """Write means and standard deviations of each component, as The Well does."""
    content = {}
    for key, function in (("mean", np.mean), ("std", np.std)):
        content[key] = {
            name: function(values.astype(float), axis=tuple(range(values.ndim - order))).tolist()
            for name, (order, values) in fields.items()
        }
    path.write_text(yaml.safe_dump(content))


def folder(root: Path, shape: Sequence[int] = (4, 4), dtype: str = "f4") -> Path:
    """A scalar, a vector, a matrix and a constant scalar in all splits, several files in some."""
    axes = {axis: centres(cells) for axis, cells in zip("xyz", shape, strict=False)}
    rng = np.random.default_rng(0)
    for split, counts in COUNTS.items():
        for number, count in enumerate(counts):
            fields = {}
            for name, order in (("c", 0), ("p", 0), ("u", 1), ("s", 2), ("k", 0)):
                lengths = (count, *([] if name == "k" else [STEPS]), *shape, *[len(shape)] * order)
                fields[name] = (order, rng.normal(20, 30, lengths).astype(dtype))
            write(root / "data" / split / f"{number}.hdf5", fields, axes, constants=["k"])
            if (split, number) == ("train", 0):
                statistics(root / "stats.yaml", fields)
    return root

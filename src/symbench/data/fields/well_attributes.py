"""Reading attributes and arrays of a file in The Well's schema: checked, named where missing."""

from typing import TypeAlias

import h5py
import numpy as np

from symbench.errors import DataError

Array = np.ndarray
Item: TypeAlias = h5py.Group | h5py.Dataset
# As NetCDF has them: what values must be multiplied by and what be added, where it is not this,
# and values that stand for gaps.
_PACKED = {"scale_factor": 1, "add_offset": 0}
_MISSING = ("_FillValue", "missing_value")


def where(item: Item) -> str:
    """The file and the place in it, as messages begin."""
    return f"{item.file.filename}: {item.name}"


def subgroup(group: h5py.Group, name: str) -> h5py.Group:
    """A group in a group; raises `DataError` if there is none of that name."""
    found = group.get(name)
    if not isinstance(found, h5py.Group):
        raise DataError(f"{where(group)} holds no group '{name}', as The Well's schema has it.")
    return found


def member(group: h5py.Group, name: str) -> h5py.Dataset:
    """An array of real numbers or truth values in a group; raises `DataError` for all else.

    Numbers that mean others by attributes of NetCDF are refused as well.
    """
    found = group.get(name)
    if not isinstance(found, h5py.Dataset):
        raise DataError(f"{where(group)} holds no array '{name}'.")
    if found.dtype.kind not in "fiub":
        is_complex = found.dtype.kind == "c"
        what = "complex numbers: store two real fields" if is_complex else "no numbers"
        raise DataError(f"{where(found)} (dtype {found.dtype}) holds {what}.")
    for key, neutral in _PACKED.items():
        if np.any(found.attrs.get(key, neutral) != neutral):
            raise DataError(
                f"{where(found)} holds packed numbers (attribute '{key}' is "
                f"{text(found.attrs[key])}): unpack them first."
            )
    return found


def numbers(group: h5py.Group, name: str) -> Array:
    """An array in double precision; raises `DataError` unless all values are there and finite."""
    found = member(group, name)
    values = with_gaps(found, np.asarray(found, dtype=float))
    if not np.isfinite(values).all():
        raise DataError(f"{where(found)} holds values that are not finite, or called missing.")
    return values


def with_gaps(stored: h5py.Dataset, values: Array) -> Array:
    """Values of an array, NaN where its attributes say that they stand for gaps."""
    named = [np.ravel(stored.attrs[key]) for key in _MISSING if key in stored.attrs]
    if not named:
        return values
    gaps = np.concatenate(named)
    # 1e20 is another number in single precision.
    rounded = gaps.astype(stored.dtype) if stored.dtype.kind == "f" else gaps
    missing = np.isin(values, rounded)
    return np.where(missing, np.nan, values) if missing.any() else values


def attribute(item: Item, name: str) -> object:
    """An attribute; raises `DataError` if there is none."""
    if name not in item.attrs:
        raise DataError(f"{where(item)} has no attribute '{name}'.")
    return item.attrs[name]


def text(value: object) -> str:
    """A text of HDF5, which may be given in bytes or as the one of an array, on one line."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    return " ".join((value.decode() if isinstance(value, bytes) else str(value)).split())


def texts(item: Item, name: str) -> list[str]:
    """An attribute that holds texts, none where it is empty; raises `DataError` for numbers."""
    value = attribute(item, name)
    found = [] if isinstance(value, h5py.Empty) else np.atleast_1d(np.asarray(value)).tolist()
    if not all(isinstance(each, str | bytes) for each in found):
        raise DataError(f"{where(item)}: attribute '{name}' is {found}; give names.")
    return [text(each) for each in found]


def whole(item: Item, name: str) -> int:
    """An attribute that is a number from 1; raises `DataError` for any other value."""
    value = np.asarray(attribute(item, name))
    if value.size != 1 or value.dtype.kind not in "iu" or value.reshape(-1)[0] < 1:
        raise DataError(
            f"{where(item)}: attribute '{name}' is {text(value)}; give a number from 1."
        )
    return int(value.reshape(-1)[0])


def flags(item: Item, name: str, count: int = 1) -> list[bool]:
    """An attribute that holds so many truth values; raises `DataError` for any other value."""
    value = np.asarray(attribute(item, name)).reshape(-1)
    if value.dtype.kind not in "biu" or len(value) != count or not set(value.tolist()) <= {0, 1}:
        raise DataError(
            f"{where(item)}: attribute '{name}' is {value.tolist()}; it must say True or False "
            f"{f'for each of {count} axes' if count > 1 else 'once'}."
        )
    return [bool(each) for each in value]

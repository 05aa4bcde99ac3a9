"""Files of plain arrays, for data that are not fields on a grid."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from symbench.errors import DataError
from symbench.files import write_whole

Array = np.ndarray


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name to an HDF5 file, whole or not at all."""
    with write_whole(path) as temporary, h5py.File(temporary, "w") as file:
        for key, value in arrays.items():
            compression = "gzip" if value.dtype == np.uint8 and value.ndim else None
            file.create_dataset(key, data=value, compression=compression)


def write_files(directory: Path, files: Mapping[str, Mapping[str, Array]]) -> tuple[Path, ...]:
    """Write <name>.hdf5 for each name, such as a split, and return where they are."""
    paths = {name: directory / f"{name}.hdf5" for name in files}
    for name, arrays in files.items():
        write_arrays(paths[name], arrays)
    return tuple(paths.values())


def read_arrays(path: Path, needed: Collection[str] = ()) -> dict[str, Array]:
    """All arrays of an HDF5 file.

    Raises:
        DataError: if the file is not there, cannot be read, refers to other files, lacks one of
            some needed arrays, or holds anything but arrays of finite numbers.

    """
    with open_hdf5(path) as file:
        members = {key: file[key] for key in file}
        for key, member in members.items():
            if not isinstance(member, h5py.Dataset) or member.dtype.kind not in "fiub":
                raise DataError(f"{path}: {key} is no array of real numbers.")
        arrays = {key: np.asarray(member[()]) for key, member in members.items()}
    if missing := [name for name in needed if name not in arrays]:
        raise DataError(f"{path} holds no {', '.join(missing)}.")
    for key, value in arrays.items():
        if not np.isfinite(value).all():
            raise DataError(f"{path}: {key} holds values that are not finite.")
    return arrays


@contextmanager
def open_hdf5(path: Path, *, seen: bool = False) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Args:
        path: of the file.
        seen: whether it was opened before: to look for links in it again would cost more than to
            read a few frames.

    Raises:
        DataError: if it is missing, truncated or foreign, or where something in it lies in another
            file: HDF5 reads what it does not find there as zeros.

    """
    if not path.is_file():
        raise DataError(f"{path} does not exist.")
    try:
        with h5py.File(path, "r") as file:
            if not seen:
                _refuse_elsewhere(path, file)
            yield file
    # What h5py raises depends on which bytes are wrong.
    except (OSError, LookupError, RuntimeError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise DataError(
            f"{path} is truncated, damaged or no HDF5 file of this kind: {said}."
        ) from None


def _refuse_elsewhere(path: Path, file: h5py.File) -> None:
    """Refuse links to other files, and arrays whose values lie in other files."""

    def link_target(name: str, link: object) -> str | None:
        if not isinstance(link, h5py.ExternalLink):
            return None
        return f"'{name}' is a link to {link.filename}; copy the data into one file."

    def elsewhere(name: str, item: object) -> str | None:
        if not isinstance(item, h5py.Dataset) or not (item.is_virtual or item.external):
            return None
        return f"'/{name}' takes its values from other files; copy them into one file."

    if found := file.visititems_links(link_target) or file.visititems(elsewhere):
        raise DataError(f"{path}: {found}")

"""The raw file that holds the small data sets in the wheel of neuraloperator 0.3.0 (MIT)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbench.errors import DataError
from symbench.files import sha256

if TYPE_CHECKING:
    from symbench.data.arrays import Array
    from symbench.data.raw_files import RawFiles

FILE = "darcy_small.hdf5"
SHA256 = "2aa305d4cee7c53b9e25bfa97f04f5f349cc05ed6afb884eb5aa3b3a6659a3ca"
SOURCE = "neuraloperator 0.3.0, data sets in its wheel"
LICENCE = "MIT"


def read_raw(raw_files: RawFiles, *names: str) -> list[Array]:
    """Some arrays of the file; raises `DataError` if it is not at hand or is another one."""
    import numpy as np

    from symbench.data.arrays import open_hdf5

    path = raw_files.need(FILE, "it is part of a wheel")
    if sha256(path) != SHA256:
        raise DataError(f"{path} is not the file of neuraloperator 0.3.0: sha256 {SHA256}.")
    with open_hdf5(path) as file:
        return [np.asarray(file[name]) for name in names]

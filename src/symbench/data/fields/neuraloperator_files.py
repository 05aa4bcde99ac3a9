"""The small data sets in the installed package neuraloperator 0.3.0 (MIT): real data at hand.

Nothing is fetched, and the package, which takes seconds, is not imported. Each file is held against
its checksum before torch reads it, which runs no code in it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from symbench.errors import DataError
from symbench.files import sha256

if TYPE_CHECKING:
    from symbench.data.arrays import Array

SOURCE = "neuraloperator 0.3.0, data sets in its wheel"
LICENCE = "MIT"
CHECKSUMS = {
    "burgers_lowres.pt": "0bdfd68a13ab9f6b7777628bb82527b9d77524e08e01eafc3fc353df39416d5d",
    "darcy_train_16.pt": "0be662acdb1dab7dfd1a1da0b140e97f75cc94f98a14edcf768abe6968b3b418",
    "darcy_test_16.pt": "d2b19af9d4a6ae04ba2de54b8ecccc8b89766472faf6ce7f506c0b2a60f69a4c",
    "darcy_test_32.pt": "bcbd10622373e94df84a17fcdb72ac4317d76e024c2499d21fd1fd34d0742cfd",
}


def package_folder() -> Path:
    """Where the package has its data; raises `DataError` if it is not installed."""
    found = importlib.util.find_spec("neuralop")
    if found is None or not found.submodule_search_locations:
        raise DataError("neuraloperator 0.3.0 is not installed, and the data are in it.")
    return Path(found.submodule_search_locations[0], "datasets", "data")


def read_file(name: str) -> dict[str, Array]:
    """The arrays of one file; raises `DataError` if it is missing or another one."""
    import torch

    path = package_folder() / name
    if not path.is_file() or sha256(path) != CHECKSUMS[name]:
        raise DataError(
            f"{path} is not the file of neuraloperator 0.3.0: sha256 {CHECKSUMS[name]}."
        )
    loaded = torch.load(path, weights_only=True)
    return {key: tensor.numpy() for key, tensor in loaded.items()}

"""Where files of fields lie in a folder: in {train,valid,test}/, or in data/ with these."""

from pathlib import Path

from symbench.data.dataset import SPLITS
from symbench.errors import DataError
from symbench.files import COMPRESSED

SUFFIXES = (".hdf5", ".h5")


def is_data(name: str) -> bool:
    """Whether a file of this name holds fields."""
    return name.lower().endswith(SUFFIXES)


def holds_data(root: Path) -> bool:
    """Whether a split of a folder holds a file of fields."""
    return any(is_data(path.name) for split in SPLITS for path in root.glob(f"{split}/*"))


def data_root(folder: Path) -> Path:
    """Where the splits of a folder in The Well's layout are.

    Raises `DataError` if there are files both in its own splits and in those of its folder data/.
    """
    within = folder / "data"
    both = [root for root in (within, folder) if holds_data(root)]
    if len(both) > 1:
        raise DataError(
            f"{folder} holds files of fields both in its own splits and in those of {within}: keep "
            "one of the two."
        )
    return both[0] if both else within if within.is_dir() else folder


def split_files(root: Path, split: str) -> list[Path]:
    """The files of one split by name; raises `DataError` for one that is compressed."""
    paths = sorted(root.glob(f"{split}/*"))
    for path in paths:
        unpacked = path.with_suffix("")
        if path.suffix.lower() in COMPRESSED and is_data(unpacked.name) and unpacked not in paths:
            raise DataError(f"{path} is compressed: unpack it first.")
    return [path for path in paths if is_data(path.name)]

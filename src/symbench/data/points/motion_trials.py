"""Raw files of human motion: trials, the skeleton, and start frames of a published split."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from symbench.data.arrays import Array, open_hdf5
from symbench.data.dataset import SPLITS
from symbench.errors import DataError


@dataclass(frozen=True)
class Trials:
    """What a raw file of motion holds.

    Attributes:
        path: of the file.
        tracks: positions of the joints in each trial, shape (frame, joint, axis), by name.
        bones: pairs of joints, counted from 0, shape (bone, 2).
        starts: start frames by split and trial; empty where the file has no split.
        source: where the trials come from, in words.
        licence: of the trials.

    """

    path: Path
    tracks: Mapping[str, Array]
    bones: Array
    starts: Mapping[str, Mapping[str, Array]]
    source: str
    licence: str


def read_trials(path: Path) -> Trials:
    """The trials of a raw file.

    Raises:
        DataError: if it holds none, or joints, bones or start frames that do not fit together.

    """
    with open_hdf5(path) as file:
        starts = {
            split: {
                name: _array(file, f"split/{split}/{name}")
                for name in _names(file, f"split/{split}")
            }
            for split in (SPLITS if "split" in file else ())
        }
        trials = Trials(
            path,
            {
                name: _array(file, f"trials/{name}/position", float)
                for name in _names(file, "trials")
            },
            _array(file, "edges"),
            starts,
            str(file.attrs["source"]),
            str(file.attrs["license"]),
        )
    try:
        _check_joints(trials.tracks, trials.bones)
        _check_starts(trials.tracks, trials.starts)
    except ValueError as error:
        raise DataError(f"{path} holds no trials of motion that can be used: {error}.") from None
    return trials


def _names(file: h5py.File, place: str) -> list[str]:
    if not isinstance(group := file.get(place), h5py.Group):
        raise KeyError(f"there is no group '{place}'")
    return list(group)


def _array(file: h5py.File, place: str, whole: type = np.int64) -> Array:
    """An array; whole numbers of any width in one type."""
    if not isinstance(found := file.get(place), h5py.Dataset):
        raise KeyError(f"there is no array '{place}'")
    # Differences and sums of them would start again from the other end.
    return found.astype(whole)[()] if found.dtype.kind in "iu" else np.asarray(found)


def _need(fact: bool, otherwise: str) -> None:
    if not fact:
        raise ValueError(otherwise)


def _check_joints(tracks: Mapping[str, Array], bones: Array) -> None:
    shapes = {track.shape[1:] for track in tracks.values()}
    _need(
        len(shapes) == 1 and all(shape[1:] == (3,) for shape in shapes),
        "positions of all trials must have the shape (frame, joint, 3) with the same joints; found "
        f"{sorted(shapes)} without the frames",
    )
    for name, track in tracks.items():
        finite = track.dtype.kind in "fiu" and np.isfinite(track).all()
        _need(finite, f"trial {name} holds positions that are not finite")
    ((count, _),) = shapes
    _need(
        bones.ndim == 2 and bones.shape[1] == 2 and bones.dtype.kind in "iu",
        "'edges' must be whole numbers of shape (bone, 2)",
    )
    joined = np.unique(bones[bones[:, 0] != bones[:, 1]])
    _need(
        np.array_equal(joined, np.arange(count)),
        f"'edges' must join each joint to another one, and these are 0 to {count - 1}, counted "
        f"from 0; it joins {joined.tolist()}",
    )


def _check_starts(tracks: Mapping[str, Array], starts: Mapping[str, Mapping[str, Array]]) -> None:
    for split, trials in starts.items():
        _need(bool(trials), f"the split {split} names no trial")
        for name, frames in trials.items():
            _need(name in tracks, f"the split {split} names trial {name}, which is not there")
            _need(
                frames.ndim == 1 and frames.size > 0 and frames.dtype.kind in "iu",
                f"trial {name} in the split {split} must have whole numbers for start frames",
            )
            _need(
                frames.min() >= 0,
                f"trial {name} in the split {split} starts at frame {frames.min()}; frames are "
                "counted from 0",
            )

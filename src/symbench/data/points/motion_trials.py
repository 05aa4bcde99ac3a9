"""Raw files of human motion: trials, the skeleton, and start frames of a published split."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np

from symbench.data.arrays import open_hdf5
from symbench.data.dataset import SPLITS
from symbench.errors import DataError

Array = np.ndarray
K = TypeVar("K", h5py.Group, h5py.Dataset)


@dataclass(frozen=True)
class Trials:
    """What a raw file of motion holds.

    Attributes:
        path: of the file.
        tracks: positions of the joints in each trial, shape (frame, joint, axis), by name.
        bones: pairs of joints, counted from 0, shape (bone, 2).
        starts: start frames by split and trial; None where the file has no split.
        source: where the trials come from, in words.
        licence: of the trials.

    """

    path: Path
    tracks: Mapping[str, Array]
    bones: Array
    starts: Mapping[str, Mapping[str, Array]] | None
    source: str
    licence: str


def read_trials(path: Path) -> Trials:
    """The trials of a raw file.

    Raises:
        DataError: if it holds none, or joints, bones or start frames that do not fit together.

    """
    with open_hdf5(path) as file:
        for key in ("source", "license"):
            if key not in file.attrs:
                raise DataError(f"{path} holds no trials of motion: it has no attribute '{key}'.")
        trials = Trials(
            path,
            {
                name: np.asarray(_member(path, trial, "position", h5py.Dataset)[()])
                for name, trial in _member(path, file, "trials", h5py.Group).items()
            },
            np.asarray(_member(path, file, "edges", h5py.Dataset)[()]),
            _read_starts(path, file) if "split" in file else None,
            str(file.attrs["source"]),
            str(file.attrs["license"]),
        )
    _check_trials(trials)
    return trials


def _read_starts(path: Path, file: h5py.File) -> dict[str, dict[str, Array]]:
    """Start frames of the published split, by split and trial."""
    parts = _member(path, file, "split", h5py.Group)
    return {
        split: {
            name: np.asarray(frames[()])
            for name, frames in _member(path, parts, split, h5py.Group).items()
        }
        for split in SPLITS
    }


def _member(path: Path, parent: h5py.Group, key: str, kind: type[K]) -> K:
    """What a group of a file holds under a name."""
    found = parent.get(key) if isinstance(parent, h5py.Group) else None
    if not isinstance(found, kind):
        what = "group" if issubclass(kind, h5py.Group) else "array"
        raise DataError(f"{path} holds no trials of motion: {parent.name} has no {what} '{key}'.")
    return found


def _check_trials(trials: Trials) -> None:
    """Raise `DataError` unless all joints, bones and start frames can be used."""
    joints = {track.shape[1:] for track in trials.tracks.values()}
    if len(joints) != 1 or next(iter(joints))[1:] != (3,):
        raise DataError(
            f"{trials.path}: positions of all trials must have the shape (frame, joint, 3) with "
            f"the same joints; found {sorted(joints)} without the frames."
        )
    for name, track in trials.tracks.items():
        if track.dtype.kind not in "fiu" or not np.isfinite(track).all():
            raise DataError(f"{trials.path}: trial {name} holds positions that are not finite.")
    ((count, _),) = joints
    bones = trials.bones
    if bones.ndim != 2 or bones.shape[1] != 2 or bones.dtype.kind not in "iu":
        raise DataError(f"{trials.path}: 'edges' must be whole numbers of shape (bone, 2).")
    if bones.size and not 0 <= bones.min() <= bones.max() < count:
        raise DataError(
            f"{trials.path}: 'edges' joins joints {bones.min()} to {bones.max()}, but the trials "
            f"have joints 0 to {count - 1}, counted from 0."
        )
    for split, starts in (trials.starts or {}).items():
        if not starts:
            raise DataError(f"{trials.path}: the split {split} names no trial.")
        for name, frames in starts.items():
            if name not in trials.tracks:
                raise DataError(
                    f"{trials.path}: the split {split} names trial {name}, which it lacks."
                )
            if frames.ndim != 1 or not frames.size or frames.dtype.kind not in "iu":
                raise DataError(
                    f"{trials.path}: start frames of trial {name} in the split {split} must be a "
                    "list of whole numbers."
                )
            if frames.min() < 0:
                raise DataError(
                    f"{trials.path}: trial {name} in the split {split} starts at frame "
                    f"{frames.min()}; frames are counted from 0."
                )

"""Human motion: positions of joints some frames ahead, from the CMU motion capture database.

Protocol of EGNO (Xu et al., arXiv 2401.11037): 31 joints, velocities as differences of neighbouring
frames, edges between joints that are one or two bones apart, the vertical coordinate as a feature
that rotations leave alone. Its unit is the largest height of the training data, where the public
code takes that of the batch: predictions would depend on what else is in a batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import Field, model_validator

from symbench.data.arrays import Array, write_files
from symbench.data.copies import copies, digest
from symbench.data.dataset import SPLITS, Dataset, Score, TaskOptions
from symbench.data.manifest import Manifest
from symbench.data.parameters import Count, Splits, Text, Whole
from symbench.data.points.motion_trials import Trials, read_trials
from symbench.data.raw_files import RawFiles
from symbench.errors import DataError
from symbench.symmetry.group_names import check_rotations

if TYPE_CHECKING:
    from symbench.data.points.motion_data import MotionData

VERTICAL = 1


class Motion(Dataset):
    """`motion`: trials of a motion, cut into start frames and what follows."""

    kind = "points"

    file: Text = Field(description='with trials, such as "cmu_mocap_run.hdf5"')
    samples: Splits = Field(
        description="at most so many start frames, the same number from each trial, one at least"
    )
    frames_ahead: Count = Field(30, description="the last frame that is predicted")
    time_steps: Count = Field(5, description="how many frames, up to that one, are predicted")
    seed: Whole = Field(0, description="of the split by trials, where the file has none")

    @model_validator(mode="after")
    def _check_frames_ahead(self) -> Self:
        if self.time_steps > self.frames_ahead:
            raise ValueError(
                f"time_steps is {self.time_steps}; give at most frames_ahead, which is "
                f"{self.frames_ahead}"
            )
        return self

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Read the raw file and write every split."""
        path = raw_files.need(self.file, "the published file is a pickle, which may run any code")
        trials = read_trials(path)
        starts = trials.starts or self._split(trials)
        cut = {split: self._cut(trials, starts[split], n) for split, n in self.samples.items()}
        joints = {
            split: map(digest, np.split(arrays["positions"], len(arrays["nodes"])))
            for split, arrays in cut.items()
        }
        for sentence in copies(joints, "samples"):
            warnings.warn(f"{path}: {sentence}", stacklevel=2)
        if not (unit := np.abs(cut["train"]["scalars"]).max()):
            raise DataError(
                f"{path}: all heights of the training frames are 0: they are no feature."
            )
        for arrays in cut.values():
            arrays["scalars"] = arrays["scalars"] / unit
        split = "published" if trials.starts else "by trial, our own"
        parameters = {**self.model_dump(), "split": split}
        return Manifest(trials.source, trials.licence, parameters, write_files(directory, cut))

    def _split(self, trials: Trials) -> dict[str, dict[str, Array]]:
        """Half of the trials for training, a quarter each for validation and test."""
        rng = np.random.default_rng(self.seed)
        names = [list(trials.tracks)[k] for k in rng.permutation(len(trials.tracks))]
        if len(names) < len(SPLITS):
            raise DataError(
                f"{trials.path} has {len(names)} trials and no split; a split by trials takes "
                f"{len(SPLITS)} at least."
            )
        quarter = max(1, len(names) // 4)
        parts = {"valid": names[:quarter], "test": names[quarter : 2 * quarter]}
        parts["train"] = names[2 * quarter :]
        # A trial needs one frame more, for the velocity.
        last = {name: len(track) - self.frames_ahead - 1 for name, track in trials.tracks.items()}
        for name in names:
            self._check_frames(trials, name, 0)
        return {
            split: {name: rng.permutation(last[name]) for name in part}
            for split, part in parts.items()
        }

    def _check_frames(self, trials: Trials, name: str, start: int) -> None:
        """Raise `DataError` unless a start frame, and all that is predicted from it, are there."""
        frames, needed = len(trials.tracks[name]), start + self.frames_ahead + 2
        if frames < needed:
            raise DataError(
                f"{trials.path}: trial {name} has {frames} frames; to predict "
                f"{self.frames_ahead} ahead of frame {start} takes {needed}."
            )

    def _cut(self, trials: Trials, starts: Mapping[str, Array], samples: int) -> dict[str, Array]:
        """Samples that begin at some frames, as arrays of nodes and edges; see `GraphStore`.

        And `trial`, the number of the trial of each.
        """
        of_each = max(1, samples // len(starts))
        positions, velocities, targets, trial = [], [], [], []
        for number, (name, frames) in enumerate(starts.items()):
            track = trials.tracks[name]
            chosen = frames[:of_each]
            self._check_frames(trials, name, int(chosen.max()))
            positions.append(track[chosen])
            velocities.append(track[chosen + 1] - track[chosen])
            ahead = np.arange(self.frames_ahead - self.time_steps, self.frames_ahead) + 1
            targets.append(track[chosen[:, None] + ahead].transpose(0, 2, 1, 3))
            trial.append(np.full(len(chosen), number))
        position = np.concatenate(positions)
        edges, distance = skeleton(trials.bones, position.shape[1])
        count, joints = position.shape[:2]
        return {
            "positions": position.reshape(-1, 3),
            "velocities": np.concatenate(velocities).reshape(-1, 3),
            "scalars": position.reshape(-1, 3)[:, VERTICAL, None],
            "edges": np.tile(edges, (count, 1)),
            "edge_scalars": np.tile(distance[:, None], (count, 1)),
            "nodes": np.full(count, joints),
            "edge_counts": np.full(count, len(edges)),
            "targets": np.concatenate(targets).reshape(-1, self.time_steps, 3),
            "trial": np.concatenate(trial),
        }

    def open(self, directory: Path, options: TaskOptions, seed: int) -> MotionData:
        """Open the files; all seeds share the data."""
        from symbench.data.points.motion_data import MotionData

        return MotionData(directory)

    @property
    def scores(self) -> tuple[Score, ...]:
        """Squared error of the last time, and of all times."""
        return Score("mse", "length squared"), Score("mse_all_times", "length squared")

    def check_group(self, name: str) -> None:
        """O(3) and SO(3) act on joints."""
        check_rotations(name)


def skeleton(bones: Array, joints: int) -> tuple[Array, Array]:
    """Which joints are near each other along a skeleton.

    Args:
        bones: pairs of joints, counted from 0, shape (bone, 2).
        joints: how many there are.

    Returns:
        Ordered pairs of joints that are one or two bones apart, shape (pair, 2), and how many
        bones, shape (pair,).

    """
    one = np.zeros((joints, joints), dtype=int)
    one[bones[:, 0], bones[:, 1]] = one[bones[:, 1], bones[:, 0]] = 1
    distance = np.where(one, 1, np.where(one @ one, 2, 0))
    np.fill_diagonal(distance, 0)
    edges = np.argwhere(distance)
    return edges, distance[edges[:, 0], edges[:, 1]].astype(float)

"""Human motion: positions of joints some frames ahead, from the CMU motion capture database.

Protocol of EGNO (Xu et al., arXiv 2401.11037): 31 joints, velocities as differences of neighbouring
frames, edges between joints that are one or two bones apart, the vertical coordinate as a feature
that rotations leave alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from symbench.data.arrays import read_arrays, write_arrays, write_manifest
from symbench.data.batch import Batch
from symbench.data.points.point_audit import Moments, audit_rotations
from symbench.data.points.point_graph import NodeSplit, point_symmetry, rotation_group, turn_equal
from symbench.data.raw_files import FromOriginals
from symbench.data.splits import SPLITS, check_splits
from symbench.errors import ConfigError, DataError
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.symmetry import Symmetry

Array = npt.NDArray[Any]

VERTICAL = 1
HEIGHT_UNIT = 10.0


class Motion(FromOriginals):
    """Trials of a motion, cut into start frames and what follows."""

    def __init__(
        self,
        *,
        file: str,
        samples: Mapping[str, int],
        frames_ahead: int = 30,
        time_steps: int = 5,
        seed: int = 0,
    ) -> None:
        """Set the protocol.

        Args:
            file: name of the file with trials, such as "cmu_mocap_run.hdf5".
            samples: at most so many start frames per split, the same number from each trial.
            frames_ahead: the last frame that is predicted.
            time_steps: how many frames, up to that one, are predicted.
            seed: of the split by trials, where the file has none.

        Raises:
            ConfigError: for numbers that make no sense.

        """
        if not 0 < time_steps <= frames_ahead:
            raise ConfigError(f"time_steps={time_steps}: give 1 to frames_ahead={frames_ahead}.")
        self.file = file
        self.samples = check_splits(samples, "samples of motion")
        self.frames_ahead = frames_ahead
        self.time_steps = time_steps
        self.seed = seed

    def fetch(self, directory: Path) -> None:
        """Read the original file and write every split and the manifest."""
        path = self.need(self.file, "the published file is a pickle, which may run any code")
        try:
            with h5py.File(path) as file:
                trials = {name: group["position"][()] for name, group in file["trials"].items()}
                bones = file["edges"][()]
                starts = {
                    split: {trial: frames[()] for trial, frames in file["split"][split].items()}
                    for split in (SPLITS if "split" in file else ())
                }
                source, licence = str(file.attrs["source"]), str(file.attrs["license"])
        except (OSError, KeyError) as error:
            raise DataError(f"{path} holds no trials of motion: {error}.") from None
        published = bool(starts)
        starts = starts or self._split(trials)
        directory.mkdir(parents=True, exist_ok=True)
        paths = []
        for split in SPLITS:
            target = directory / f"{split}.hdf5"
            write_arrays(target, self._cut(trials, starts[split], self.samples[split], bones))
            paths.append(target)
        parameters = {**self.parameters, "split": "published" if published else "by trial, our own"}
        write_manifest(
            directory,
            self,
            data_format="motion",
            tools="h5py",
            parameters=parameters,
            paths=paths,
            source=source,
            licence=licence,
        )

    def _split(self, trials: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
        """Half of the trials for training, a quarter each for validation and test."""
        rng = np.random.default_rng(self.seed)
        names = [list(trials)[k] for k in rng.permutation(len(trials))]
        quarter = max(1, len(names) // 4)
        parts = {"valid": names[:quarter], "test": names[quarter : 2 * quarter]}
        parts["train"] = names[2 * quarter :]
        # A trial needs one frame more, for the velocity.
        return {
            split: {
                name: rng.permutation(len(trials[name]) - self.frames_ahead - 1) for name in part
            }
            for split, part in parts.items()
        }

    def _cut(
        self, trials: Mapping[str, Array], starts: Mapping[str, Array], samples: int, bones: Array
    ) -> dict[str, Array]:
        of_each = max(1, samples // len(starts))
        positions, velocities, targets = [], [], []
        for trial, frames in starts.items():
            track = trials[trial]
            chosen = frames[:of_each]
            if chosen.max() + self.frames_ahead >= len(track) - 1:
                raise DataError(f"Trial {trial} of {self.file} is shorter than its start frames.")
            positions.append(track[chosen])
            velocities.append(track[chosen + 1] - track[chosen])
            ahead = np.arange(self.frames_ahead - self.time_steps, self.frames_ahead) + 1
            targets.append(track[chosen[:, None] + ahead].transpose(0, 2, 1, 3))
        position = np.concatenate(positions)
        edges, distance = skeleton(bones, position.shape[1])
        count, joints = position.shape[:2]
        return {
            "positions": position.reshape(-1, 3),
            "velocities": np.concatenate(velocities).reshape(-1, 3),
            "scalars": position.reshape(-1, 3)[:, VERTICAL, None] / HEIGHT_UNIT,
            "edges": np.tile(edges, (count, 1)),
            "edge_scalars": np.tile(distance[:, None], (count, 1)),
            "nodes": np.full(count, joints),
            "edge_counts": np.full(count, len(edges)),
            "targets": np.concatenate(targets).reshape(-1, self.time_steps, 3),
        }


def skeleton(bones: Array, joints: int) -> tuple[Array, Array]:
    """Ordered pairs of joints that are one or two bones apart, and how many bones."""
    one = np.zeros((joints, joints), dtype=int)
    one[bones[:, 0], bones[:, 1]] = one[bones[:, 1], bones[:, 0]] = 1
    distance = np.where(one, 1, np.where(one @ one, 2, 0))
    np.fill_diagonal(distance, 0)
    edges = np.argwhere(distance)
    return edges, distance[edges[:, 0], edges[:, 1]].astype(float)


class MotionData:
    """The data of one task; targets are positions at a few times."""

    kind = "samples"
    units: ClassVar[dict[str, str]] = {
        "mse": "length squared",
        "mse_all_times": "length squared",
    }

    def __init__(self, directory: Path) -> None:
        """Open a folder; raises `DataError` if it holds no motion."""
        self.directory = directory
        self.test = read_arrays(directory / "test.hdf5")

    @classmethod
    def open(cls, directory: Path, settings: Any, seed: int) -> "MotionData":
        """Open what the config says; all seeds share the data."""
        return cls(directory)

    def model_arguments(self) -> dict[str, object]:
        """Widths of the inputs and the number of times."""
        return {
            "node_scalars": self.test["scalars"].shape[1],
            "edge_scalars": self.test["edge_scalars"].shape[1],
            "time_steps": self.test["targets"].shape[1],
        }

    def symmetry(self, group: str, exact: bool = True) -> Symmetry:
        """O(3) or SO(3) on positions, velocities and predictions."""
        joints = int(self.test["nodes"][0])
        return point_symmetry(group, lambda g, positions: turn_equal(g, positions, joints), exact)

    def audit(self, group: str, task: Any) -> list[ElementAudit]:
        """Audit the law of the training data; there is no simulator of humans."""
        data = read_arrays(self.directory / "train.hdf5")
        shape = (len(data["nodes"]), -1, 3)
        vectors = [data[key].reshape(shape) for key in ("positions", "velocities")]
        return audit_rotations(rotation_group(group), Moments.of(*vectors))

    def split(self, name: str) -> "MotionSplit":
        """One of train, valid, test."""
        arrays = read_arrays(self.directory / f"{name}.hdf5")
        return MotionSplit(arrays, arrays["targets"])


class MotionSplit(NodeSplit):
    """The samples of one split."""

    def loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Mean squared error over all times."""
        return nn.functional.mse_loss(prediction, batch.targets)

    validation_loss = loss

    def scores(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Squared error of the last time, and of all; shape (sample,)."""
        squared = (prediction - batch.targets).square()
        return {
            "mse": batch.mean_per_sample(squared[:, -1]),
            "mse_all_times": batch.mean_per_sample(squared),
        }

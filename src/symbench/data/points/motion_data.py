"""Data of human motion, opened: batches, loss, scores and symmetry."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from symbench.data.arrays import Array, read_arrays
from symbench.data.batch import Batch
from symbench.data.dataset import Data, Dataset
from symbench.data.points.graph_store import NodeSplit
from symbench.data.points.point_audit import Moments, audit_rotations
from symbench.data.points.point_graph import (
    PointGraph,
    graph_symmetry,
    rotation_group,
    sample_of_equal_rows,
)
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.symmetry import Element, Symmetry

_NODES = ("positions", "velocities", "scalars", "nodes", "targets", "trial")
_EDGES = ("edges", "edge_scalars", "edge_counts")


class MotionData(Data[PointGraph]):
    """The data of one task; targets are positions at a few times, shape (node, time, axis)."""

    def __init__(self, directory: Path) -> None:
        """Open a folder; raises `DataError` if it holds no motion."""
        self.directory = directory
        self.test = self._read("test")

    def _read(self, split: str) -> dict[str, Array]:
        return read_arrays(self.directory / f"{split}.hdf5", _NODES + _EDGES)

    def model_arguments(self) -> dict[str, object]:
        """Widths of the inputs and the number of times."""
        return {
            "node_scalars": self.test["scalars"].shape[1],
            "edge_scalars": self.test["edge_scalars"].shape[1],
            "time_steps": self.test["targets"].shape[1],
        }

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[PointGraph]:
        """O(3) or SO(3) on positions, velocities and predictions."""
        joints = int(self.test["nodes"][0])

        def act_on_output(element: Element, positions: Tensor) -> Tensor:
            return rotate(element, positions, sample_of_equal_rows(positions, joints))

        return graph_symmetry(group, act_on_output, exact)

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Audit the law of the training data; there is no simulator of humans."""
        training = self._read("train")
        shape = (len(training["nodes"]), -1, 3)
        vectors = [training[key].reshape(shape) for key in ("positions", "velocities")]
        return audit_rotations(rotation_group(group), Moments.of(*vectors))

    def split(self, name: str) -> "MotionSplit":
        """One of train, valid, test."""
        return MotionSplit(self._read(name))


class MotionSplit(NodeSplit):
    """The samples of one split."""

    quantities = ("position",)

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        """Take the arrays of a file; see `Motion`."""
        super().__init__(arrays, arrays["targets"])
        self._trial = arrays["trial"]

    @property
    def blocks(self) -> Array:
        """The trial of each sample: what follows neighbouring frames is nearly the same."""
        return self._trial

    def loss(self, prediction: Tensor, batch: Batch[PointGraph]) -> Tensor:
        """Mean squared error over all times."""
        return nn.functional.mse_loss(prediction, batch.targets)

    def validation_loss(self, prediction: Tensor, batch: Batch[PointGraph]) -> Tensor:
        """Mean squared error of the last time, by which the public code chooses weights."""
        return nn.functional.mse_loss(prediction[:, -1], batch.targets[:, -1])

    def scores(self, prediction: Tensor, batch: Batch[PointGraph]) -> dict[str, Tensor]:
        """Squared error of the last time, and of all; shape (sample,)."""
        squared = (prediction - batch.targets).square()
        return {
            "mse": batch.mean_per_sample(squared[:, -1]),
            "mse_all_times": batch.mean_per_sample(squared),
        }

    def values_of(self, outputs: Tensor, batch: Batch[PointGraph]) -> dict[str, Tensor]:
        """Positions of all joints at all times, shape (sample, joint · time · axis)."""
        return {"position": outputs.reshape(batch.samples, -1)}

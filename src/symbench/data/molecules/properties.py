"""Properties of many molecules, one number each: data, loss, scores and symmetry."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from symbench.data.arrays import Array, read_arrays
from symbench.data.batch import Batch
from symbench.data.dataset import Data, Dataset
from symbench.data.points.graph_store import NodeSplit
from symbench.data.points.point_audit import AUDITED_SAMPLES, Moments, audit_rotations
from symbench.data.points.point_graph import PointGraph, graph_symmetry, rotation_group
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.symmetry import Symmetry


class PropertyData(Data[PointGraph]):
    """The data of one task; targets are numbers of molecules."""

    def __init__(self, directory: Path, target: str) -> None:
        """Open a folder, of the property of a name; raises `DataError` if it holds no molecules."""
        self.directory = directory
        self.target = target
        self.training = read_arrays(directory / "train.hdf5")

    def model_arguments(self) -> dict[str, object]:
        """Widths of the inputs, and the law of the target on the training split."""
        return {
            "node_scalars": self.training["scalars"].shape[1],
            "edge_scalars": 0,
            "target_mean": float(self.training["targets"].mean()),
            "target_scale": self.target_scale,
        }

    @property
    def target_scale(self) -> float:
        """Standard deviation of the training targets, 1 where they are all the same."""
        return float(self.training["targets"].std()) or 1.0

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[PointGraph]:
        """O(3) or SO(3); properties are invariant."""
        return graph_symmetry(group, lambda element, outputs: outputs, exact)

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Audit the law of the training data: second moments of the first molecules."""
        ends = np.cumsum(self.training["nodes"])[:AUDITED_SAMPLES]
        clouds = np.split(self.training["positions"][: ends[-1]], ends[:-1])
        moments = [Moments.of((cloud - cloud.mean(axis=0))[None]) for cloud in clouds]
        first = np.concatenate([moment.first for moment in moments])
        second = np.concatenate([moment.second for moment in moments])
        return audit_rotations(rotation_group(group), Moments(first, second))

    def split(self, name: str) -> "PropertySplit":
        """One of train, valid, test."""
        arrays = read_arrays(self.directory / f"{name}.hdf5")
        return PropertySplit(arrays, self.target, self.target_scale)


class PropertySplit(NodeSplit):
    """The molecules of one split; targets have the shape (sample, 1)."""

    def __init__(self, arrays: Mapping[str, Array], target: str, scale: float) -> None:
        """Take the arrays of a file, the name of the property, and the unit of the loss."""
        super().__init__(arrays, arrays["targets"][:, None])
        self.quantities = (target,)
        self.scale = scale

    def batch(self, rows: Array, generator: torch.Generator | None = None) -> Batch[PointGraph]:
        """Some molecules; nothing in them is random."""
        graph = self.store.graph(rows[:, 0])
        return Batch(graph, self.targets[torch.from_numpy(rows[:, 0])], len(rows))

    def loss(self, prediction: Tensor, batch: Batch[PointGraph]) -> Tensor:
        """Mean absolute error, in units of the deviation of the training targets."""
        return nn.functional.l1_loss(prediction, batch.targets) / self.scale

    def scores(self, prediction: Tensor, batch: Batch[PointGraph]) -> dict[str, Tensor]:
        """Absolute error; shape (sample,)."""
        return {"mae": (prediction - batch.targets).abs()[:, 0]}

    def values_of(self, outputs: Tensor, batch: Batch[PointGraph]) -> dict[str, Tensor]:
        """The property in its unit, shape (sample, 1)."""
        return dict.fromkeys(self.quantities, outputs)

    @property
    def scales(self) -> dict[str, float]:
        """Variance of the training targets."""
        return dict.fromkeys(self.quantities, self.scale**2)

"""Properties of many molecules, one number each: data, loss, scores and symmetry."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from symbench.data.arrays import Array
from symbench.data.batch import Batch
from symbench.data.dataset import Data, Dataset, Split
from symbench.data.points.graph_store import GraphStore
from symbench.data.points.point_audit import AUDITED_SAMPLES, Moments, audit_rotations
from symbench.data.points.point_graph import PointGraph, graph_symmetry, rotation_group
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.symmetry import Symmetry


class PropertyData(Data[PointGraph]):
    """The data of one task and seed; targets are numbers of molecules."""

    def __init__(
        self,
        arrays: Mapping[str, Array],
        target: str,
        rows: Mapping[str, Array],
        standardised: bool,
    ) -> None:
        """Take all molecules and choose those of each split.

        Args:
            arrays: positions and scalars of nodes, nodes and targets of molecules; see
                `GraphStore`.
            target: name of their property.
            rows: the molecules of each split.
            standardised: whether networks and losses count in mean absolute deviations from the
                mean of the training targets, as in the public code of SEGNN; or else in the unit.

        """
        self.store = GraphStore(arrays)
        self.targets = arrays["targets"]
        self.target = target
        self.rows = rows
        training = self.targets[rows["train"]]
        self.variance = float(training.var()) or 1.0
        self.mean, self.scale = 0.0, 1.0
        if standardised:
            self.mean = float(training.mean())
            self.scale = float(abs(training - self.mean).mean()) or 1.0

    def model_arguments(self) -> dict[str, object]:
        """Widths of the inputs, and what networks count from and in."""
        return {
            "node_scalars": self.store.at_nodes["scalars"].shape[1],
            "edge_scalars": 0,
            "target_mean": self.mean,
            "target_scale": self.scale,
        }

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[PointGraph]:
        """O(3) or SO(3); properties are invariant."""
        return graph_symmetry(group, lambda element, outputs: outputs, exact)

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Audit the law of the training data: second moments of the first molecules."""
        graph = self.store.graph(self.rows["train"][:AUDITED_SAMPLES])
        clouds = [cloud.double().numpy() for cloud in graph.positions.split(graph.nodes.tolist())]
        moments = [Moments.of((cloud - cloud.mean(axis=0))[None]) for cloud in clouds]
        first = np.concatenate([moment.first for moment in moments])
        second = np.concatenate([moment.second for moment in moments])
        return audit_rotations(rotation_group(group), Moments(first, second))

    def split(self, name: str) -> "PropertySplit":
        """One of train, valid, test."""
        return PropertySplit(self, name)


class PropertySplit(Split[PointGraph]):
    """The molecules of one split; targets have the shape (sample, 1)."""

    def __init__(self, data: PropertyData, name: str) -> None:
        """Choose the molecules."""
        self.data = data
        self.rows = data.rows[name]
        self.targets = torch.from_numpy(data.targets).float()[:, None]
        self.quantities = (data.target,)

    @property
    def samples(self) -> Array:
        """One row for each molecule."""
        return self.rows[:, None]

    def batch(self, rows: Array, generator: torch.Generator | None = None) -> Batch[PointGraph]:
        """Some molecules; nothing in them is random."""
        graph = self.data.store.graph(rows[:, 0])
        return Batch(graph, self.targets[torch.from_numpy(rows[:, 0])], len(rows))

    def loss(self, prediction: Tensor, batch: Batch[PointGraph]) -> Tensor:
        """Mean absolute error, in what networks count in."""
        return nn.functional.l1_loss(prediction, batch.targets) / self.data.scale

    def scores(self, prediction: Tensor, batch: Batch[PointGraph]) -> dict[str, Tensor]:
        """Absolute error; shape (sample,)."""
        return {"mae": (prediction - batch.targets).abs()[:, 0]}

    def values_of(self, outputs: Tensor, batch: Batch[PointGraph]) -> dict[str, Tensor]:
        """The property in its unit, shape (sample, 1)."""
        return dict.fromkeys(self.quantities, outputs)

    @property
    def scales(self) -> dict[str, float]:
        """Variance of the training targets."""
        return dict.fromkeys(self.quantities, self.data.variance)

"""Communities of the nodes of graphs: inputs, loss, scores, and the symmetry that holds.

One sample is one graph; its outputs are class logits of its nodes. The symmetry is the sign group
on the eigenvectors, under which logits are invariant.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from symbench.data.arrays import Array, read_arrays
from symbench.data.batch import Batch
from symbench.data.dataset import Data, Dataset, Split
from symbench.data.graphs.block_models import PADDING
from symbench.data.graphs.eigenvectors import (
    EigenvectorInputs,
    audit_flips,
    refuse_repeated,
    sign_symmetry,
)
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.symmetry import Symmetry

ARRAYS = ("adjacency", "labels", "seeds", "eigenvalues", "eigenvectors")


@dataclass(frozen=True)
class ClusterInputs(EigenvectorInputs):
    """Padded graphs.

    Attributes:
        vectors: eigenvectors, shape (graph, node, column).
        adjacency: D^-1/2 (A + 1) D^-1/2, shape (graph, node, node).
        mean: D^-1 A, shape (graph, node, node).
        seeds: node that stands for each community, shape (graph, community).
        real: 1 for nodes, 0 for padding, shape (graph, node).

    """

    adjacency: Tensor
    mean: Tensor
    seeds: Tensor
    real: Tensor


class ClusterData(Data[ClusterInputs]):
    """The data of one task."""

    def __init__(self, directory: Path) -> None:
        """Open a folder; raises `DataError` if its files hold no graphs with communities."""
        self.directory = directory
        arrays = self.read("test")
        self.columns = arrays["eigenvectors"].shape[-1]
        self.communities = arrays["seeds"].shape[-1]

    def read(self, split: str) -> dict[str, Array]:
        """The arrays of one of train, valid, test; the first axis is the graph."""
        path = self.directory / f"{split}.hdf5"
        arrays = read_arrays(path, ARRAYS)
        communities = np.arange(arrays["seeds"].shape[-1])
        labels = np.take_along_axis(arrays["labels"], arrays["seeds"], axis=1)
        if not (labels == communities).all() or arrays["labels"].max() >= len(communities):
            raise DataError(f"{path}: each community of a graph needs a seed node of its label.")
        refuse_repeated(arrays["eigenvalues"], str(path))
        return arrays

    def model_arguments(self) -> dict[str, object]:
        """Numbers of eigenvectors and communities."""
        return {"columns": self.columns, "communities": self.communities}

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[ClusterInputs]:
        """Signs of the eigenvectors; logits are invariant."""
        return sign_symmetry(group, self.columns, exact)

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Flipped eigenvectors must still be eigenvectors: the largest residual of each column."""
        arrays = self.read("test")
        adjacency = arrays["adjacency"].astype(float)
        degree = np.maximum(adjacency.sum(axis=-1), 1) ** -0.5
        vectors = -arrays["eigenvectors"]
        applied = vectors - degree[..., None] * (adjacency @ (degree[..., None] * vectors))
        residual = np.linalg.norm(applied - vectors * arrays["eigenvalues"][:, None], axis=1)
        self.symmetry(group)
        return audit_flips(residual.max(axis=0))

    def split(self, name: str) -> "ClusterSplit":
        """One of train, valid, test."""
        return ClusterSplit(self.read(name), self.communities)


class ClusterSplit(Split[ClusterInputs]):
    """The graphs of one split, in memory."""

    def __init__(self, arrays: Mapping[str, Array], communities: int) -> None:
        """Take the arrays of a file."""
        self.arrays = {key: torch.from_numpy(value) for key, value in arrays.items()}
        self.communities = communities

    @property
    def samples(self) -> Array:
        """One row for each graph."""
        return np.arange(len(self.arrays["labels"]))[:, None]

    def batch(self, rows: Array, generator: torch.Generator | None = None) -> Batch[ClusterInputs]:
        """Some graphs, padded to the largest of them; nothing in them is random."""
        index = torch.from_numpy(rows[:, 0])
        labels = self.arrays["labels"][index]
        size = int((labels != PADDING).sum(dim=1).max())
        labels = labels[:, :size]
        real = (labels != PADDING).float()
        adjacency = self.arrays["adjacency"][index, :size, :size].float()
        looped = adjacency + torch.diag_embed(real)
        scale = looped.sum(dim=-1).clamp(min=1) ** -0.5
        inputs = ClusterInputs(
            vectors=self.arrays["eigenvectors"][index, :size].float(),
            adjacency=scale[..., None] * looped * scale[:, None],
            mean=adjacency / adjacency.sum(dim=-1, keepdim=True).clamp(min=1),
            seeds=self.arrays["seeds"][index],
            real=real,
        )
        return Batch(inputs, labels, len(rows))

    def loss(self, prediction: Tensor, batch: Batch[ClusterInputs]) -> Tensor:
        """Cross-entropy weighted against the size of each class in the batch."""
        labels = batch.targets.flatten()
        communities = torch.arange(self.communities, device=labels.device)
        counts = (labels[:, None] == communities).sum(dim=0).float()
        weight = (counts.sum() - counts) / counts.sum()
        logits = prediction.flatten(0, 1)
        return nn.functional.cross_entropy(logits, labels, weight, ignore_index=PADDING)

    def scores(self, prediction: Tensor, batch: Batch[ClusterInputs]) -> dict[str, Tensor]:
        """Mean over the communities of the share found, shape (sample,).

        NaN for graphs where a logit of a node is not finite: the largest of such is no choice.
        """
        found = prediction.argmax(dim=-1) == batch.targets
        shares = [
            (found & (batch.targets == community)).sum(dim=1)
            / (batch.targets == community).sum(dim=1)
            for community in range(self.communities)
        ]
        real = batch.targets != PADDING
        finite = (torch.isfinite(prediction).all(dim=-1) | ~real).all(dim=-1)
        accuracy = torch.stack(shares).mean(dim=0)
        return {"accuracy": accuracy.where(finite, accuracy.new_tensor(float("nan")))}

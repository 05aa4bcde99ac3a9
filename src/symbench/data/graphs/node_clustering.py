"""Node clustering on stochastic block models: which community, given one seed node of each?

Graphs after the CLUSTER data of Dwivedi et al. (arXiv 2003.00982): communities of random size, one
random node of each carries the community's number, the others 0; the label of a node is its
community. Generated here, so the numbers are not those of the published data set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from symbench.data.arrays import Array, read_arrays, write_arrays, write_manifest
from symbench.data.batch import Batch, Inputs
from symbench.data.graphs.eigenvectors import audit_flips, sign_symmetry
from symbench.data.splits import SPLITS, check_splits
from symbench.errors import ConfigError
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.symmetry import Symmetry

PADDING = -1


class BlockModels:
    """Random graphs with communities."""

    def __init__(
        self,
        *,
        graphs: Mapping[str, int],
        communities: int = 6,
        smallest: int = 5,
        largest: int = 34,
        inside: float = 0.55,
        between: float = 0.25,
        eigenvectors: int = 10,
        seed: int = 0,
    ) -> None:
        """Set the size.

        Args:
            graphs: number per split: train, valid, test.
            communities: of each graph.
            smallest: size of a community.
            largest: size of a community, included.
            inside: probability of an edge inside a community.
            between: probability of an edge between communities.
            eigenvectors: of the normalised Laplacian, after the constant one.
            seed: seed of all graphs.

        Raises:
            ConfigError: for splits that make no sense, or graphs with too few nodes.

        """
        if communities * smallest <= eigenvectors:
            raise ConfigError(
                f"eigenvectors={eigenvectors}: the smallest graph has {communities * smallest} "
                "nodes."
            )
        self.graphs = check_splits(graphs, "graphs of block_models")
        self.communities = communities
        self.sizes = (smallest, largest)
        self.probabilities = (inside, between)
        self.eigenvectors = eigenvectors
        self.seed = seed

    def fetch(self, directory: Path) -> None:
        """Make every split, and the manifest."""
        directory.mkdir(parents=True, exist_ok=True)
        paths = []
        for stream, split in enumerate(SPLITS):
            rng = np.random.default_rng([self.seed, stream])
            graphs = [self._graph(rng) for _ in range(self.graphs[split])]
            path = directory / f"{split}.hdf5"
            write_arrays(path, {key: _padded([g[key] for g in graphs], key) for key in graphs[0]})
            paths.append(path)
        write_manifest(
            directory,
            self,
            data_format="communities",
            tools="numpy",
            parameters={
                "graphs": self.graphs,
                "communities": self.communities,
                "sizes": self.sizes,
                "probabilities": self.probabilities,
                "eigenvectors": self.eigenvectors,
                "seed": self.seed,
            },
            paths=paths,
        )

    def _graph(self, rng: np.random.Generator) -> dict[str, Array]:
        sizes = rng.integers(self.sizes[0], self.sizes[1] + 1, size=self.communities)
        labels = rng.permutation(np.repeat(np.arange(self.communities), sizes))
        inside, between = self.probabilities
        chance = np.where(labels[:, None] == labels, inside, between)
        upper = np.triu(rng.random(chance.shape) < chance, k=1)
        adjacency = (upper | upper.T).astype(np.uint8)
        seeds = np.array([rng.choice(np.flatnonzero(labels == c)) for c in range(self.communities)])
        degree = np.maximum(adjacency.sum(axis=1), 1) ** -0.5
        laplacian = np.eye(len(labels)) - degree[:, None] * adjacency * degree
        values, vectors = np.linalg.eigh(laplacian)
        chosen = slice(1, self.eigenvectors + 1)
        return {
            "adjacency": adjacency,
            "labels": labels,
            "seeds": seeds,
            "eigenvalues": values[chosen],
            "eigenvectors": vectors[:, chosen],
        }


def _padded(arrays: list[Array], key: str) -> Array:
    """Stack arrays of different sizes, with -1 for missing labels and 0 elsewhere."""
    shape = np.max([array.shape for array in arrays], axis=0)
    fill = PADDING if key == "labels" else 0
    stacked = np.full((len(arrays), *shape), fill, dtype=arrays[0].dtype)
    for row, array in zip(stacked, arrays, strict=True):
        row[tuple(slice(0, size) for size in array.shape)] = array
    return stacked


@dataclass(frozen=True)
class ClusterInputs(Inputs):
    """Padded graphs.

    Attributes:
        vectors: eigenvectors, shape (graph, node, column).
        adjacency: D^-1/2 (A + 1) D^-1/2, shape (graph, node, node).
        mean: D^-1 A, shape (graph, node, node).
        seeds: node that stands for each community, shape (graph, community).
        real: 1 for nodes, 0 for padding, shape (graph, node).

    """

    vectors: Tensor
    adjacency: Tensor
    mean: Tensor
    seeds: Tensor
    real: Tensor


class ClusterData:
    """The data of one task."""

    kind = "samples"
    units: ClassVar[dict[str, str]] = {"accuracy": "1"}

    def __init__(self, directory: Path) -> None:
        """Open a folder."""
        self.directory = directory
        arrays = self._read("test")
        self.columns = arrays["eigenvectors"].shape[-1]
        self.communities = arrays["seeds"].shape[-1]

    @classmethod
    def open(cls, directory: Path, settings: Any, seed: int) -> "ClusterData":
        """Open what the config says; all seeds share the data."""
        return cls(directory)

    def _read(self, split: str) -> dict[str, Array]:
        return read_arrays(self.directory / f"{split}.hdf5")

    def model_arguments(self) -> dict[str, object]:
        """Numbers of eigenvectors and communities."""
        return {"columns": self.columns, "communities": self.communities}

    def symmetry(self, group: str, exact: bool = True) -> Symmetry:
        """Signs of the eigenvectors; logits are invariant."""
        return sign_symmetry(group, self.columns, exact)

    def audit(self, group: str, task: Any) -> list[ElementAudit]:
        """Flipped eigenvectors must still be eigenvectors: the largest residual of each column."""
        arrays = self._read("test")
        adjacency = arrays["adjacency"].astype(float)
        degree = np.maximum(adjacency.sum(axis=-1), 1) ** -0.5
        vectors = -arrays["eigenvectors"]
        applied = vectors - degree[..., None] * (adjacency @ (degree[..., None] * vectors))
        residual = np.linalg.norm(applied - vectors * arrays["eigenvalues"][:, None], axis=1)
        self.symmetry(group)
        return audit_flips(residual.max(axis=0))

    def split(self, name: str) -> "ClusterSplit":
        """One of train, valid, test."""
        return ClusterSplit(self._read(name), self.communities)


class ClusterSplit:
    """The graphs of one split, in memory."""

    def __init__(self, arrays: Mapping[str, Array], communities: int) -> None:
        """Take the arrays of a file."""
        self.arrays = {key: torch.from_numpy(value) for key, value in arrays.items()}
        self.communities = communities

    @property
    def samples(self) -> npt.NDArray[np.int64]:
        """One row for each graph."""
        return np.arange(len(self.arrays["labels"]))[:, None]

    def batch(self, rows: npt.NDArray[np.int64], generator: torch.Generator | None = None) -> Batch:
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

    def loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy weighted against the size of each class in the batch."""
        labels = batch.targets.flatten()
        counts = labels[labels != PADDING].bincount(minlength=self.communities).float()
        weight = (counts.sum() - counts) / counts.sum()
        logits = prediction.flatten(0, 1)
        return nn.functional.cross_entropy(logits, labels, weight, ignore_index=PADDING)

    validation_loss = loss

    def scores(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Mean over the communities of the share found, shape (sample,)."""
        found = prediction.argmax(dim=-1) == batch.targets
        shares = [
            (found & (batch.targets == community)).sum(dim=1)
            / (batch.targets == community).sum(dim=1)
            for community in range(self.communities)
        ]
        return {"accuracy": torch.stack(shares).mean(dim=0)}

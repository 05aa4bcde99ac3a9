"""Link prediction from Laplacian eigenvectors: data, loss, scores, and the symmetry that holds.

A seed is a trial: a graph of its own, one file. One sample is one graph; its outputs are the logits
of pairs of nodes. The symmetry is the sign group on the eigenvectors, under which logits are
invariant.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import mannwhitneyu
from torch import Tensor, nn

from symbench.data.arrays import read_arrays
from symbench.data.batch import Batch, Inputs
from symbench.data.graphs.eigenvectors import audit_flips, sign_symmetry
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.symmetry import Symmetry


@dataclass(frozen=True)
class LinkInputs(Inputs):
    """One graph and the pairs of nodes to judge.

    Attributes:
        vectors: eigenvectors, shape (node, column).
        adjacency: D^-1/2 (A + 1) D^-1/2 of the message graph, sparse, shape (node, node).
        mean: D^-1 A of the message graph, sparse, shape (node, node).
        pairs: shape (2, pair).

    """

    vectors: Tensor
    adjacency: Tensor
    mean: Tensor
    pairs: Tensor


def auc(scores: Tensor, labels: Tensor) -> float:
    """Area under the ROC curve: how often a positive pair scores above a negative one."""
    positive, negative = scores[labels > 0], scores[labels <= 0]
    statistic = mannwhitneyu(positive.cpu().numpy(), negative.cpu().numpy()).statistic
    return float(statistic) / (len(positive) * len(negative))


class LinkData:
    """The graph of one trial."""

    kind = "samples"
    units: ClassVar[dict[str, str]] = {"auc": "1", "oracle_auc": "1"}

    def __init__(self, path: Path) -> None:
        """Read a trial; raises `DataError` if it is not there or cannot be read."""
        arrays = read_arrays(path)
        self.arrays = {key: torch.from_numpy(value) for key, value in arrays.items()}
        self.vectors = self.arrays["eigenvectors"].float()

    @classmethod
    def open(cls, directory: Path, settings: Any, seed: int) -> "LinkData":
        """The trial of a seed."""
        path = directory / f"trial{seed}.hdf5"
        if not path.is_file():
            trials = len(list(directory.glob("trial*.hdf5")))
            raise DataError(
                f"{directory} holds {trials} trials, none for seed {seed}; raise 'trials'."
            )
        return cls(path)

    def model_arguments(self) -> dict[str, object]:
        """Number of eigenvectors."""
        return {"columns": self.vectors.shape[1]}

    def symmetry(self, group: str, exact: bool = True) -> Symmetry:
        """Signs of the eigenvectors; logits are invariant."""
        return sign_symmetry(group, self.vectors.shape[1], exact)

    def audit(self, group: str, task: Any) -> list[ElementAudit]:
        """Flipped eigenvectors must still be eigenvectors: the residual of each column."""
        vectors = self.arrays["eigenvectors"].double()
        laplacian = _laplacian(self.arrays["train_edges"], len(vectors))
        residual = laplacian @ -vectors + vectors * self.arrays["eigenvalues"]
        self.symmetry(group)
        return audit_flips(residual.norm(dim=0).tolist())

    def split(self, name: str) -> "LinkSplit":
        """One of train, valid, test."""
        return LinkSplit(self, name)


class LinkSplit:
    """Pairs of one split; training pairs that are no links are drawn anew in each epoch."""

    def __init__(self, data: LinkData, name: str) -> None:
        """Choose pairs and message graph: test sees the links of validation, nothing else does."""
        self.data = data
        self.name = name
        edges = data.arrays["train_edges"]
        if name == "test":
            edges = torch.cat([edges, data.arrays["valid_edges"]], dim=1)
        self.edges = edges

    @property
    def samples(self) -> npt.NDArray[np.int64]:
        """One row: the graph."""
        return np.zeros((1, 1), dtype=np.int64)

    @cached_property
    def _inputs(self) -> LinkInputs:
        nodes = len(self.data.vectors)
        return LinkInputs(
            self.data.vectors,
            symmetric_adjacency(self.edges, nodes),
            mean_adjacency(self.edges, nodes),
            torch.empty(2, 0, dtype=torch.long),
        )

    def batch(self, rows: npt.NDArray[np.int64], generator: torch.Generator | None = None) -> Batch:
        """All pairs with labels; the generator draws what is no link, in training."""
        if self.name == "train":
            links = self.edges[:, self.edges[0] <= self.edges[1]]
            drawn = generator or torch.Generator().manual_seed(0)
            others = non_links(self.edges, len(self.data.vectors), links.shape[1], drawn)
            pairs = torch.cat([links, others], dim=1)
            labels = torch.cat([torch.ones(links.shape[1]), torch.zeros(others.shape[1])])
        else:
            pairs = self.data.arrays[f"{self.name}_pairs"]
            labels = self.data.arrays[f"{self.name}_labels"].float()
        sample = torch.zeros(len(labels), dtype=torch.long)
        return Batch(replace(self._inputs, pairs=pairs), labels, 1, sample)

    def loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Binary cross-entropy of the logits."""
        return nn.functional.binary_cross_entropy_with_logits(prediction, batch.targets)

    def validation_loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """1 - AUC, so that the best AUC chooses the weights."""
        return torch.tensor(1 - auc(prediction, batch.targets))

    def scores(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """AUC of the model, and of knowing which copy each node is in; shape (sample,)."""
        copies = self.data.arrays["copy"][batch.inputs.pairs.cpu()]
        same = (copies[0] == copies[1]).float()
        return {
            "auc": torch.tensor([auc(prediction, batch.targets)]),
            "oracle_auc": torch.tensor([auc(same, batch.targets.cpu())]),
        }


def _adjacency(edges: Tensor, nodes: int) -> Tensor:
    """Symmetric adjacency of directed edges (2, edge), repeated ones counted once, sparse COO."""
    full = torch.sparse_coo_tensor(edges, torch.ones(edges.shape[1]), (nodes, nodes)).coalesce()
    return torch.sparse_coo_tensor(full.indices(), full.values().clamp(max=1), (nodes, nodes))


def symmetric_adjacency(edges: Tensor, nodes: int) -> Tensor:
    """D^-1/2 (A + 1) D^-1/2 with D of A + 1, sparse CSR, shape (node, node)."""
    loops = torch.arange(nodes).expand(2, -1)
    keep = edges[0] != edges[1]
    full = _adjacency(torch.cat([edges[:, keep], loops], dim=1), nodes).coalesce()
    scale = torch.sparse.sum(full, dim=1).to_dense() ** -0.5
    row, column = full.indices()
    return torch.sparse_coo_tensor(
        full.indices(), full.values() * scale[row] * scale[column], (nodes, nodes)
    ).to_sparse_csr()


def mean_adjacency(edges: Tensor, nodes: int) -> Tensor:
    """D^-1 A, the mean over neighbours, sparse CSR, shape (node, node)."""
    full = _adjacency(edges, nodes).coalesce()
    degree = torch.sparse.sum(full, dim=1).to_dense().clamp(min=1)
    values = full.values() / degree[full.indices()[0]]
    return torch.sparse_coo_tensor(full.indices(), values, (nodes, nodes)).to_sparse_csr()


def _laplacian(edges: Tensor, nodes: int) -> Tensor:
    """1 - D^-1/2 A D^-1/2, dense, double precision."""
    full = _adjacency(edges, nodes).to_dense().double()
    scale = full.sum(dim=1).clamp(min=1) ** -0.5
    return torch.eye(nodes, dtype=torch.float64) - scale[:, None] * full * scale


def non_links(edges: Tensor, nodes: int, count: int, generator: torch.Generator) -> Tensor:
    """Uniform ordered pairs of different nodes that are no edges, shape (2, count)."""
    taken = (edges[0] * nodes + edges[1]).unique()
    found = torch.empty(0, dtype=torch.long)
    while len(found) < count:
        drawn = torch.randint(nodes * nodes, (2 * count,), generator=generator)
        drawn = drawn[(drawn // nodes != drawn % nodes) & ~torch.isin(drawn, taken)]
        found = torch.cat([found, drawn])[:count]
    return torch.stack([found // nodes, found % nodes])

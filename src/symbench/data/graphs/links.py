"""Link prediction from Laplacian eigenvectors: data, loss, scores, and the symmetry that holds.

A seed is a trial: a graph of its own, one file. One sample is one graph; its outputs are the logits
of pairs of nodes. The symmetry is the sign group on the eigenvectors, under which logits are
invariant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from symbench.data.arrays import Array, read_arrays
from symbench.data.batch import Batch
from symbench.data.dataset import Data, Dataset, Split
from symbench.data.graphs.adjacency import laplacian, mean_adjacency, symmetric_adjacency
from symbench.data.graphs.eigenvectors import (
    EigenvectorInputs,
    audit_flips,
    refuse_repeated,
    sign_symmetry,
)
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.symmetry import Symmetry

ARRAYS = (
    "train_edges",
    "valid_edges",
    "valid_pairs",
    "valid_labels",
    "test_pairs",
    "test_labels",
    "copy",
    "eigenvalues",
    "eigenvectors",
)


@dataclass(frozen=True)
class LinkInputs(EigenvectorInputs):
    """One graph and the pairs of nodes to judge.

    Attributes:
        vectors: eigenvectors, shape (node, column).
        adjacency: D^-1/2 (A + 1) D^-1/2 of the message graph, sparse, shape (node, node).
        mean: D^-1 A of the message graph, sparse, shape (node, node).
        pairs: shape (2, pair).

    """

    adjacency: Tensor
    mean: Tensor
    pairs: Tensor


def auc(scores: Tensor, labels: Tensor) -> float:
    """Area under the ROC curve: how often a positive pair scores above a negative one.

    Args:
        scores: of the pairs, shape (pair,).
        labels: positive for links, zero or less for others, shape (pair,); both occur.

    Returns:
        A number from 0 to 1; NaN if some score is not finite.

    """
    # Late: it takes a second, and training alone asks for it only after an epoch.
    from scipy.stats import mannwhitneyu

    if not bool(torch.isfinite(scores).all()):
        return float("nan")
    positive, negative = scores[labels > 0], scores[labels <= 0]
    statistic = mannwhitneyu(positive.cpu().numpy(), negative.cpu().numpy()).statistic
    return float(statistic) / (len(positive) * len(negative))


def check_trial(arrays: Mapping[str, Array], what: str) -> None:
    """Refuse a graph that no model can be trained or tested on.

    Args:
        arrays: of a trial, see `NearCopies.trial`.
        what: the trial or its file, for messages.

    Raises:
        DataError: if a split has no links or nothing but links, training could
            not find as many pairs without a link as with one, or an eigenvalue is repeated.

    """
    edges, nodes = arrays["train_edges"], len(arrays["eigenvectors"])
    for split in ("valid", "test"):
        links = int((arrays[f"{split}_labels"] > 0).sum())
        others = len(arrays[f"{split}_labels"]) - links
        if not links or not others:
            raise DataError(
                f"{what}: the {split} split has {links} links and {others} pairs that are none, "
                "and needs both: take more nodes, or another share of edges."
            )
    links = int((edges[0] <= edges[1]).sum())
    taken = np.unique(edges[:, edges[0] != edges[1]], axis=1).shape[1]
    free = nodes * (nodes - 1) - taken
    if not 0 < links <= free:
        raise DataError(
            f"{what}: training has {links} links, and {free} ordered pairs of nodes that are none; "
            "it needs at least one link, and no fewer pairs without: take other numbers of edges."
        )
    refuse_repeated(arrays["eigenvalues"], what)


class LinkData(Data[LinkInputs]):
    """The graph of one trial."""

    def __init__(self, path: Path) -> None:
        """Read a trial; raises `DataError` if it is not there, or is none that can be used."""
        arrays = read_arrays(path, ARRAYS)
        check_trial(arrays, str(path))
        self.arrays = {key: torch.from_numpy(value) for key, value in arrays.items()}
        self.vectors = self.arrays["eigenvectors"].float()

    def model_arguments(self) -> dict[str, object]:
        """Number of eigenvectors."""
        return {"columns": self.vectors.shape[1]}

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[LinkInputs]:
        """Signs of the eigenvectors; logits are invariant."""
        return sign_symmetry(group, self.vectors.shape[1], exact)

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Flipped eigenvectors must still be eigenvectors: the residual of each column.

        Raises `DataError` if the last of them shares its eigenvalue with one that is left out.
        """
        vectors = self.arrays["eigenvectors"].double()
        matrix = laplacian(self.arrays["train_edges"], len(vectors))
        lowest = torch.linalg.eigvalsh(matrix)[1 : vectors.shape[1] + 2]
        refuse_repeated(lowest.numpy(), "The graph of the training links")
        residual = matrix @ -vectors + vectors * self.arrays["eigenvalues"]
        self.symmetry(group)
        return audit_flips(residual.norm(dim=0).tolist())

    def split(self, name: str) -> "LinkSplit":
        """One of train, valid, test."""
        return LinkSplit(self, name)


class LinkSplit(Split[LinkInputs]):
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
    def samples(self) -> Array:
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

    def batch(self, rows: Array, generator: torch.Generator | None = None) -> Batch[LinkInputs]:
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

    def loss(self, prediction: Tensor, batch: Batch[LinkInputs]) -> Tensor:
        """Binary cross-entropy of the logits."""
        return nn.functional.binary_cross_entropy_with_logits(prediction, batch.targets)

    def validation_loss(self, prediction: Tensor, batch: Batch[LinkInputs]) -> Tensor:
        """1 - AUC, so that the best AUC chooses the weights."""
        return torch.tensor(1 - auc(prediction, batch.targets))

    def scores(self, prediction: Tensor, batch: Batch[LinkInputs]) -> dict[str, Tensor]:
        """AUC of the model, and of knowing which copy each node is in; shape (sample,)."""
        copies = self.data.arrays["copy"][batch.inputs.pairs.cpu()]
        same = (copies[0] == copies[1]).float()
        return {
            "auc": torch.tensor([auc(prediction, batch.targets)]),
            "oracle_auc": torch.tensor([auc(same, batch.targets.cpu())]),
        }


def non_links(edges: Tensor, nodes: int, count: int, generator: torch.Generator) -> Tensor:
    """Uniform ordered pairs of different nodes that are no edges, shape (2, count).

    Raises:
        DataError: if all pairs are edges.

    """
    taken = (edges[0] * nodes + edges[1]).unique()
    loops = int((taken // nodes == taken % nodes).sum())
    if len(taken) - loops >= nodes * (nodes - 1):
        raise DataError(f"Every two of the {nodes} nodes have a link: no pair is without.")
    found = torch.empty(0, dtype=torch.long)
    while len(found) < count:
        drawn = torch.randint(nodes * nodes, (2 * count,), generator=generator)
        drawn = drawn[(drawn // nodes != drawn % nodes) & ~torch.isin(drawn, taken)]
        found = torch.cat([found, drawn])[:count]
    return torch.stack([found // nodes, found % nodes])

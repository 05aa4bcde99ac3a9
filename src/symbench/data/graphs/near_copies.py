"""Nearly symmetric graphs: two copies of a random graph, joined by a few random edges.

The protocol of the public code of arXiv 2312.02339: links are split at random, eigenvectors come
from the normalised Laplacian of the training links alone. A fresh graph for each trial, here from
an explicit seed.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from symbench.data.arrays import Array, write_arrays
from symbench.data.dataset import Dataset, Score, TaskOptions
from symbench.data.graphs.parameters import probability
from symbench.data.manifest import Manifest
from symbench.data.parameters import text, whole_number
from symbench.errors import ConfigError, choose
from symbench.symmetry.group_names import check_signs

if TYPE_CHECKING:
    from symbench.data.graphs.links import LinkData
    from symbench.data.raw_files import RawFiles

# The probability of an edge, and the edges of a new node: those of the paper.
PARAMETERS = {"erdos_renyi": 0.05, "barabasi_albert": 20}
# The Laplacian is singular at its eigenvalue zero; the shift keeps the solver away from it.
SHIFT = 1e-8


class NearCopies(Dataset):
    """Two copies of an Erdős–Rényi or Barabási–Albert graph; a seed is a trial of its own."""

    kind = "graphs"

    def __init__(
        self,
        *,
        graph: str,
        trials: int,
        nodes: int = 1000,
        parameter: float | None = None,
        copies: int = 2,
        extra_edges: int = 1000,
        eigenvectors: int = 16,
        seed: int = 0,
    ) -> None:
        """Set the size.

        Args:
            graph: "erdos_renyi" or "barabasi_albert".
            trials: number of graphs, one for each seed of the study.
            nodes: of one copy.
            parameter: edge probability (0.05), or edges of a new node (20).
            copies: number of copies.
            extra_edges: edges between random nodes of all copies; loops and repetitions happen.
            eigenvectors: number of eigenvectors, after the constant one.
            seed: seed of all graphs.

        Raises:
            ConfigError: for values that make no graph, or graphs too small for the eigenvectors.

        """
        self.graph = choose(text(graph, "graph of near_copies"), PARAMETERS, "graph of near_copies")
        self.trials = whole_number(trials, "trials of near_copies", 1)
        self.nodes = whole_number(nodes, "nodes of near_copies", 2)
        self.parameter = self._parameter(PARAMETERS[graph] if parameter is None else parameter)
        self.copies = whole_number(copies, "copies of near_copies", 1)
        self.extra_edges = whole_number(extra_edges, "extra_edges of near_copies", 0)
        self.eigenvectors = whole_number(eigenvectors, "eigenvectors of near_copies", 1)
        self.seed = whole_number(seed, "seed of near_copies", 0)
        # The constant eigenvector is left out, and the solver never finds the last one.
        if self.eigenvectors > (most := self.nodes * self.copies - 2):
            raise ConfigError(
                f"eigenvectors of near_copies is {eigenvectors}; graphs of {self.nodes * copies} "
                f"nodes have at most {most}."
            )

    def _parameter(self, value: float) -> float:
        key = "parameter of near_copies"
        if self.graph == "erdos_renyi":
            if (chance := probability(value, key)) == 0:
                raise ConfigError(f"{key} is {value!r}; without edges there are no links.")
            return chance
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        edges = whole_number(value, key, 1)
        if edges >= self.nodes:
            raise ConfigError(f"{key} is {edges}; give fewer edges than the {self.nodes} nodes.")
        return edges

    @property
    def scores(self) -> tuple[Score, ...]:
        """AUC of the model, and of knowing which copy each node is in."""
        return Score("auc", better="higher"), Score("oracle_auc", better="higher")

    def check_group(self, name: str) -> None:
        """Signs of the eigenvectors."""
        check_signs(name, self.eigenvectors)

    def check_seed(self, seed: int) -> None:
        """Each seed has a trial of its own."""
        if not 0 <= seed < self.trials:
            raise ConfigError(
                f"trials of near_copies is {self.trials}, which leaves none for seed {seed}; "
                "raise 'trials'."
            )

    def open(self, directory: Path, options: TaskOptions, seed: int) -> LinkData:
        """The trial of a seed."""
        from symbench.data.graphs.links import LinkData

        self.check_seed(seed)
        return LinkData(directory / f"trial{seed}.hdf5")

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Make one file for each trial."""
        from symbench.data.graphs.links import check_trial

        paths = []
        for number in range(self.trials):
            arrays = self.trial(number)
            check_trial(arrays, f"Trial {number} of near_copies")
            path = directory / f"trial{number}.hdf5"
            write_arrays(path, arrays)
            paths.append(path)
        return Manifest(
            source="generated by symbench with networkx, torch-geometric and scipy",
            licence="CC0-1.0",
            parameters=vars(self),
            files=tuple(paths),
        )

    def trial(self, number: int) -> dict[str, Array]:
        """Graph, split and eigenvectors of one trial."""
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        edges, copy = self.edges(seed)
        split = _split_links(edges, len(copy), seed)
        values, vectors = laplacian_eigenvectors(split["train_edges"], len(copy), self.eigenvectors)
        return {**split, "copy": copy, "eigenvalues": values, "eigenvectors": vectors}

    def edges(self, seed: int) -> tuple[Array, Array]:
        """Undirected edges in one direction, shape (2, edge), and the copy of each node."""
        import networkx as nx

        if self.graph == "erdos_renyi":
            original = nx.fast_gnp_random_graph(self.nodes, self.parameter, seed=seed)
        else:
            original = nx.barabasi_albert_graph(self.nodes, int(self.parameter), seed=seed)
        inside = np.array(original.edges, dtype=np.int64).reshape(-1, 2).T
        rng = np.random.default_rng(seed)
        extra = rng.integers(self.nodes * self.copies, size=(2, self.extra_edges))
        copies = [inside + self.nodes * copy for copy in range(self.copies)]
        edges = np.concatenate([*copies, extra], axis=1)
        edges = np.unique(np.sort(edges, axis=0), axis=1)
        return edges, np.repeat(np.arange(self.copies), self.nodes)


def _split_links(edges: Array, nodes: int, seed: int) -> dict[str, Array]:
    """Links for messages, and pairs with labels, by torch-geometric's `RandomLinkSplit`."""
    import torch
    from torch_geometric.data import Data
    from torch_geometric.transforms import RandomLinkSplit
    from torch_geometric.utils import to_undirected

    graph = Data(edge_index=to_undirected(torch.from_numpy(edges)), num_nodes=nodes)
    with torch.random.fork_rng(devices=[]):
        # The transform draws from all three global generators.
        states = random.getstate(), np.random.get_state()  # noqa: NPY002
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        train, valid, test = RandomLinkSplit(
            num_val=0.1, num_test=0.1, is_undirected=True, add_negative_train_samples=False
        )(graph)
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
    train_links = {tuple(pair) for pair in train.edge_index.T.tolist()}
    added = [pair for pair in test.edge_index.T.tolist() if tuple(pair) not in train_links]
    return {
        "train_edges": train.edge_index.numpy(),
        "valid_edges": np.array(added, dtype=np.int64).reshape(-1, 2).T,
        "valid_pairs": valid.edge_label_index.numpy(),
        "valid_labels": valid.edge_label.numpy(),
        "test_pairs": test.edge_label_index.numpy(),
        "test_labels": test.edge_label.numpy(),
    }


def laplacian_eigenvectors(edges: Array, nodes: int, count: int) -> tuple[Array, Array]:
    """Lowest eigenpairs of 1 - D^-1/2 A D^-1/2 after the first.

    Args:
        edges: both directions, shape (2, edge).
        nodes: number of nodes.
        count: number of eigenvectors.

    Returns:
        Eigenvalues, ascending, shape (column,), and unit eigenvectors, shape (node, column). Their
        signs are what the solver gives from a fixed start.

    """
    import scipy.sparse
    import scipy.sparse.linalg

    ones = np.ones(edges.shape[1])
    adjacency = scipy.sparse.csr_array((ones, (edges[0], edges[1])), shape=(nodes, nodes))
    adjacency.data[:] = 1.0
    scale = np.maximum(adjacency.sum(axis=1), 1) ** -0.5
    weight = scipy.sparse.diags_array(scale)
    laplacian = scipy.sparse.eye_array(nodes) - weight @ adjacency @ weight
    start = np.random.default_rng(0).normal(size=nodes)
    values, vectors = scipy.sparse.linalg.eigsh(
        laplacian.tocsc(), k=count + 1, sigma=SHIFT, which="LM", v0=start
    )
    order = np.argsort(values)[1:]
    return values[order], vectors[:, order]

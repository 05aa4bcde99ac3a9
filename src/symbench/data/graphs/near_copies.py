"""Nearly symmetric graphs: two copies of a random graph, joined by a few random edges.

The protocol of the public code of arXiv 2312.02339: links are split at random, eigenvectors come
from the normalised Laplacian of the training links alone. A fresh graph for each trial, here from
an explicit seed.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch

from symbench.data.arrays import Array, write_arrays, write_manifest
from symbench.errors import ConfigError

# The Laplacian is singular at its eigenvalue zero; the shift keeps the solver away from it.
SHIFT = 1e-8


class NearCopies:
    """Two copies of an Erdős–Rényi or Barabási–Albert graph."""

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
            ConfigError: if there is no such graph.

        """
        if graph not in ("erdos_renyi", "barabasi_albert"):
            raise ConfigError(f"graph '{graph}': allowed are erdos_renyi, barabasi_albert.")
        self.settings: dict[str, Any] = {
            "graph": graph,
            "trials": trials,
            "nodes": nodes,
            "parameter": parameter or {"erdos_renyi": 0.05, "barabasi_albert": 20}[graph],
            "copies": copies,
            "extra_edges": extra_edges,
            "eigenvectors": eigenvectors,
            "seed": seed,
        }

    def fetch(self, directory: Path) -> None:
        """Make one file for each trial, and the manifest."""
        directory.mkdir(parents=True, exist_ok=True)
        paths = []
        for trial in range(self.settings["trials"]):
            path = directory / f"trial{trial}.hdf5"
            write_arrays(path, self.trial(trial))
            paths.append(path)
        write_manifest(
            directory,
            self,
            data_format="links",
            tools="networkx, torch-geometric and scipy",
            parameters=self.settings,
            paths=paths,
        )

    def trial(self, number: int) -> Mapping[str, Array]:
        """Graph, split and eigenvectors of one trial."""
        seed = int(np.random.SeedSequence([self.settings["seed"], number]).generate_state(1)[0])
        edges, copy = self._edges(seed)
        split = _split_links(edges, len(copy), seed)
        values, vectors = laplacian_eigenvectors(
            split["train_edges"], len(copy), self.settings["eigenvectors"]
        )
        return {**split, "copy": copy, "eigenvalues": values, "eigenvectors": vectors}

    def _edges(self, seed: int) -> tuple[Array, Array]:
        """Undirected edges in one direction, shape (2, edge), and the copy of each node."""
        n, copies = self.settings["nodes"], self.settings["copies"]
        parameter = self.settings["parameter"]
        if self.settings["graph"] == "erdos_renyi":
            original = nx.fast_gnp_random_graph(n, parameter, seed=seed)
        else:
            original = nx.barabasi_albert_graph(n, int(parameter), seed=seed)
        inside = np.array(original.edges).T
        rng = np.random.default_rng(seed)
        extra = rng.integers(n * copies, size=(2, self.settings["extra_edges"]))
        edges = np.concatenate([*(inside + n * c for c in range(copies)), extra], axis=1)
        edges = np.unique(np.sort(edges, axis=0), axis=1)
        return edges, np.repeat(np.arange(copies), n)


def _split_links(edges: Array, nodes: int, seed: int) -> dict[str, Array]:
    """Links for messages, and pairs with labels, by torch-geometric's `RandomLinkSplit`."""
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
        "valid_edges": np.array(added).T.reshape(2, -1),
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

"""Graphs of points: sums over nodes, edges, and batches of samples of several sizes."""

import numpy as np
import torch

from symbench.data.points.graph_store import GraphStore
from symbench.data.points.point_graph import (
    complete_edges,
    count_at,
    mean_at,
    rotate_graph,
    sample_of_equal_rows,
    sum_at,
)
from symbench.symmetry.points.matrix_groups import OrthogonalGroup


def test_sums_and_means_at_places():
    values = torch.tensor([[1.0], [2.0], [5.0]])
    places = torch.tensor([2, 0, 2])
    assert sum_at(values, places, 4).flatten().tolist() == [2, 0, 6, 0]
    assert mean_at(values, places, count_at(places, 4)).flatten().tolist() == [2, 0, 3, 0]


def test_complete_edges_join_nodes_of_one_sample():
    edges = complete_edges(2, 3)
    assert edges.shape == (2, 12)
    found = {tuple(edge) for edge in edges.T.tolist()}
    assert found == {(a, b) for a in range(6) for b in range(6) if a != b and a // 3 == b // 3}


def test_samples_of_several_sizes_become_one_graph():
    sizes = np.array([2, 4, 3])
    positions = np.arange(27.0).reshape(9, 3)
    store = GraphStore({"positions": positions, "scalars": positions[:, :1], "nodes": sizes})
    graph = store.graph(np.array([2, 0]))
    assert graph.samples == 2
    assert graph.nodes.tolist() == [3, 2]
    assert graph.sample_of_node.tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_array_equal(graph.positions, positions[[6, 7, 8, 0, 1]])
    assert float(graph.velocities.abs().max()) == 0
    receivers, senders = graph.edges
    assert torch.equal(graph.sample_of_node[receivers], graph.sample_of_node[senders])
    assert graph.edges.shape == (2, 3 * 2 + 2)


def test_graphs_rotate_sample_by_sample():
    sizes = np.array([2, 4])
    positions = np.random.default_rng(0).normal(size=(6, 3))
    arrays = {"positions": positions, "velocities": -positions, "scalars": positions[:, :1]}
    graph = GraphStore({**arrays, "nodes": sizes}).graph(np.arange(2))
    elements = OrthogonalGroup(3).sample(2, torch.Generator().manual_seed(0)).float()
    moved = rotate_graph(elements, graph)
    for sample, rows in enumerate((slice(0, 2), slice(2, 6))):
        torch.testing.assert_close(
            moved.positions[rows], graph.positions[rows] @ elements[sample].T
        )
    torch.testing.assert_close(moved.velocities, -moved.positions)
    assert torch.equal(moved.scalars, graph.scalars)
    one = rotate_graph(elements[0], graph)
    torch.testing.assert_close(one.positions, graph.positions @ elements[0].T)


def test_rows_of_samples_of_one_size():
    assert sample_of_equal_rows(torch.zeros(6, 2), 3).tolist() == [0, 0, 0, 1, 1, 1]

"""What sign-equivariant and sign-invariant layers can and cannot do (arXiv 2312.02339)."""

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn

from symbench.data.graphs.adjacency import symmetric_adjacency
from symbench.models.graphs.graph_convolution import GraphConvolution, GraphNetwork, propagate
from symbench.models.sign_equivariant import ColumnLinear, SignDSS, SignGate, SignNet, SignProduct
from symbench.symmetry.points.actions import flip_columns
from symbench.symmetry.points.matrix_groups import SignGroup
from tests.here import here

K = 4


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def graph(nodes=12, seed=1):
    """A random graph: row-normalised and symmetric adjacency, eigenvectors of the Laplacian."""
    adjacency = nx.to_numpy_array(nx.erdos_renyi_graph(nodes, 0.5, seed=seed))
    return matrices(adjacency)


def matrices(adjacency):
    degree = adjacency.sum(axis=1)
    laplacian = np.diag(degree) - adjacency
    vectors = torch.from_numpy(np.linalg.eigh(laplacian)[1][:, 1 : K + 1].copy())
    looped = adjacency + np.eye(len(adjacency))
    scale = looped.sum(axis=1) ** -0.5
    symmetric = torch.from_numpy(scale[:, None] * looped * scale)
    return here(vectors), here(torch.from_numpy(adjacency / degree[:, None])), here(symmetric)


def signnet():
    return here(SignNet(GraphNetwork([1, 8, 3]), GraphNetwork([3 * K, 8, 5])).double())


def layers():
    """Sign-equivariant maps from (node, column) and a mean adjacency to (node, column)."""
    gate, dss = here(SignGate(K, 7).double()), here(SignDSS(K, 7).double())
    invariant = nn.Sequential(nn.Flatten(-2), nn.Linear(K, 9), nn.Tanh(), nn.Linear(9, K * 3))
    invariant = here(invariant.double())

    def inside(values):
        return invariant(values.abs()).unflatten(-1, (K, 3))

    product = here(SignProduct(K, 1, 1, 3, inside).double())
    return {
        "gate": lambda v, mean: gate(v),
        "dss": dss,
        "product": lambda v, mean: product(v[..., None])[..., 0],
        "stack": lambda v, mean: dss(gate(dss(v, mean)), mean),
    }


@pytest.mark.parametrize("name", ["gate", "dss", "product", "stack"])
def test_layers_are_equivariant_to_the_sign_of_each_column_alone(name):
    vectors, mean, _ = graph()
    layer = layers()[name]
    plain = layer(vectors, mean)
    for signs in SignGroup(K).listed():
        flipped = layer(flip_columns(signs, vectors), mean)
        torch.testing.assert_close(flipped, flip_columns(signs, plain), atol=1e-13, rtol=0)


@pytest.mark.parametrize("name", ["gate", "dss", "product", "stack"])
def test_layers_are_equivariant_to_the_order_of_nodes(name):
    vectors, mean, _ = graph()
    order = here(torch.randperm(len(vectors)))
    layer = layers()[name]
    moved = layer(vectors[order], mean[order][:, order])
    torch.testing.assert_close(moved, layer(vectors, mean)[order], atol=1e-13, rtol=0)


def test_signnet_is_invariant_to_the_sign_of_each_column_alone():
    vectors, _, adjacency = graph()
    network = signnet()
    plain = network(vectors, adjacency)
    for signs in SignGroup(K).listed():
        flipped = network(flip_columns(signs, vectors), adjacency)
        torch.testing.assert_close(flipped, plain, atol=1e-13, rtol=0)


def test_a_network_that_mixes_columns_before_symmetrising_is_not_signnet():
    """mu(kappa(x) + kappa(-x)) on rows is invariant to flipping all columns together only."""
    kappa = here(nn.Sequential(nn.Linear(K, 9), nn.Tanh(), nn.Linear(9, 5)).double())
    vectors, _, _ = graph()

    def wrong(values):
        return kappa(values) + kappa(-values)

    torch.testing.assert_close(wrong(-vectors), wrong(vectors))
    one = here(torch.ones(K, dtype=torch.float64))
    one[0] = -1
    assert float((wrong(vectors * one) - wrong(vectors)).detach().abs().max()) > 1e-3


def influence(function, vectors):
    """Largest derivative of each output column by each input column, shape (column, column)."""
    jacobian = torch.autograd.functional.jacobian(function, vectors)
    return jacobian.abs().amax(dim=(0, 2)).cpu()


def test_linear_layers_with_odd_nonlinearities_never_mix_columns():
    """The blueprint fails at any depth; gates and products do mix."""
    vectors, mean, _ = graph()
    blueprint = [here(ColumnLinear(K, 1, 6).double())]
    blueprint += [here(ColumnLinear(K, 6, 6).double()) for _ in range(5)]

    def deep(values):
        features = values[..., None]
        for layer in blueprint:
            features = torch.tanh(mean @ layer(features).flatten(1)).unflatten(1, (K, 6))
        return features.sum(dim=-1)

    off = ~torch.eye(K, dtype=torch.bool)
    assert float(influence(deep, vectors)[off].max()) == 0
    assert float(influence(deep, vectors)[~off].min()) > 0
    for name, layer in layers().items():
        mixed = influence(lambda v, layer=layer: layer(v, mean), vectors)
        assert float(mixed[off].min()) > 0, name


def test_product_form_fits_a_polynomial_that_the_blueprint_cannot():
    """p(v) = v ⊙ (product of the squares of the other entries), on single vectors."""
    values = here(torch.randn(400, K, dtype=torch.float64))
    squares = values.square().prod(dim=1, keepdim=True) / values.square()
    target = (values * squares).clamp(-3, 3)
    invariant = nn.Sequential(nn.Linear(K, 64), nn.Tanh(), nn.Linear(64, K))

    def magnitudes(features):
        return invariant(features[..., 0].abs())[..., None]

    product = SignProduct(K, 1, 1, 1, magnitudes)
    product.add_module("network", invariant)
    here(product.double())
    blueprint = nn.ModuleList([ColumnLinear(K, a, b) for a, b in ((1, 32), (32, 32), (32, 1))])
    here(blueprint.double())

    def odd(x):
        features = x[..., None]
        for number, layer in enumerate(blueprint):
            features = layer(torch.tanh(features) if number else features)
        return features[..., 0]

    errors = []
    for network, parameters in (
        (lambda x: product(x[..., None])[..., 0], product.parameters()),
        (odd, blueprint.parameters()),
    ):
        optimizer = torch.optim.Adam(parameters, lr=1e-2)
        for _ in range(400):
            loss = (network(values) - target).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        errors.append(float(loss / target.var()))
    assert errors[0] < 0.5 * errors[1]
    assert errors[1] > 0.5


def test_automorphic_nodes():
    """Invariance gives them equal features; equivariance only flips signs.

    A path has a mirror symmetry and simple eigenvalues: node i and its mirror image.
    """
    adjacency = nx.to_numpy_array(nx.path_graph(9))
    vectors, mean, symmetric = matrices(adjacency)
    mirrored = here(torch.arange(8, -1, -1))
    invariant = signnet()(vectors, symmetric)
    torch.testing.assert_close(invariant[mirrored], invariant, atol=1e-12, rtol=0)
    equivariant = layers()["stack"](vectors, mean)
    torch.testing.assert_close(equivariant[mirrored].abs(), equivariant.abs(), atol=1e-11, rtol=0)
    assert float((equivariant[mirrored] - equivariant).abs().max()) > 0.1
    # So the scores of both with a third node differ for one and agree for the other.
    assert torch.allclose(invariant[0] @ invariant[2], invariant[8] @ invariant[2])
    assert not torch.allclose(equivariant[0] @ equivariant[2], equivariant[8] @ equivariant[2])


def test_gate_and_dss_are_those_of_the_public_code():
    """x + d x sigmoid(M |x|), and 2x + a + the two gated terms."""
    vectors, mean, _ = graph()
    layer = here(SignDSS(K, 7).double())
    with torch.no_grad():
        layer.own.diagonal.copy_(torch.randn(K))
        layer.neighbours.diagonal.copy_(torch.randn(K))
    around = mean @ vectors

    def gated(gate, x):
        return gate.diagonal * x * torch.sigmoid(gate.gate(x.abs()))

    expected = 2 * vectors + around + gated(layer.own, vectors) + gated(layer.neighbours, around)
    torch.testing.assert_close(layer(vectors, mean), expected)


def test_graph_convolution_is_that_of_torch_geometric():
    from torch_geometric.nn import GCNConv

    edges = torch.tensor(list(nx.erdos_renyi_graph(30, 0.3, seed=0).edges)).T
    edges = torch.cat([edges, edges.flip(0)], dim=1)
    adjacency = here(symmetric_adjacency(edges, 30))
    for sizes in ((3, 8), (8, 3)):
        theirs, ours = here(GCNConv(*sizes)), here(GraphConvolution(*sizes))
        with torch.no_grad():
            ours.weight.copy_(theirs.lin.weight.T)
            theirs.bias.copy_(torch.randn(sizes[1]))
            ours.bias.copy_(theirs.bias)
        values = here(torch.randn(30, sizes[0]))
        torch.testing.assert_close(ours(values, adjacency), theirs(values, here(edges)))
        columns = here(torch.randn(30, 5, sizes[0]))
        stacked = torch.stack([ours(c, adjacency) for c in columns.unbind(1)], dim=1)
        torch.testing.assert_close(ours(columns, adjacency), stacked)


def test_propagation_over_batches_of_dense_graphs():
    adjacency, values = here(torch.rand(3, 7, 7)), here(torch.randn(3, 7, 4, 2))
    expected = torch.einsum("bij,bjkf->bikf", adjacency, values)
    torch.testing.assert_close(propagate(adjacency, values), expected)

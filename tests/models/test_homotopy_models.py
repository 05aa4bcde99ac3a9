"""Models with homotopy layers: exact where γ = 0, free elsewhere, as large as published."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from e3nn.o3 import FullyConnectedTensorProduct, Irreps
from torch import nn

from symbench.data.points.graph_store import GraphStore
from symbench.data.points.point_graph import rotate_graph
from symbench.models.fields.group_convolution import GroupConvolutions
from symbench.models.homotopy import parameters_in_use, project, relaxations
from symbench.models.molecules.potentials import (
    egnn_potential,
    egnn_property,
    schnet_potential,
    schnet_property,
)
from symbench.models.molecules.schnet import SchNet
from symbench.models.molecules.segnn_potential import segnn_potential
from symbench.models.molecules.segnn_property import SEGNNProperty
from symbench.models.points.egnn import EGNN
from symbench.models.points.egno import EGNO
from symbench.models.points.segnn import SEGNNParticles, balanced_irreps
from symbench.models.points.steerable import SteerableLinear, blocks, shapes
from symbench.models.points.vector_neurons import VectorNeuronClassifier
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import Normalizer
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.grids.symmetrize import field_symmetry
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from tests.here import here

SIZES = (4, 6, 5)


def graph(edge_scalars=1, node_scalars=3, seed=0):
    """Three samples of different sizes, with random edges and features."""
    rng = np.random.default_rng(seed)
    edges = [np.argwhere(~np.eye(n, dtype=bool)) for n in SIZES]
    arrays = {
        "positions": rng.normal(size=(sum(SIZES), 3)),
        "velocities": rng.normal(size=(sum(SIZES), 3)),
        "scalars": rng.normal(size=(sum(SIZES), node_scalars)),
        "edges": np.concatenate(edges),
        "edge_scalars": rng.normal(size=(sum(map(len, edges)), edge_scalars)),
        "nodes": np.array(SIZES),
        "edge_counts": np.array([len(part) for part in edges]),
    }
    made = GraphStore(arrays).graph(np.arange(len(SIZES)))
    double = {
        key: getattr(made, key).double()
        for key in ("positions", "velocities", "scalars", "edge_scalars")
    }
    return here(replace(made, **double))


def rotate_positions(element, outputs, of_node):
    return rotate(element, outputs, of_node)


def rotate_forces(element, outputs, of_node):
    return torch.cat([outputs[:, :1], rotate(element, outputs[:, 1:], of_node)], dim=1)


def leave(element, outputs, of_node):
    return outputs


POTENTIAL = {"node_scalars": 3, "edge_scalars": 1, "energy_scale": 1.0}
PROPERTY = {"node_scalars": 3, "edge_scalars": 1, "target_mean": 0.5, "target_scale": 2.0}
MODELS = {
    "egnn": (partial(EGNN, 3, 8, 2, free=True), rotate_positions),
    "segnn": (partial(SEGNNParticles, 3, hidden=8, layers=2), rotate_positions),
    "segnn_degree_2": (
        partial(SEGNNParticles, 3, hidden=8, layers=2, largest_degree=2),
        rotate_positions,
    ),
    "egno": (partial(EGNO, 3, 1, 4, hidden=8, layers=2), rotate_positions),
    "schnet_potential": (partial(schnet_potential, **POTENTIAL, hidden=8, layers=2), rotate_forces),
    "egnn_potential": (partial(egnn_potential, **POTENTIAL, hidden=8, layers=2), rotate_forces),
    "segnn_potential": (partial(segnn_potential, **POTENTIAL, hidden=8, layers=2), rotate_forces),
    "schnet_property": (partial(schnet_property, **PROPERTY, hidden=8, layers=2), leave),
    "egnn_property": (partial(egnn_property, **PROPERTY, hidden=8, layers=2), leave),
    "segnn_property": (
        partial(SEGNNProperty, **PROPERTY, hidden=8, layers=2, radius=1.5),
        leave,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_exact_equivariance_without_the_free_branches_and_none_with_them(name):
    build, on_output = MODELS[name]
    torch.manual_seed(0)
    model = here(build().double().eval())
    inputs = graph()
    elements = OrthogonalGroup(3).sample(len(SIZES), torch.Generator().manual_seed(1))

    def error():
        with torch.no_grad():
            moved = model(rotate_graph(elements, inputs))
            expected = on_output(elements, model(inputs), inputs.sample_of_node)
        return float((moved - expected).abs().max() / expected.abs().max())

    assert error() > 1e-6
    project(model)
    assert error() < 1e-10


@pytest.mark.parametrize("name", MODELS)
def test_every_free_branch_matters_and_counts(name):
    model = here(MODELS[name][0]().double())
    layers = relaxations(model)
    assert layers
    model.train()
    output = model(graph())
    output.square().sum().backward()
    # Features of the last layer go nowhere, as in the public code of EGNO and EGNN.
    last = {"egnn": "free.1.features", "egno": "features.1"}.get(name)
    used = [layer for key, layer in layers.items() if key != last]
    assert all(layer.gamma.grad is not None and layer.gamma.grad != 0 for layer in used)
    everything = parameters_in_use(model)
    project(model)
    assert parameters_in_use(model.eval()) < everything


@pytest.mark.parametrize("name", ["schnet_potential", "egnn_potential", "segnn_potential"])
def test_forces_are_minus_the_gradient_of_the_energy(name):
    torch.manual_seed(0)
    model = here(MODELS[name][0]().double().eval())
    inputs = graph()

    def energies(positions):
        with torch.no_grad():
            shares = model(replace(inputs, positions=positions))[:, 0]
        return torch.stack([part.sum() for part in shares.split(SIZES)])

    with torch.no_grad():
        forces = model(inputs)[:, 1:]
    step = 1e-5
    for node, axis in ((0, 0), (5, 2), (12, 1)):
        moved = inputs.positions.clone()
        moved[node, axis] += step
        up = energies(moved)
        moved[node, axis] -= 2 * step
        slope = (up - energies(moved)).sum() / (2 * step)
        assert float(forces[node, axis]) == pytest.approx(-float(slope), abs=1e-6)


@pytest.mark.parametrize("degree", [1, 2])
def test_steerable_products_are_those_of_e3nn(degree):
    attributes = Irreps.spherical_harmonics(degree)
    some = (Irreps.spherical_harmonics(degree) * 3).sort().irreps.simplify()
    twice, out = some + some, Irreps("4x0e") + some[1:]
    ours = here(SteerableLinear(twice, out, attributes).double())
    theirs = FullyConnectedTensorProduct(twice, attributes, out, path_normalization="none")
    theirs = here(theirs.double())

    def in_their_layout(values, irreps):
        return torch.cat(
            [b.transpose(1, 2).flatten(1) for b in blocks(values, shapes(irreps))], dim=1
        )

    with torch.no_grad():
        for _, path, weight in theirs.weight_views(yield_instruction=True):
            name = f"{twice[path.i_in1].ir}_{attributes[path.i_in2].ir}_{path.i_out}"
            half = 0 if path.i_in1 < len(some) else 1
            weight.copy_(ours.weights[name].chunk(2)[half][:, None])
        ours.bias.zero_()
        values = here(torch.randn(7, twice.dim, dtype=torch.float64))
        seen = here(torch.randn(7, attributes.dim, dtype=torch.float64))
        expected = theirs(in_their_layout(values, twice), seen)
        actual = in_their_layout(ours(values, seen), out)
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-6)
    assert sum(w.numel() for w in ours.weights.values()) == theirs.weight_numel


def test_schnet_is_the_one_of_pyg():
    """Same numbers of parameters, and the same output for the same weights."""
    from torch_geometric.nn.models import SchNet as Reference

    torch.manual_seed(0)
    inputs = graph(node_scalars=4)
    species = here(torch.tensor([1, 2, 3, 0] * 4)[: len(inputs.positions)])
    inputs = replace(inputs, scalars=nn.functional.one_hot(species, 4).double())
    receivers, senders = inputs.edges
    length = (inputs.positions[receivers] - inputs.positions[senders]).norm(dim=1)
    theirs = Reference(
        hidden_channels=16,
        num_filters=12,
        num_interactions=3,
        num_gaussians=20,
        cutoff=5.0,
        # PyG: senders first.
        interaction_graph=lambda positions, batch: (inputs.edges.flip(0), length),
    )
    theirs = here(theirs.double())
    ours = SchNet(4, 0, hidden=16, filters=12, layers=3, gaussians=20, cutoff=5.0, free=False)
    ours = here(ours.double().eval())
    for begun, other in ((ours.decode[0], theirs.lin1), (ours.decode[2], theirs.lin2)):
        bound = (6 / (begun.in_features + begun.out_features)) ** 0.5
        for layer in (begun, other):
            assert bool((layer.weight.abs() <= bound).all())
            assert float(layer.weight.detach().abs().max()) > 0.7 * bound
            assert not layer.bias.any()
    with torch.no_grad():
        ours.embed.weight.copy_(theirs.embedding.weight[:4].T)
        for mine, other in zip(ours.layers, theirs.interactions, strict=True):
            pairs = [
                (mine.filter[0], other.mlp[0]),
                (mine.filter[2], other.mlp[2]),
                (mine.into, other.conv.lin1),
                (mine.out[0], other.conv.lin2),
                (mine.out[2], other.lin),
            ]
            for target, source in pairs:
                target.load_state_dict(source.state_dict())
        ours.decode[0].load_state_dict(theirs.lin1.state_dict())
        ours.decode[2].load_state_dict(theirs.lin2.state_dict())
        expected = theirs(species, inputs.positions, inputs.sample_of_node)
        values = ours(inputs)
        actual = torch.stack([part.sum(dim=0) for part in values.split(SIZES)])
    # PyG shares its first rows: species 0 is padding there, and zero.
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-8)
    rest = sum(p.numel() for p in theirs.parameters()) - theirs.embedding.weight.numel()
    assert sum(p.numel() for p in ours.parameters()) == rest + 4 * 16


def test_parameter_counts_follow_the_published_sizes():
    """Counted by hand from the layers that the public code names."""
    n = balanced_irreps(64, Irreps("0e+1o"), 1)[0].mul
    assert n == 32  # 4 n² paths' weights are 64²
    gate = 2 * n  # scalars and gates
    message = (2 * n + 2 + 2 * n) * (gate + n) + gate + 2 * n * (gate + n) + gate
    update = 4 * n * (gate + n) + gate + 4 * n * n + n
    embed = 3 * 2 * n + n
    head = 2 * n * (gate + n) + gate + 2 * n
    strict = embed + 4 * (message + update) + head
    dim = 4 * n
    first = 2 * dim * 2 * dim + 2 * dim + 2 * dim * dim + dim + dim * dim + dim
    second = dim * 2 * dim + 2 * dim + 2 * dim * dim + dim + dim * dim + dim
    model = SEGNNParticles(3).eval()
    assert parameters_in_use(model) == strict + 4 * (first + second + 2)
    assert len(relaxations(model)) == 8
    project(model)
    assert parameters_in_use(model) == strict
    shapes = VectorNeuronClassifier(40, free=False)
    assert parameters_in_use(shapes) == 2_899_830
    assert len(relaxations(VectorNeuronClassifier(40, width=6))) == 14
    h, seen = 128, 1 + 1 + 32
    layer = (2 * h + 3) * h + h + h * h + h + 2 * (h * h + h + h + 1) + 2 * h * h + h + h * h + h
    motion = seen * h + h + 6 * (layer + 2 * 2 * h * h + 2 * 2 * 2 * 2)
    assert parameters_in_use(EGNO(1, 1, 5, free=False)) == motion
    assert len(relaxations(EGNO(1, 1, 5, hidden=8))) == 12


def test_points_of_shapes_may_be_rotated_and_reflected():
    torch.manual_seed(0)
    model = here(VectorNeuronClassifier(4, width=9, neighbours=5).double())
    points = here(torch.randn(6, 20, 3, dtype=torch.float64))
    model.train()
    model(points)
    model.eval()
    elements = OrthogonalGroup(3).sample(6, torch.Generator().manual_seed(0))
    with torch.no_grad():
        change = (model(rotate(elements, points)) - model(points)).abs().max()
        assert float(change) > 1e-6
        project(model)
        change = (model(rotate(elements, points)) - model(points)).abs().max()
    assert float(change) < 1e-10


@pytest.mark.parametrize(("group", "dimension"), [("D4", 2), ("C4", 2), ("flips", 2), ("O_h", 3)])
def test_group_convolutions_in_physical_units(group, dimension):
    """Components with means and scales of their own: exact all the same."""
    torch.manual_seed(0)
    fields = [Field("pressure"), Field("velocity", 1), Field("vorticity", 0, -1)]
    channels = 2 + dimension
    normalizer = Normalizer(
        tuple(0.3 * k for k in range(channels)), tuple(1 + 0.5 * k for k in range(channels))
    )
    symmetry = field_symmetry(named_group(group, dimension), fields, normalizer=normalizer)
    model = GroupConvolutions(
        symmetry, 2 * channels, channels, dimension, (8,) * dimension, width=1, layers=1, size=3
    )
    model = here(model.double().eval())
    values = here(torch.randn(2, 2 * channels, *[8] * dimension, dtype=torch.float64))

    def worst():
        with torch.no_grad():
            output = model(values)
            return max(
                float(
                    (model(symmetry.act_on_input(g, values)) - symmetry.act_on_output(g, output))
                    .abs()
                    .max()
                )
                for g in range(symmetry.group.order)
            )

    assert worst() > 1e-3
    project(model)
    assert worst() < 1e-5


@pytest.mark.parametrize("group", ["D4", "flips"])
def test_group_convolutions_from_one_field_to_another_within_a_boundary(group):
    """Exact, and by the zeros beyond the edges they know where the boundary is."""
    symmetry = field_symmetry(
        named_group(group, 2),
        [Field("coefficient")],
        output_fields=[Field("pressure"), Field("velocity", 1)],
        normalizer=Normalizer((0.5,), (2.0,)),
        output_normalizer=Normalizer((0.3, 0.1, -0.2), (1.0, 0.5, 2.0)),
    )
    for periodic in (False, True):
        torch.manual_seed(0)
        model = GroupConvolutions(
            symmetry, 1, 3, 2, (7, 7), width=1, layers=1, size=3, periodic=periodic
        )
        project(here(model.double().eval()))
        with torch.no_grad():
            values = here(torch.randn(2, 1, 7, 7, dtype=torch.float64))
            output = model(values)
            assert output.shape == (2, 3, 7, 7)
            for g in range(symmetry.group.order):
                moved = model(symmetry.act_on_input(g, values))
                torch.testing.assert_close(moved, symmetry.act_on_output(g, output))
            of_constant = model(torch.ones_like(values))[:, 0]
        assert (float(of_constant.std()) > 1e-3) != periodic

"""`symmetrize_points` as users of trained models use it: what is right, what is refused."""

import copy
import io
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch
from e3nn import o3
from torch_geometric.data import Batch, Data, HeteroData

from symbench import Field, Role, symmetrize, symmetrize_points
from symbench.errors import SymmetryError
from symbench.symmetry.testing import assert_equivariant, equivariance_error
from tests.here import here

close = torch.testing.assert_close
PER_NODE = {"positions": Role("position", nodes=1), "charges": Role("scalar", nodes=1)}


def tried(name, outcome):
    return pytest.mark.tried("symmetrize", name, outcome)


def normal(*shape, seed=0, dtype=torch.float64):
    return here(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype))


class Perceptron(torch.nn.Module):
    """A network without symmetry: (sample, node, axis) and (sample, node) to vectors of nodes."""

    def __init__(self, nodes=4, axes=3):
        super().__init__()
        torch.manual_seed(0)
        self.shape = (nodes, axes)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(nodes * (axes + 1), 16),
            torch.nn.Tanh(),
            torch.nn.Linear(16, nodes * axes),
        )

    def forward(self, positions, charges):
        given = torch.cat([positions.flatten(1), charges], dim=1)
        return self.layers(given).unflatten(1, self.shape)


def perceptron(nodes=4, axes=3):
    return here(Perceptron(nodes, axes).double().eval())


def cloud(nodes=4, axes=3, seed=0):
    return normal(2, nodes, axes, seed=seed), normal(2, nodes, seed=seed + 1)


ROLES = {"positions": "position", "charges": "scalar"}


@pytest.mark.parametrize("group", ["C5_x", "D3h", "T_d", "O_h", "I", "flips", "inversion"])
def test_averages_over_finite_groups_are_exactly_equivariant(group):
    network = perceptron()
    averaged = symmetrize_points(network, group, ROLES, "vector")
    assert equivariance_error(network, averaged.symmetry, cloud()) > 0.1
    assert_equivariant(averaged, averaged.symmetry, cloud(), elements=6)


@pytest.mark.parametrize("group", ["C5", "D5", "flip_y"])
def test_averages_in_the_plane(group):
    network = perceptron(axes=2)
    averaged = symmetrize_points(network, group, ROLES, "vector", dimension=2)
    assert_equivariant(averaged, averaged.symmetry, cloud(axes=2))


def test_every_role_has_its_action():
    """A network that gives one output of every role, from inputs of every role."""
    torch.manual_seed(0)
    layer = here(torch.nn.Linear(3 + 3 + 3 + 9 + 1 + 1, 20).double())

    def network(x, v, w, t, s, p):
        parts = [x, v, w, t.flatten(-2), s[:, None], p[:, None]]
        x, v, w, t, s, p = torch.tanh(layer(torch.cat(parts, dim=1))).split([3, 3, 3, 9, 1, 1], 1)
        return {"x": x, "v": v, "w": w, "t": t.unflatten(1, (3, 3)), "s": s, "p": p, "free": 1}

    kinds = ["position", "vector", "axial", "tensor", "scalar", "pseudoscalar"]
    roles = dict(zip("xvwtsp", kinds, strict=True))
    averaged = symmetrize_points(network, "T_h", roles, roles)
    values = (*(normal(2, 3, seed=i) for i in range(3)), normal(2, 3, 3), normal(2), normal(2))
    assert_equivariant(averaged, averaged.symmetry, values, elements=6)
    outputs = averaged(*values)
    assert list(outputs) == list("xvwtsp")
    # Under an inversion vectors and pseudoscalars change their sign, and nothing else.
    x, v, w, t, s, p = values
    moved = averaged(-x, -v, w, t, s, -p)
    for name, sign in zip("xvwtsp", (-1, -1, 1, 1, 1, -1), strict=True):
        close(moved[name], sign * outputs[name])
        assert float(outputs[name].detach().abs().max()) > 1e-6


def test_quadratures_are_exact_for_polynomial_networks_and_converge_for_others():
    weights = normal(3, 3, 3)

    def quadratic(points):
        return torch.einsum("abc,...b,...c->...a", weights, points, points)

    points, elements = normal(5, 3), 8
    # A vector that is quadratic in points is of degree 3 in the entries of rotations.
    for degree, exact in ((2, False), (3, True), (6, True)):
        averaged = symmetrize_points(quadratic, "SO(3)", "vector", "vector", degree=degree)
        error = equivariance_error(averaged, averaged.symmetry, points, elements)
        size = float(quadratic(points).norm())
        assert (error * float(averaged(points).norm()) / size < 1e-13) == exact
    network = perceptron()
    errors = []
    for degree in (1, 3, 5, 6):
        averaged = symmetrize_points(network, "O(3)", ROLES, "vector", degree=degree)
        errors.append(equivariance_error(averaged, averaged.symmetry, cloud(), elements=3))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.05 * errors[0]


def test_equal_angles_converge_on_rotations_of_the_plane():
    network = perceptron(axes=2)
    averaged = symmetrize_points(network, "O(2)", ROLES, "vector", degree=24)
    assert_equivariant(averaged, averaged.symmetry, cloud(axes=2), 1e-6, elements=5)


@pytest.fixture
def in_double_precision():
    """Constants of e3nn are made in the default precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("in_double_precision")
def test_equivariant_networks_of_e3nn_are_left_as_they_are():
    torch.manual_seed(0)
    product = o3.FullyConnectedTensorProduct("1o + 1e", "1x0e + 1x1o + 1x2e", "1x1o + 1x0o")
    here(product).requires_grad_(False)

    def network(x, w):
        vectors = torch.cat([x, w], dim=-1)
        harmonics = o3.spherical_harmonics([0, 1, 2], x, normalize=False)
        return product(vectors, harmonics).split([3, 1], dim=-1)

    roles = {"x": "vector", "w": "axial"}
    averaged = symmetrize_points(network, "O(3)", roles, ["vector", "pseudoscalar"], degree=3)
    values = normal(5, 3), normal(5, 3, seed=1)
    for found, expected in zip(averaged(*values), network(*values), strict=True):
        assert float(expected.abs().max()) > 0.01
        close(found, expected, rtol=1e-12, atol=1e-12)
    for moments in averaged.moments(*values):
        assert float(moments.variance.max()) < 1e-24


def test_moments_split_the_error_over_the_orbit():
    """Mean error over the orbit = error of the mean + variance (P4), for weights too."""
    network, target = perceptron(), normal(2, 4, 3, seed=5)
    for options in ({"group": "O"}, {"group": "SO(3)", "degree": 7}):
        averaged = symmetrize_points(network, inputs=ROLES, outputs="vector", **options)
        moments = averaged.moments(*cloud())
        close(moments.mean, averaged(*cloud()))
        errors = [
            weight * (network(cloud()[0] @ g.mT, cloud()[1]) @ g - target).square()
            for weight, g in zip(averaged.rule.weights, matrices_of(averaged), strict=True)
        ]
        close(sum(errors), (moments.mean - target).square() + moments.variance)


def matrices_of(averaged):
    group, elements = averaged.group, averaged.rule.elements
    return [here(group.elements[g].tensor if isinstance(g, int) else g) for g in elements]


def test_variances_of_complex_predictions_are_real():
    """That of i a·x over all rotations is |a|² |x|² / 3."""
    values, along = normal(4, 3), normal(3, seed=1)
    averaged = symmetrize_points(lambda x: 1j * (x @ along), "O", "vector", "scalar")
    close(averaged.moments(values).variance, along @ along * values.square().sum(dim=1) / 3)


def test_centred_models_are_equivariant_under_translations():
    network = perceptron()
    outputs = ["position", "vector"]
    averaged = symmetrize_points(
        lambda positions, charges: (network(positions, charges),) * 2,
        "C4",
        ROLES,
        outputs,
        centred=True,
    )
    positions, charges = cloud()
    shift = normal(2, 1, 3, seed=9)
    moved, plain = averaged(positions + shift, charges), averaged(positions, charges)
    close(moved[0], plain[0] + shift)
    close(moved[1], plain[1])
    assert_equivariant(averaged, averaged.symmetry, cloud())


def test_random_elements_cost_one_pass_repeat_and_are_right_in_the_mean():
    network, calls = perceptron(), []
    network.register_forward_hook(lambda *_: calls.append(None))
    options = {"inputs": ROLES, "outputs": "vector", "elements": "random"}
    averaged = symmetrize_points(network, "O_h", **options, seed=3)
    again = symmetrize_points(network, "O_h", **options, seed=3)
    with torch.no_grad():
        found = [averaged(*cloud()) for _ in range(400)]
        assert len(calls) == 400
        assert all(torch.equal(each, again(*cloud())) for each in found[:5])
        assert not torch.equal(found[0], found[1])
        exact = symmetrize_points(network, "O_h", ROLES, "vector").moments(*cloud())
    error = torch.stack(found).mean(dim=0) - exact.mean
    assert float((error.square() / exact.variance).mean()) < 3 / 400


def test_a_number_of_random_elements_repeats():
    options = {"inputs": ROLES, "outputs": "vector", "elements": 4}
    first, same, other = (
        symmetrize_points(perceptron(), "SO(3)", seed=seed, **options) for seed in (0, 0, 1)
    )
    assert torch.equal(first(*cloud()), same(*cloud()))
    assert not torch.equal(first(*cloud()), other(*cloud()))


class Energy(torch.nn.Module):
    """Energies and forces of graphs by autograd, without symmetry, from PyG's `Data`."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.edge = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh())
        self.node = torch.nn.Sequential(
            torch.nn.Linear(9, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)
        )

    def forward(self, data):
        with torch.enable_grad():
            positions = data.pos.detach().requires_grad_()
            kind = data.z.double()[:, None]
            first, second = data.edge_index
            messages = self.edge(
                torch.cat([positions[first] - 0.5 * positions[second], kind[first]], dim=1)
            )
            sums = messages.new_zeros(len(kind), 8).index_add(0, second, messages)
            energies = self.node(torch.cat([sums, kind], dim=1))[:, 0]
            batch = torch.zeros_like(data.z) if data.batch is None else data.batch
            energy = energies.new_zeros(int(batch.max()) + 1).index_add(0, batch, energies)
            (gradient,) = torch.autograd.grad(energy.sum(), positions)
        return {"energy": energy, "forces": -gradient}


def molecule(nodes, seed=0):
    edges = (1 - torch.eye(nodes)).nonzero().T
    kinds = torch.arange(nodes) % 3 + 1
    return here(Data(z=kinds, pos=normal(nodes, 3, seed=seed), edge_index=edges))


MOLECULE = {"energy": "scalar", "forces": "vector"}


@tried("PyG's Data and Batch, energies and forces", "right")
def test_graphs_of_pyg():
    network = here(Energy().double().eval())
    averaged = symmetrize_points(network, "T_h", {"pos": "position"}, MOLECULE, centred=True)
    molecules = [molecule(4), molecule(3, seed=1)]
    batch = Batch.from_data_list(molecules)
    before = batch.pos.clone()
    found = averaged(batch)
    assert torch.equal(batch.pos, before)
    for i, alone in enumerate(molecules):
        close(found["energy"][i : i + 1], averaged(alone)["energy"])
        close(found["forces"][batch.batch == i], averaged(alone)["forces"])
    assert_equivariant(averaged, averaged.symmetry, batch, elements=[5, 17])
    assert equivariance_error(network, averaged.symmetry, batch, [5, 17]) > 0.01
    moved = batch.clone()
    moved.pos = moved.pos + normal(2, 3)[batch.batch]
    for name in MOLECULE:
        close(averaged(moved)[name], found[name])


def test_mean_forces_are_minus_the_gradient_of_the_mean_energy():
    network = here(Energy().double().eval())
    averaged = symmetrize_points(network, "SO(3)", {"pos": "position"}, MOLECULE, degree=4)
    plain, step, energies = molecule(4), 1e-5, []
    for sign in (1, -1):
        moved = plain.clone()
        moved.pos[1, 2] += sign * step
        energies.append(averaged(moved)["energy"][0])
    force = -(energies[0] - energies[1]) / (2 * step)
    close(force, averaged(plain)["forces"][1, 2], rtol=1e-7, atol=1e-9)


def edges_first(positions, charges, edges):
    """A function of nodes by their number: not equivariant under their permutations."""
    sums = torch.zeros_like(positions).index_add(1, edges[1], positions[:, edges[0]])
    numbers = torch.arange(1.0, 1 + positions.shape[1]).to(positions)[:, None]
    return torch.tanh(positions * numbers + sums * charges[..., None]), sums.sum(dim=(1, 2))


@tried("all permutations of nodes with edges; permutations and rotations", "right")
def test_permutations_of_nodes():
    roles = {**PER_NODE, "edges": "edges"}
    outputs = [Role("vector", nodes=1), "scalar"]
    averaged = symmetrize_points(edges_first, "S_4", roles, outputs)
    values = (*cloud(), here(torch.tensor([[0, 1, 2], [1, 2, 3]])))
    assert equivariance_error(edges_first, averaged.symmetry, values) > 0.1
    assert_equivariant(averaged, averaged.symmetry, values)
    both = symmetrize_points(
        averaged, "C4", {**roles, "positions": "position"}, ["vector", "scalar"]
    )
    assert_equivariant(both, averaged.symmetry, values, elements=[3, 20])
    assert_equivariant(both, both.symmetry, values)


@tried("random permutations of the nodes of graphs of several sizes", "right")
def test_random_permutations_keep_nodes_in_their_samples():
    batch = Batch.from_data_list([molecule(4), molecule(2, seed=1)])
    node = {"pos": Role("position", nodes=0), "z": Role("scalar", nodes=0)}

    def equivariant(data):
        first, second = data.edge_index
        pulls = data.pos[first] * data.z[first, None]
        means = data.pos.new_zeros(data.num_graphs, 3).index_add(0, data.batch, data.pos)
        return torch.zeros_like(data.pos).index_add(0, second, pulls), means

    outputs = [Role("vector", nodes=0), "vector"]
    averaged = symmetrize_points(equivariant, "S_n", node, outputs, elements=5)
    for found, expected in zip(averaged(batch), equivariant(batch), strict=True):
        close(found, expected)

    def by_number(data):
        return data.pos * here(torch.arange(len(data.pos)))[:, None]

    mean = symmetrize_points(by_number, "S_n", node, Role("vector", nodes=0), elements=400)(batch)
    # In the mean a node has the mean number of its sample.
    numbers = here(torch.tensor([1.5] * 4 + [4.5] * 2, dtype=torch.float64))[:, None]
    close(mean / batch.pos, numbers.expand(6, 3), rtol=0.15, atol=0)


@tried("dictionaries of tensors, keywords, an argument that no element changes", "right")
def test_ways_to_call():
    network = perceptron()
    expected = symmetrize_points(network, "O_h", ROLES, "vector")(*cloud())
    positions, charges = cloud()
    averaged = symmetrize_points(network, "O_h", ROLES, "vector")
    assert torch.equal(averaged(charges=charges, positions=positions), expected)
    assert torch.equal(averaged(positions, charges=charges), expected)

    def of_dictionary(values, time=0.0, names=None):
        return network(values["positions"], values["charges"]) * (1 + time)

    averaged = symmetrize_points(of_dictionary, "O_h", ROLES, "vector")
    values = {"positions": positions, "charges": charges, "kind": here(torch.tensor([[1, 2, 3]]))}
    assert torch.equal(averaged(values), expected)
    close(averaged(values, 1.0, names=["a"]), 2 * expected)
    close(averaged(values, time=torch.tensor(1.0)), 2 * expected)
    assert torch.equal(values["positions"], positions)


@tried("points: compiled and parallel models, roles in another order than arguments", "right")
def test_names_of_arguments_of_wrapped_models(device):
    network = perceptron()
    expected = symmetrize_points(network, "T", ROLES, "vector")(*cloud())
    inputs = dict(reversed(ROLES.items()))
    cards = None if device.type == "cpu" else [device]
    for wrapped in (
        network,
        torch.nn.DataParallel(network, cards),
        torch.compile(network, backend="eager"),
    ):
        averaged = symmetrize_points(wrapped.eval(), "T", inputs, "vector")
        close(averaged(*cloud()), expected)


@tried("points: state dicts of the plain model, copies and saved wholes", "right")
def test_weights_and_copies():
    averaged = symmetrize_points(perceptron(), "C4", ROLES, "vector", elements="random")
    torch.manual_seed(1)
    other = here(torch.nn.init.normal_(torch.empty(16, 16, dtype=torch.float64)))
    weights = {**perceptron().state_dict(), "layers.0.weight": other}
    averaged.load_state_dict(weights)
    assert torch.equal(averaged.model.layers[0].weight, other)
    saved = io.BytesIO()
    torch.save(averaged, saved)
    saved.seek(0)
    copies = copy.deepcopy(averaged), torch.load(saved, weights_only=False)
    expected = averaged(*cloud())
    assert all(torch.equal(each(*cloud()), expected) for each in copies)
    assert "C4" in repr(averaged)
    assert "random" in repr(averaged)


@tried("points in single and half precision", "right")
def test_precisions():
    averaged = symmetrize_points(perceptron(), "T", ROLES, "vector")
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        values = tuple(part.to(dtype) for part in cloud())
        assert averaged.to(dtype)(*values).dtype == dtype
        assert_equivariant(averaged, averaged.symmetry, values)


@tried("points under autocast", "right")
@pytest.mark.parametrize("role", ["position", "vector", "axial", "tensor"])
def test_actions_are_not_rounded_by_autocast(role):
    values = 20 + normal(*(2, 5, 3, 3)[: 4 if role == "tensor" else 3], dtype=torch.float32)
    averaged = symmetrize_points(lambda x: x * x.square().mean(), "I", role, role)
    expected = averaged(values)
    with torch.autocast(values.device.type, torch.bfloat16):
        close(averaged(values), expected)


@tried("points: a model that gives its own buffer, a model that gives no numbers", "right")
def test_buffers_and_nan():
    ones = here(torch.ones(2, 3))
    averaged = symmetrize_points(lambda x: ones, "C4", "vector", "scalar")
    assert torch.equal(averaged(normal(2, 3)), torch.ones_like(ones))
    assert torch.equal(averaged.moments(normal(2, 3)).variance, torch.zeros_like(ones))
    assert torch.equal(ones, torch.ones_like(ones))
    calls = []

    def once_not_finite(x):
        calls.append(None)
        return x / 0 * 0 if len(calls) == 3 else x

    averaged = symmetrize_points(once_not_finite, "C4", "vector", "vector")
    assert not averaged(normal(2, 3)).isfinite().any()
    calls.clear()
    with pytest.raises(AssertionError, match="error nan"):
        assert_equivariant(once_not_finite, averaged.symmetry, normal(2, 3), 1.0)


@tried("points: a model in train mode", "warned")
def test_train_mode():
    with pytest.warns(UserWarning, match="train mode"):
        averaged = symmetrize_points(here(Perceptron().double()), "C4", ROLES, "vector")
    with pytest.warns(UserWarning, match="train mode"):
        averaged(*cloud())


@tried("points: roles, groups and models that do not fit", "refused")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": {"positions": "place"}}, "Unknown role 'place'; allowed"),
        ({"inputs": {"positions": "vectr"}}, "Did you mean 'vector'"),
        ({"inputs": {"positions": 1}}, "1 is no role"),
        ({"outputs": {}}, "outputs is empty"),
        ({"outputs": None}, "None is no role"),
        ({"outputs": {"forces": None}}, "None is no role"),
        ({"inputs": {"cell": "tensor"}}, "'cell' has the role 'tensor'.*write 'vector'"),
        ({"model": lambda box: box, "inputs": "tensor"}, "'box' has the role 'tensor'"),
        ({"model": Perceptron}, "not a class"),
        ({"group": "O(3)"}, "degree=5"),
        ({"group": "D4h", "dimension": 2}, "No group 'D4h'"),
    ],
)
def test_refused_at_once(options, message):
    given = {"model": perceptron(), "group": "C4", "inputs": ROLES, "outputs": "vector"}
    with pytest.raises(SymmetryError, match=message):
        symmetrize_points(**given | options)


@tried(
    "points: tensors without a role, of other shapes, of whole numbers; unknown names", "refused"
)
@pytest.mark.parametrize(
    ("options", "values", "message"),
    [
        ({"inputs": {"positions": "position"}}, cloud, "'charges', a tensor of shape"),
        ({"inputs": {"charges": "scalar"}}, cloud, "'positions', a tensor of shape"),
        ({"inputs": ROLES | {"charge": "scalar"}}, cloud, "'charge' has a role.*'charges'"),
        ({}, lambda: cloud(axes=2), "no position in 3 dimensions.*`dimension=`"),
        ({}, lambda: (cloud()[0].long(), cloud()[1]), "cannot be rotated"),
        ({}, lambda: (cloud()[0].cpu().numpy(), cloud()[1]), "is a ndarray"),
        ({"inputs": {"positions": "tensor", "charges": "scalar"}}, cloud, "no tensor in 3"),
        ({"inputs": {"positions": "scalar", "charges": "scalar"}}, cloud, "none of the inputs"),
        ({"outputs": "tensor"}, cloud, "'output' of shape"),
        ({"outputs": {"forces": "vector"}}, cloud, "gives no 'forces'"),
        ({"outputs": ["vector", "vector"]}, cloud, "2 roles, and the model gives one"),
        (
            {"inputs": {"positions": "vector", "charges": "scalar"}, "centred": True},
            cloud,
            "needs",
        ),
        ({"group": "S_4"}, cloud, "moves none of the inputs"),
        ({"inputs": {**ROLES, "charges": "samples"}}, cloud, "samples are whole numbers"),
        (
            {"group": "S_4", "inputs": PER_NODE, "outputs": Role("vector", nodes=0)},
            cloud,
            "An axis of 2 nodes is none of the inputs' 4",
        ),
        ({"group": "S_3", "inputs": PER_NODE}, cloud, "orders 3 nodes, and there are 4"),
        (
            {"inputs": {"positions": Role("position", nodes=5), "charges": "scalar"}},
            cloud,
            "axis 5",
        ),
        (
            {"group": "S_3", "inputs": {**PER_NODE, "positions": Role("position", nodes=2)}},
            cloud,
            "Axis 2 of 'positions'.*one of space",
        ),
        (
            {"group": "S_4", "inputs": {**PER_NODE, "charges": Role("scalar", nodes=(1, -1))}},
            cloud,
            "name an axis of 'charges'.*twice",
        ),
        (
            {"inputs": {**ROLES, "positions": Role("position", nodes=(0, 1))}, "centred": True},
            cloud,
            "along one axis of nodes",
        ),
    ],
)
def test_refused_in_the_first_call(options, values, message):
    given = {"model": perceptron(), "group": "C4", "inputs": ROLES, "outputs": "vector"}
    with pytest.raises(SymmetryError, match=message):
        symmetrize_points(**given | options)(*values())


@tried("points given to symmetrize, fields given to symmetrize_points", "refused")
def test_fields_and_points_are_told_apart():
    with pytest.raises(SymmetryError, match="symmetrize_points averages"):
        symmetrize(perceptron(), "O(3)", ROLES)
    with pytest.raises(SymmetryError, match="is no role: write 'vector'"):
        symmetrize_points(perceptron(), "C4", [Field("pressure")], "vector")


@tried("graphs: attributes without a role or of another name, graphs of many kinds", "refused")
def test_refused_graphs():
    network = here(Energy().double().eval())
    data = molecule(3)
    data.x = normal(3, 5)
    averaged = symmetrize_points(network, "C4", {"pos": "position"}, MOLECULE)
    with pytest.raises(SymmetryError, match=r"'x', a tensor of shape \(3, 5\), has no role"):
        averaged(data)
    wrong = symmetrize_points(network, "C4", {"poss": "position", "pos": "vector"}, MOLECULE)
    with pytest.raises(SymmetryError, match="Did you mean 'pos'"):
        wrong(molecule(3))
    permuted = symmetrize_points(network, "S_3", {"pos": Role("vector", nodes=0)}, MOLECULE)
    with pytest.raises(SymmetryError, match="'z', a tensor"):
        permuted(molecule(3))
    with pytest.raises(SymmetryError, match="HeteroData"):
        averaged(HeteroData())


@tried("points: axial vectors of the plane", "refused")
def test_axial_vectors_of_the_plane():
    averaged = symmetrize_points(lambda x: x, "C4", "axial", "axial", dimension=2)
    with pytest.raises(SymmetryError, match="pseudoscalar"):
        averaged(normal(2, 2))


@tried("points: arrays of nodes whose role does not say so, under permutations", "warned")
def test_axes_of_nodes_that_are_not_named():
    network = perceptron()
    inputs = {**PER_NODE, "charges": "scalar"}
    averaged = symmetrize_points(network, "S_4", inputs, Role("vector", nodes=1))
    with pytest.warns(UserWarning, match="'charges' of shape"):
        averaged(*cloud())
    averaged = symmetrize_points(network, "S_4", PER_NODE, "vector")
    with pytest.warns(UserWarning, match="'output' of shape"):
        averaged(*cloud())


@tried("points: pairs of nodes, such as adjacency, under permutations", "right")
def test_pairs_of_nodes():
    def equivariant(x, pairs):
        return torch.tanh(pairs @ x), x @ x.mT * pairs

    node, pair = Role("scalar", nodes=1), Role("scalar", nodes=(1, -1))
    values = normal(2, 4, 3), normal(2, 4, 4, seed=1)
    for group, elements in (("S_4", "all"), ("S_n", 5)):
        averaged = symmetrize_points(
            equivariant, group, {"x": node, "pairs": pair}, (node, pair), elements=elements
        )
        for found, expected in zip(averaged(*values), equivariant(*values), strict=True):
            close(found, expected)
        assert_equivariant(equivariant, averaged.symmetry, values, elements=3)


@tried("assert_equivariant: permutations within each of several graphs", "right")
@pytest.mark.parametrize(("group", "sizes"), [("S_n", (3, 5)), ("S_4", (4, 4))])
def test_checks_of_batches_of_graphs(group, sizes):
    def equivariant(data):
        sums = data.x.new_zeros(data.num_graphs, 1).index_add(0, data.batch, data.x)
        return data.x * sums[data.batch]

    node = Role("scalar", nodes=0)
    graphs = [Data(x=normal(size, 1, seed=size + i)) for i, size in enumerate(sizes)]
    batch = here(Batch.from_data_list(graphs))
    averaged = symmetrize_points(equivariant, group, {"x": node}, node, elements=4)
    assert_equivariant(equivariant, averaged.symmetry, batch, elements=np.int64(3))
    numbers = here(torch.arange(8.0))[:, None]
    assert equivariance_error(lambda data: data.x * numbers, averaged.symmetry, batch, 3) > 0.1


@dataclass(frozen=True, slots=True)
class Slots:
    energy: object
    forces: object
    more: object = None


@dataclass
class Dataclass:
    energy: object
    forces: object
    more: object = None


class Named(NamedTuple):
    energy: object
    forces: object
    more: object = None


@tried("points: models that give a dataclass or a named tuple", "right")
@pytest.mark.parametrize("made", [Slots, Dataclass, Named])
def test_outputs_of_dataclasses_and_named_tuples(made):
    def network(pos):
        return made(pos[..., 0].square().sum(dim=1), torch.tanh(pos), "free")

    expected = symmetrize_points(lambda pos: network(pos).forces, "O", "vector", "vector")
    averaged = symmetrize_points(network, "O", "vector", MOLECULE)
    found, moments = averaged(cloud()[0]), averaged.moments(cloud()[0])
    assert type(found) is type(moments) is made
    assert found.more is None
    close(found.forces, expected(cloud()[0]))
    close(moments.energy.mean, found.energy)
    assert_equivariant(averaged, averaged.symmetry, cloud()[0])
    wrong = symmetrize_points(network, "O", "vector", {"force": "vector"})
    with pytest.raises(SymmetryError, match="gives no 'force' but energy, forces, more"):
        wrong(cloud()[0])


def test_outputs_of_named_tuples_in_order():
    def network(pos):
        return Named(pos.square().sum(dim=(1, 2)), pos, pos)

    found = symmetrize_points(network, "O", "vector", ("scalar", "vector", "vector"))(cloud()[0])
    close(found.forces, cloud()[0])


@tried("points: a periodic cell, whose rows are lattice vectors", "right")
def test_cells_turn_as_vectors():
    def energy(pos, cell):
        between = pos[:, :, None] - pos[:, None]
        parts = torch.linalg.solve(cell.mT[:, None, None], between[..., None])[..., 0]
        nearest = torch.einsum("bijk,bkl->bijl", parts - parts.round(), cell)
        return torch.exp(-nearest.square().sum(dim=-1)).sum(dim=(1, 2))

    pos, cell = normal(2, 5, 3), normal(2, 3, 3) + 4 * here(torch.eye(3, dtype=torch.float64))
    roles = {"pos": "position", "cell": "vector"}
    averaged = symmetrize_points(energy, "SO(3)", roles, "scalar", degree=3)
    close(averaged(pos, cell), energy(pos, cell))


@tried("points: pairs of nodes of which one axis is named", "warned")
def test_pairs_of_nodes_with_one_axis_named():
    node, values = Role("scalar", nodes=1), (normal(2, 4, 3), normal(2, 4, 4))
    averaged = symmetrize_points(
        lambda x, pairs: pairs @ x, "S_4", {"x": node, "pairs": node}, node
    )
    with pytest.warns(UserWarning, match=r"'pairs' of shape \(2, 4, 4\).*nodes=\(1, 2\)"):
        averaged(*values)
    averaged = symmetrize_points(lambda x: x @ x.mT, "S_4", {"x": node}, node)
    with pytest.warns(UserWarning, match="'output' of shape"):
        averaged(values[0])


@tried("points: a model that changes its inputs in place", "right")
def test_models_that_change_their_inputs():
    def centred_first(positions, charges):
        charges -= charges.mean(dim=1, keepdim=True)
        charges *= 2
        return torch.tanh(positions[..., :2].sum(dim=-1) + charges)

    positions, charges = cloud()
    averaged = symmetrize_points(centred_first, "O", ROLES, "scalar")
    prediction = averaged(positions, charges)
    assert torch.equal(charges, cloud()[1])
    pure = symmetrize_points(
        lambda positions, charges: centred_first(positions, charges.clone()), "O", ROLES, "scalar"
    )
    close(prediction, pure(positions, charges))


@tried("points: models of TorchScript, with roles in another order than arguments", "right")
@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_names_of_arguments_of_torchscript():
    network = perceptron()
    expected = symmetrize_points(network, "T", ROLES, "vector")(*cloud())
    inputs = dict(reversed(ROLES.items()))
    for made in (torch.jit.script(network), torch.jit.trace(network, cloud())):
        close(symmetrize_points(made, "T", inputs, "vector")(*cloud()), expected)


@tried("points: the variance over one random element in each call", "refused")
def test_no_variance_of_one_random_element():
    averaged = symmetrize_points(perceptron(), "O", ROLES, "vector", elements="random")
    with pytest.raises(SymmetryError, match="no variance"):
        averaged.moments(*cloud())


@tried("points: axes of nodes that are no whole number, kinds that are no text", "refused")
@pytest.mark.parametrize(
    "given",
    [
        ("vector", 1.0),
        ("vector", True),
        ("vector", "1"),
        ("scalar", ()),
        ("scalar", (1, 1.5)),
        (["vector"],),
    ],
)
def test_refused_roles(given):
    with pytest.raises(SymmetryError, match=r"no axis|Unknown role"):
        Role(*given)


@tried("graphs: samples and edges that do not fit the nodes, padded edges", "refused")
@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("batch", torch.tensor([0, 0, 1]), "'positions' has 5 nodes"),
        ("batch", torch.tensor([0, 0, 1, -1, 0]), "counted from 0"),
        ("batch", torch.zeros(5, 1, dtype=torch.long), "are no list of the sample"),
        ("batch", torch.zeros(5, dtype=torch.bool), "are whole numbers"),
        ("batch", torch.zeros(3, dtype=torch.long), "lie along axis 1"),
        ("edge_index", torch.tensor([[0, -1], [1, -1]]), "counted from 0"),
        ("edge_index", torch.tensor([[0, 7], [1, 2]]), "none of the 5 nodes"),
    ],
)
def test_refused_samples_and_edges(name, values, message):
    of_nodes = Role("position", nodes=1 if "axis 1" in message else 0)
    group, options = ("O", {"centred": True}) if name == "batch" else ("S_n", {"elements": 3})
    shape = (3, 5, 3) if of_nodes.nodes else (5, 3)

    def model(positions, batch=None, edge_index=None):
        return positions

    averaged = symmetrize_points(model, group, {"positions": of_nodes}, of_nodes, **options)
    with pytest.raises(SymmetryError, match=message):
        averaged(normal(*shape), **{name: here(values)})
    if values.dtype != torch.bool:
        # Rotations alone do not ask for them.
        turned = symmetrize_points(model, "O", "position", "position")
        close(turned(normal(*shape), **{name: here(values)}), normal(*shape))


@tried("points: the sample of each node without a role, where centroids are taken", "refused")
def test_samples_of_other_names():
    def energy(pos, idx_m):
        return pos.new_zeros(int(idx_m.max()) + 1).index_add(0, idx_m, pos.square().sum(dim=-1))

    pos, idx_m = 10 + normal(7, 3), here(torch.tensor([0, 0, 0, 1, 1, 1, 1]))
    averaged = symmetrize_points(energy, "O", {"pos": "position"}, "scalar", centred=True)
    with pytest.raises(SymmetryError, match="'idx_m' may be the sample of each of the 7 nodes"):
        averaged(pos, idx_m)
    roles = {"pos": "position", "idx_m": "samples"}
    told = symmetrize_points(energy, "O", roles, "scalar", centred=True)
    for i, alone in enumerate((pos[:3], pos[3:])):
        one = here(torch.zeros(len(alone), dtype=torch.long))
        close(told(pos, idx_m)[i : i + 1], averaged(alone, one))


@tried("graphs in half precision, samples and edges of short whole numbers", "right")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_centroids_in_half_precision(dtype):
    positions = (40 + normal(5000, 3)).to(dtype)
    seen = []

    def model(positions, batch):
        seen.append(positions)
        return positions

    centred = symmetrize_points(model, "trivial", "position", "position", centred=True)
    centred(positions, here(torch.zeros(5000, dtype=torch.uint8)))
    assert float(seen[0].float().mean(dim=0).abs().max()) < 0.2


def test_edges_keep_their_type():
    edges = here(torch.tensor([[0, 1, 2], [1, 2, 3]], dtype=torch.int32))

    def model(positions, edge_index):
        assert edge_index.dtype == torch.int32
        first, second = edge_index
        return (positions[first.long()] * positions[second.long()] ** 2).sum()

    positions = normal(4, 3)
    permuted = symmetrize_points(model, "S_4", Role("vector", nodes=0), "scalar")
    close(permuted(positions, edges), model(positions, edges))

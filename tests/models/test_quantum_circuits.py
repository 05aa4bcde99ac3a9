"""Quantum circuits: exactly the invariance that each claims, forces, noise, parameters."""

import numpy as np
import pennylane as qml
import pytest
import torch
from scipy.linalg import expm
from scipy.spatial.transform import Rotation
from torch import nn

from symbench.data.molecules.molecule import AMMONIA, LITHIUM_HYDRIDE, Molecule
from symbench.data.points.point_graph import PointGraph, complete_edges
from symbench.errors import ConfigError
from symbench.evaluation.circuits import expressibility, gradient_variance
from symbench.models.measured import exactly
from symbench.models.molecules.distances import length
from symbench.models.molecules.gates import (
    PAULI,
    Exchange,
    SpinRotation,
    exchange_operator,
    singlet,
)
from symbench.models.molecules.potentials import Potential, schnet_potential
from symbench.models.molecules.quantum_circuits import (
    GraphCircuit,
    PlainCircuit,
    QuantumPotential,
    RotationCircuit,
    RotationPermutationCircuit,
)
from tests.here import here

KINDS = {
    "plain": PlainCircuit,
    "rotation": RotationCircuit,
    "rotation_permutation": RotationPermutationCircuit,
    "graph": GraphCircuit,
}
MOLECULES = {"LiH": LITHIUM_HYDRIDE, "NH3": AMMONIA}
ROTATIONS = ("rotation", "rotation_permutation", "graph")
EXCHANGES = ("rotation_permutation", "graph")


def circuit(name, molecule=AMMONIA, **settings):
    """In double precision, far from the identity."""
    torch.manual_seed(0)
    found = KINDS[name](molecule, **{"blocks": 2, **settings}).double()
    for value in found.parameters():
        value.data.add_(0.5 * torch.randn_like(value))
    return here(found)


def molecules(count=5, atoms=4, seed=0):
    return here(torch.from_numpy(np.random.default_rng(seed).normal(size=(count, atoms, 3))))


def turn_of(seed):
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    return here(torch.from_numpy(turn))


def graph_of(positions):
    samples, atoms, _ = positions.shape
    flat = positions.reshape(-1, 3)
    edges = complete_edges(samples, atoms)
    graph = PointGraph(
        positions=flat,
        velocities=torch.zeros_like(flat),
        scalars=flat.new_ones(len(flat), 1),
        edges=edges,
        edge_scalars=flat.new_zeros(edges.shape[1], 0),
        sample_of_node=torch.arange(samples).repeat_interleave(atoms),
        nodes=torch.full((samples,), atoms),
    )
    return here(graph)


@pytest.mark.parametrize("wires", [2, 3])
def test_exchange_is_the_exponential_of_the_sum(wires):
    weight = here(torch.tensor(0.7, dtype=torch.float64))
    found = Exchange(weight, wires=range(wires)).matrix().cpu()
    np.testing.assert_allclose(found, expm(-0.7j * exchange_operator(wires)), atol=1e-12)


def test_gates_of_pairs_do_not_commute_so_that_their_product_has_an_order():
    """Why exchange among three spins is one gate."""
    pairs = []
    for i, j in ((0, 1), (1, 2)):
        operator = sum(qml.matrix(p(i) @ p(j), wire_order=range(3)) for p in (qml.X, qml.Y, qml.Z))
        pairs.append(expm(-0.4j * operator))
    assert np.abs(pairs[0] @ pairs[1] - pairs[1] @ pairs[0]).max() > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_rotating_the_vector_rotates_the_gate(seed):
    """U(R v) = V U(v) V^-1, and U is the exponential."""
    rotation = Rotation.random(rng=np.random.default_rng(seed))
    spin = expm(-0.5j * np.einsum("a,aij->ij", rotation.as_rotvec(), PAULI))
    vector = np.random.default_rng(seed + 100).normal(size=3)
    gate, turned = (
        SpinRotation.compute_matrix(here(torch.from_numpy(v))).cpu().numpy()
        for v in (vector, rotation.apply(vector))
    )
    np.testing.assert_allclose(turned, spin @ gate @ spin.conj().T, atol=1e-12)
    np.testing.assert_allclose(
        gate, expm(-0.5j * np.einsum("a,aij->ij", vector, PAULI)), atol=1e-12
    )
    still = SpinRotation.compute_matrix(here(torch.zeros(2, 3, dtype=torch.float64)))
    np.testing.assert_allclose(still.cpu(), np.broadcast_to(np.eye(2), (2, 2, 2)), atol=1e-11)


def test_singlets_do_not_turn():
    @qml.qnode(qml.device("default.qubit", wires=2))
    def state():
        singlet(0, 1)
        return qml.state()

    found = state()
    np.testing.assert_allclose(np.abs(found), [0, 0.5**0.5, 0.5**0.5, 0], atol=1e-12)
    spin = expm(-0.5j * np.einsum("a,aij->ij", [0.3, -1.0, 0.5], PAULI))
    np.testing.assert_allclose(np.kron(spin, spin) @ found, found, atol=1e-12)


@pytest.mark.parametrize("molecule", MOLECULES)
@pytest.mark.parametrize("name", KINDS)
def test_invariant_under_rotations_or_not(name, molecule):
    network = circuit(name, MOLECULES[molecule])
    positions = molecules(atoms=network.atoms)
    energies = network.energies(positions)
    for seed in range(3):
        turned = network.energies(positions @ turn_of(seed).T)
        error = float((turned - energies).abs().max().detach())
        assert error < 1e-10 if name in ROTATIONS else error > 1e-3


@pytest.mark.parametrize("name", KINDS)
def test_invariant_under_exchanges_of_hydrogens_or_not(name):
    network = circuit(name)
    positions = molecules()
    energies = network.energies(positions)
    for order in here(torch.tensor(AMMONIA.automorphisms[1:])):
        moved = network.energies(positions[:, order])
        error = float((moved - energies).abs().max().detach())
        assert error < 1e-10 if name in EXCHANGES else error > 1e-3


@pytest.mark.parametrize("name", KINDS)
def test_moving_the_molecule_changes_nothing(name):
    network = circuit(name)
    positions = molecules()
    moved = network.energies(positions + here(torch.tensor([1.0, -2.0, 0.5])))
    torch.testing.assert_close(moved, network.energies(positions), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", KINDS)
def test_forces_are_minus_the_gradient_and_turn_as_vectors(name):
    network = circuit(name)
    potential = here(QuantumPotential(network, energy_scale=2.0, energy_shift=-1.0).eval())
    positions = molecules(2)
    rows = potential(graph_of(positions)).reshape(2, 4, 4)

    def energy(at):
        return -1 + 2 * network.energies(at).detach()

    torch.testing.assert_close(rows[:, :, 0].sum(dim=1), energy(positions), rtol=0, atol=1e-10)
    step = 1e-4
    for atom in range(4):
        for axis in range(3):
            moved = torch.zeros_like(positions)
            moved[:, atom, axis] = step
            slope = (energy(positions + moved) - energy(positions - moved)) / (2 * step)
            torch.testing.assert_close(rows[:, atom, 1 + axis], -slope, rtol=0, atol=1e-6)
    if name in ROTATIONS:
        turn = turn_of(1)
        turned = potential(graph_of(positions @ turn.T)).reshape(2, 4, 4)
        torch.testing.assert_close(turned[:, :, 1:], rows[:, :, 1:] @ turn.T, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", KINDS)
def test_a_batch_is_its_molecules_one_by_one(name):
    network = circuit(name)
    positions = molecules(3)
    alone = torch.cat([network.energies(positions[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(network.energies(positions), alone, rtol=0, atol=1e-12)


def test_parameters():
    """6 blocks on NH3: like numbers with and without rotations, fewer where atoms share."""
    counts = {
        name: sum(value.numel() for value in KINDS[name](AMMONIA).parameters()) for name in KINDS
    }
    # Angles, scales of the encoding, and the affine readout.
    assert counts == {
        "plain": 6 * 12 + 6 + 7,
        "rotation": 6 * 9 + 6 * 3 + 10,
        "rotation_permutation": 6 * 3 + 6 + 4,
        "graph": 6 * 4 + 2 * (6 * 2) + 2 * 12 + 5,
    }
    assert {KINDS[name](AMMONIA).wires for name in KINDS if name != "graph"} == {6}
    assert GraphCircuit(AMMONIA).wires == 4


def test_all_parameters_matter():
    for name in KINDS:
        network = circuit(name)
        network.energies(molecules()).square().sum().backward()
        for key, value in network.named_parameters():
            assert float(value.grad.abs().max()) > 1e-9, (name, key)


def test_first_phase_leaves_forces_out():
    potential = here(QuantumPotential(circuit("graph"), 1.0).train())
    graph = graph_of(molecules(2))
    with_forces = potential(graph)
    potential.first_phase = True
    rows = potential(graph)
    torch.testing.assert_close(rows[:, 0], with_forces[:, 0])
    assert not rows[:, 1:].any()
    assert with_forces[:, 1:].any()
    # Validation sees forces in both phases.
    torch.testing.assert_close(potential.eval()(graph), with_forces)


def coincident(precision):
    """Two molecules; in the second two hydrogens meet, and the third meets the heavy atom."""
    positions = molecules(2).to(precision)
    positions[1, 2] = positions[1, 1]
    positions[1, 3] = positions[1, 0]
    return positions


def networks_of(precision):
    torch.manual_seed(0)
    yield from (here(QuantumPotential(circuit(name).to(precision), 1.0)) for name in KINDS)
    schnet = schnet_potential(node_scalars=1, edge_scalars=0, energy_scale=1.0, hidden=8)
    yield here(schnet.to(precision))


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_atoms_at_one_place_have_finite_forces(precision):
    """And finite gradients of a loss on forces: the square root has no derivative at zero."""
    for potential in networks_of(precision):
        rows = potential.train()(graph_of(coincident(precision)))
        assert torch.isfinite(rows).all()
        rows.square().sum().backward()
        gradients = [value.grad for value in potential.parameters() if value.grad is not None]
        assert gradients
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        assert torch.isfinite(potential.eval()(graph_of(coincident(precision)))).all()


def test_lengths_are_those_of_the_vectors():
    vectors = here(torch.from_numpy(np.random.default_rng(0).normal(size=(50, 3))))
    for each in (vectors, vectors.float()):
        assert torch.equal(length(each), each.square().sum(dim=1, keepdim=True).sqrt())
    assert float(length(here(torch.zeros(3)))) == pytest.approx(1e-6)


def test_constants_of_gates_follow_their_input():
    """A device without numbers stands for a GPU."""
    vector = torch.zeros(2, 3, dtype=torch.float64, device="meta")
    assert SpinRotation.compute_matrix(vector).device == vector.device
    weight = torch.zeros((), dtype=torch.float64, device="meta")
    assert Exchange(weight, wires=[0, 1]).matrix().device == weight.device


def test_depolarising_noise_is_invariant_too_and_full_noise_leaves_nothing():
    positions = molecules(2)
    quiet = circuit("rotation_permutation", blocks=1)
    noisy = circuit("rotation_permutation", blocks=1, depolarising=0.1)
    energies = noisy.energies(positions)
    assert float((energies - quiet.energies(positions)).abs().max().detach()) > 1e-3
    turned = noisy.energies(positions @ turn_of(0).T)
    torch.testing.assert_close(turned, energies, rtol=0, atol=1e-10)
    # With probability 3/4 a qubit is fully mixed: every traceless observable vanishes.
    mixed = circuit("plain", blocks=1, depolarising=0.75)
    torch.testing.assert_close(
        mixed.energies(positions), mixed.readout.bias.expand(2), rtol=0, atol=1e-10
    )


def test_shots_scatter_about_the_exact_value():
    positions = molecules(2)
    network = circuit("plain", blocks=1, shots=4000)
    exact, measured = network.energies(positions), network.energies(positions, sampled=True)
    spread = float(network.readout.weight.detach().abs().sum()) / 4000**0.5
    difference = float((measured - exact).abs().max().detach())
    assert 0 < difference < 5 * spread
    potential = here(QuantumPotential(network, 1.0).eval())
    sampled = potential(graph_of(positions))
    forces = super(QuantumPotential, potential).forward(graph_of(positions))[:, 1:]
    # Two noisy energies over twice the step.
    assert float((sampled[:, 1:] - forces).abs().max()) < 5 * spread / (2**0.5 * potential.step)
    assert isinstance(potential, Potential)


def test_shots_choose_no_weights_and_are_drawn_by_the_seed():
    """Validation is exact, so that what is kept, and what is resumed, does not hang on noise."""
    graph = graph_of(molecules(2))
    potential = here(QuantumPotential(circuit("plain", blocks=1, shots=50), 1.0).eval())
    exact = super(QuantumPotential, potential).forward(graph)
    with exactly(nn.Sequential(potential)):
        torch.testing.assert_close(potential(graph), exact)
    assert not torch.equal(potential(graph), exact)
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        again = PlainCircuit(AMMONIA, blocks=1, shots=50).double()
        again.load_state_dict(potential.atoms.state_dict())
        drawn.append(here(QuantumPotential(again, 1.0).eval())(graph))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"blocks": 0}, "at least one block"),
        ({"depolarising": 1.5}, "a probability"),
        ({"shots": 0}, "positive number of shots"),
        ({"molecule": Molecule(("C", "H", "F"), ((0, 1), (0, 2)))}, "must be equal"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        PlainCircuit(**{"molecule": AMMONIA, **settings})


def test_plain_gradients_vanish_with_qubits_faster_than_those_of_the_graph():
    plain = [gradient_variance(PlainCircuit, active, 4) for active in (1, 3)]
    graph = [gradient_variance(GraphCircuit, active, 4) for active in (1, 3)]
    assert plain[1] < plain[0] / 3
    assert graph[1] / graph[0] > plain[1] / plain[0]


def test_expressibility_is_small_for_random_states_and_large_for_one_state():
    plain = expressibility(PlainCircuit, 1, 2)
    symmetric = expressibility(RotationCircuit, 1, 2)
    assert 0 < plain < symmetric

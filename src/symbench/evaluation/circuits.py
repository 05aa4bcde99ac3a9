"""What random circuits do: how their gradients vanish with qubits, and which states they reach."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pennylane as qml
import torch
from torch import nn

from symbench.config import registry
from symbench.config.study import Study
from symbench.data.molecules.molecule import AMMONIA, Molecule
from symbench.models.molecules.circuit import Circuit
from symbench.models.molecules.quantum_circuits import BLOCKS, QuantumPotential

# Distances of the active atoms of random molecules from the heavy one, Å.
_DISTANCES = (0.5, 1.5)
_BINS = 50
# Active atoms, and draws of angles, of the table of statistics.
_ACTIVE = (1, 2, 3, 4)
_GRADIENT_DRAWS = 5
_STATE_DRAWS = 2


def star(active: int) -> Molecule:
    """A heavy atom with so many equal active ones."""
    bonds = tuple((0, atom + 1) for atom in range(active))
    return Molecule(("X", *["H"] * active), bonds)


def random_molecules(count: int, active: int, generator: torch.Generator) -> torch.Tensor:
    """Positions of atoms in random directions, Å, shape (sample, atom, axis)."""
    directions = torch.randn(count, active + 1, 3, generator=generator)
    directions[:, 0] = 0
    low, high = _DISTANCES
    lengths = low + (high - low) * torch.rand(count, active + 1, 1, generator=generator)
    return lengths * directions / directions.norm(dim=2, keepdim=True).clamp(min=1e-6)


def _build(build: Callable[[Molecule], Circuit], active: int) -> tuple[Circuit, torch.Generator]:
    """A circuit for a star, initialised by the number of its atoms."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(active)
        return build(star(active)), torch.Generator().manual_seed(active)


def _randomise(circuit: Circuit, generator: torch.Generator) -> list[nn.Parameter]:
    """Draw all angles uniformly from a period, and return them."""
    angles = circuit.angles()
    for angle in angles:
        angle.data.copy_(2 * np.pi * torch.rand(angle.shape, generator=generator))
    return angles


def gradient_variance(build: Callable[[Molecule], Circuit], active: int, draws: int) -> float:
    """Variance, over random angles and molecules, of derivatives by the angles of gates.

    Each draw gives the mean of the squared derivatives of the first expectation value; their mean
    is zero for angles drawn from a period (McClean et al., arXiv 1803.11173).
    """
    circuit, generator = _build(build, active)
    squares = []
    for _ in range(draws):
        angles = _randomise(circuit, generator)
        values = circuit.exact(random_molecules(1, active, generator))
        gradients = torch.autograd.grad(
            torch.as_tensor(values[0]).sum(), angles, allow_unused=True, materialize_grads=True
        )
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        squares.append(float(flat.square().mean()))
    return float(np.mean(squares))


def expressibility(
    build: Callable[[Molecule], Circuit], active: int, draws: int, molecules: int = 64
) -> float:
    """Kullback-Leibler divergence of the fidelities of reached states from those of random ones.

    Small is expressive. States are those of random molecules at random angles; a symmetry keeps a
    circuit in a part of the space. Source: Sim et al., arXiv 1905.10876.
    """
    circuit, generator = _build(build, active)

    def final_state(positions: torch.Tensor) -> object:
        circuit.gates(positions)
        return qml.state()

    device = qml.device("default.qubit", wires=circuit.wires)
    state = qml.QNode(final_state, device, interface="torch", diff_method=None)
    fidelities = []
    with torch.no_grad():
        for _ in range(draws):
            _randomise(circuit, generator)
            states = torch.as_tensor(state(random_molecules(molecules, active, generator)))
            overlap = (states @ states.conj().T).abs().square()
            rows, columns = torch.triu_indices(molecules, molecules, offset=1)
            fidelities.append(overlap[rows, columns].numpy())
    edges = np.linspace(0, 1, _BINS + 1)
    counts, _ = np.histogram(np.concatenate(fidelities).clip(0, 1), bins=edges)
    reached = counts / counts.sum()
    # P(F < f) = 1 - (1 - f)^(N - 1) for random states of N dimensions.
    random = np.diff(1 - (1 - edges) ** (2**circuit.wires - 1))
    kept = reached > 0
    return float(np.sum(reached[kept] * np.log(reached[kept] / np.maximum(random[kept], 1e-300))))


def circuit_statistics_table(study: Study) -> pd.DataFrame:
    """A row for each circuit of a study and number of active atoms; nothing is trained.

    Columns: architecture, active, qubits, gradient_variance, divergence (see `expressibility`).
    """
    rows = []
    for architecture, circuit in _circuits(study).items():
        kind: Callable[..., Circuit] = type(circuit)
        for active in _ACTIVE:
            qubits = kind(star(active)).wires
            variance = gradient_variance(kind, active, _GRADIENT_DRAWS)
            divergence = expressibility(kind, active, _STATE_DRAWS)
            rows.append([architecture, active, qubits, variance, divergence])
    columns = ["architecture", "active", "qubits", "gradient_variance", "divergence"]
    return pd.DataFrame(rows, columns=columns)


def circuit_gates_table(study: Study) -> pd.DataFrame:
    """A row for each gate before and in the first block of each circuit of a study, on NH3.

    Columns: model, architecture, blocks (of the model), molecule, qubits, step (from left to
    right), gate, wires (numbers with spaces between them).
    """
    circuits = _circuits(study)
    positions = torch.randn(1, len(AMMONIA.symbols), 3, generator=torch.Generator().manual_seed(0))
    rows = []
    for run in {run.model: run for run in study.runs}.values():
        if run.architecture not in circuits:
            continue
        circuit = circuits[run.architecture]
        blocks = run.model_settings.get("blocks", BLOCKS)
        with qml.queuing.AnnotatedQueue() as queue:
            circuit.gates(positions)
        gates = qml.tape.QuantumScript.from_queue(queue).operations
        for step, gate in enumerate(gates):
            wires = " ".join(str(wire) for wire in gate.wires)
            about = [run.model, run.architecture, blocks, "NH3", circuit.wires]
            rows.append([*about, step, gate.name, wires])
    columns = ["model", "architecture", "blocks", "molecule", "qubits", "step", "gate", "wires"]
    return pd.DataFrame(rows, columns=columns)


def _circuits(study: Study) -> dict[str, Circuit]:
    """The circuits of a study by architecture: those whose name ends so; one block, on NH3."""
    scales = {"energy_scale": 1.0, "energy_shift": 0.0, "node_scalars": 2, "edge_scalars": 0}
    found: dict[str, Circuit] = {}
    for architecture in dict.fromkeys(run.architecture for run in study.runs):
        if not architecture.endswith("circuit"):
            continue
        build = registry.resolve("models", architecture)
        potential = build(molecule=AMMONIA, blocks=1, **scales) if callable(build) else None
        if isinstance(potential, QuantumPotential):
            found[architecture] = potential.atoms
    return found

"""What random circuits do: how their gradients vanish with qubits, and which states they reach."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pennylane as qml
import torch
from torch import nn

from symbench.data.molecules.potential_surfaces import Molecule
from symbench.models.molecules.quantum_circuits import Circuit

Array = npt.NDArray[np.floating]

# Distances of the active atoms of random molecules from the heavy one, Å.
_DISTANCES = (0.5, 1.5)
_BINS = 50


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
    angles = [getattr(circuit, name) for name in circuit.angles]
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

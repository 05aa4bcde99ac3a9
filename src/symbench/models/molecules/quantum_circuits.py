"""Energies and forces of small molecules from quantum circuits, after arXiv 2512.05475.

The circuits are our own proposals in the line of Le et al., arXiv 2311.11362: those of the paper
could not be read. The heavy atom is the origin; the other, active atoms must be equal.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Unpack

import pennylane as qml
import torch
from pennylane.operation import Operator
from torch import Tensor, nn

from symbench.data.molecules.molecule import Molecule
from symbench.data.points.point_graph import PointGraph
from symbench.models.measured import Measured
from symbench.models.molecules.circuit import Circuit, Noise
from symbench.models.molecules.distances import length
from symbench.models.molecules.gates import Exchange, SpinRotation, exchange_operator, singlet
from symbench.models.molecules.potentials import Potential
from symbench.models.settings import check_settings
from symbench.symmetry.points.labelled_points import orbits

# Depth by default, as in arXiv 2311.11362.
BLOCKS = 6


class PlainCircuit(Circuit):
    """(a) No symmetry: coordinates as angles, rotations of single qubits, a ring of CNOTs, <Z>.

    Two qubits for each active atom, both of which encode its coordinates.
    """

    def __init__(self, molecule: Molecule, blocks: int = BLOCKS, **noise: Unpack[Noise]) -> None:
        """Set the depth."""
        wires = 2 * (len(molecule.symbols) - 1)
        super().__init__(molecule, wires=wires, readouts=wires, blocks=blocks, **noise)
        self.scale = nn.Parameter(torch.ones(blocks))
        self.turns = self.new_angles(blocks, wires, 2)

    def block(self, number: int, positions: Tensor) -> None:
        """RX, RY, RZ by the coordinates; RY, RZ by weights; CNOTs around a ring."""
        for wire in range(self.wires):
            x, y, z = (self.scale[number] * positions[:, 1 + wire // 2]).unbind(dim=1)
            qml.RX(x, wires=wire)
            qml.RY(y, wires=wire)
            qml.RZ(z, wires=wire)
        for wire, (first, second) in enumerate(self.turns[number]):
            qml.RY(first, wires=wire)
            qml.RZ(second, wires=wire)
        for wire in range(self.wires if self.wires > 2 else 1):
            qml.CNOT(wires=[wire, (wire + 1) % self.wires])

    def angles(self) -> list[nn.Parameter]:
        """The rotations of single qubits."""
        return [self.turns]

    def observables(self) -> Iterator[list[Operator]]:
        """<Z> of each qubit."""
        for wire in range(self.wires):
            yield [qml.PauliZ(wire)]


class SpinCircuit(Circuit):
    """What (b) and (c) share: two spins for each active atom, one of which its position turns.

    They start as a singlet; turning the molecule turns all spins that encode, and everything else
    is made of scalar products of spins.
    """

    exchanges: nn.Parameter

    def __init__(
        self, molecule: Molecule, *, readouts: int, blocks: int, **noise: Unpack[Noise]
    ) -> None:
        """Set the size."""
        active = len(molecule.symbols) - 1
        super().__init__(molecule, wires=2 * active, readouts=readouts, blocks=blocks, **noise)
        atoms = range(active)
        self.encoding = [2 * atom for atom in atoms]
        self.inside = [[2 * atom, 2 * atom + 1] for atom in atoms]
        self.between = [[2 * a, 2 * b] for a in atoms for b in range(a + 1, active)]
        self.between += [[first + 1, second + 1] for first, second in self.between]

    def angles(self) -> list[nn.Parameter]:
        """The exchanges."""
        return [self.exchanges]

    def prepare(self) -> None:
        """A singlet for each atom."""
        for first, second in self.inside:
            singlet(first, second)

    def encode(self, scales: Sequence[Tensor], positions: Tensor) -> None:
        """Turn the encoding spin of each active atom by its scaled position."""
        for atom, (wire, scale) in enumerate(zip(self.encoding, scales, strict=True)):
            SpinRotation(scale * positions[:, 1 + atom], wires=wire)


class RotationCircuit(SpinCircuit):
    """(b) Invariant under rotations: scales and exchanges of its own for each atom and pair."""

    def __init__(self, molecule: Molecule, blocks: int = BLOCKS, **noise: Unpack[Noise]) -> None:
        """Set the depth."""
        active = len(molecule.symbols) - 1
        pairs = active + active * (active - 1)
        super().__init__(molecule, readouts=pairs, blocks=blocks, **noise)
        self.scale = nn.Parameter(torch.ones(blocks, active))
        self.exchanges = self.new_angles(blocks, pairs)

    def block(self, number: int, positions: Tensor) -> None:
        """Encode; exchange between the spins of each atom, and of each two atoms."""
        self.encode(self.scale[number].unbind(), positions)
        for pair, weight in zip([*self.inside, *self.between], self.exchanges[number], strict=True):
            Exchange(weight, wires=pair)

    def observables(self) -> Iterator[list[Operator]]:
        """σ·σ of each pair."""
        for pair in [*self.inside, *self.between]:
            yield [_scalar_product(pair)]


class RotationPermutationCircuit(SpinCircuit):
    """(c) Invariant under rotations and exchanges of equal atoms, which share all weights."""

    def __init__(self, molecule: Molecule, blocks: int = BLOCKS, **noise: Unpack[Noise]) -> None:
        """Set the depth."""
        kinds = 1 if len(molecule.symbols) == 2 else 3
        super().__init__(molecule, readouts=kinds, blocks=blocks, **noise)
        self.scale = nn.Parameter(torch.ones(blocks))
        self.exchanges = self.new_angles(blocks, kinds)
        self.among = [self.encoding, [wire + 1 for wire in self.encoding]] if kinds == 3 else []

    def block(self, number: int, positions: Tensor) -> None:
        """Encode; exchange inside atoms, among all encoding spins and among all others."""
        self.encode([self.scale[number]] * self.active, positions)
        inside, *among = self.exchanges[number]
        for pair in self.inside:
            Exchange(inside, wires=pair)
        for wires, weight in zip(self.among, among, strict=True):
            Exchange(weight, wires=wires)

    def observables(self) -> Iterator[list[Operator]]:
        """Means of σ·σ over the pairs of each kind."""
        yield [_scalar_product(pair) for pair in self.inside]
        for wires in self.among:
            yield [_scalar_product(wires)]


class GraphCircuit(Circuit):
    """(d) The molecular graph: a qubit an atom, gates by distance on pairs, weights by orbit.

    Atoms and pairs share weights over their orbits under the automorphisms of the graph. The gates
    XX of all pairs commute, as do YY and ZZ: their order does not matter, and the circuit is
    invariant under automorphisms; only distances enter, so that it is under rotations.
    """

    def __init__(
        self, molecule: Molecule, blocks: int = BLOCKS, hidden: int = 4, **noise: Unpack[Noise]
    ) -> None:
        """Set the depth, and the width of the functions of distances."""
        atoms, pairs = (orbits(molecule.automorphisms, size) for size in (1, 2))
        wires, readouts = len(molecule.symbols), len(atoms) + len(pairs)
        super().__init__(molecule, wires=wires, readouts=readouts, blocks=blocks, **noise)
        self.atom_orbits = [[node for (node,) in orbit] for orbit in atoms]
        self.pair_orbits = pairs
        self.turns = self.new_angles(blocks, len(self.atom_orbits), 2)
        self.strengths = nn.Parameter(torch.ones(blocks, len(self.pair_orbits)))
        self.offsets = self.new_angles(blocks, len(self.pair_orbits))
        self.distance_functions = nn.ModuleList(
            nn.Sequential(nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))
            for _ in self.pair_orbits
        )

    def block(self, number: int, positions: Tensor) -> None:
        """RY, RZ by kind of atom; XX, YY, ZZ by distance and kind of pair."""
        for orbit, (first, second) in zip(self.atom_orbits, self.turns[number], strict=True):
            for wire in orbit:
                qml.RY(first, wires=wire)
                qml.RZ(second, wires=wire)
        angles = {
            pair: 2 * self._angle(number, kind, positions[:, pair[0]] - positions[:, pair[1]])
            for kind, orbit in enumerate(self.pair_orbits)
            for pair in orbit
        }
        for gate in (qml.IsingXX, qml.IsingYY, qml.IsingZZ):
            for pair, angle in angles.items():
                gate(angle, wires=pair)

    def _angle(self, number: int, kind: int, difference: Tensor) -> Tensor:
        distance = length(difference)
        # Functions are single precision by default, and circuits double.
        function = self.distance_functions[kind]
        seen: Tensor = function(distance.to(self.strengths))[:, 0]
        return self.strengths[number, kind] * seen + self.offsets[number, kind]

    def angles(self) -> list[nn.Parameter]:
        """The rotations of single qubits, and the parts of the others that no distance changes."""
        return [self.turns, self.offsets]

    def observables(self) -> Iterator[list[Operator]]:
        """Means of Z over kinds of atoms, and of ZZ over kinds of pairs."""
        for orbit in self.atom_orbits:
            yield [qml.PauliZ(wire) for wire in orbit]
        for pairs in self.pair_orbits:
            yield [qml.PauliZ(i) @ qml.PauliZ(j) for i, j in pairs]


def _scalar_product(wires: Sequence[int]) -> Operator:
    """Mean of XX + YY + ZZ over all pairs of some wires."""
    count = len(wires)
    return qml.Hermitian(exchange_operator(count) / (count * (count - 1) / 2), wires=wires)


class QuantumPotential(Measured, Potential):
    """A potential whose energies, where shots are finite, are measured, and forces differences."""

    atoms: Circuit
    step = 0.1

    def forward(self, graph: PointGraph) -> Tensor:
        """See `Potential`; measured forces are central differences with steps of 0.1 Å."""
        if self.training or self.exact or self.atoms.shots is None:
            return super().forward(graph)
        with torch.no_grad():
            positions = graph.positions.reshape(-1, self.atoms.atoms, 3)
            forces = torch.zeros_like(positions)
            for atom in range(self.atoms.atoms):
                for axis in range(3):
                    moved = torch.zeros_like(positions)
                    moved[:, atom, axis] = self.step
                    change = self._measured(positions + moved) - self._measured(positions - moved)
                    forces[:, atom, axis] = -change / (2 * self.step)
            return self._rows(graph, self._measured(positions), forces.reshape(-1, 3))

    def _measured(self, positions: Tensor) -> Tensor:
        return self.energy_shift + self.energy_scale * self.atoms.energies(positions, sampled=True)


def _potential(
    circuit: Callable[..., Circuit],
    *,
    molecule: Molecule,
    energy_scale: float,
    energy_shift: float,
    node_scalars: int,
    edge_scalars: int,
    **settings: object,
) -> QuantumPotential:
    """A potential of one molecule: kinds of atoms are in its circuit, not in features."""
    for takes in (circuit, Circuit):
        check_settings(takes, settings)
    return QuantumPotential(circuit(molecule, **settings), energy_scale, energy_shift)


# Settings come from the config: they are checked by the circuits that take them.
_build: Callable[..., QuantumPotential] = _potential


def plain_circuit(**settings: object) -> QuantumPotential:
    """`plain_circuit`: no symmetry."""
    return _build(PlainCircuit, **settings)


def rotation_circuit(**settings: object) -> QuantumPotential:
    """`rotation_circuit`: invariant under rotations."""
    return _build(RotationCircuit, **settings)


def rotation_permutation_circuit(**settings: object) -> QuantumPotential:
    """`rotation_permutation_circuit`: invariant under rotations and exchanges of equal atoms."""
    return _build(RotationPermutationCircuit, **settings)


def graph_circuit(**settings: object) -> QuantumPotential:
    """`graph_circuit`: built on the molecular graph."""
    return _build(GraphCircuit, **settings)

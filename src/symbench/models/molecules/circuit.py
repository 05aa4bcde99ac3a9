"""What quantum circuits for molecules share: blocks of gates, noise, and how they are read out."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TypedDict

import pennylane as qml
import torch
from pennylane.operation import Operator
from torch import Tensor, nn

from symbench.data.molecules.molecule import Molecule
from symbench.data.points.point_graph import PointGraph
from symbench.errors import ConfigError

# Of new weights of gates: circuits start near the identity, where gradients do not vanish.
_SPREAD = 0.1


class Noise(TypedDict, total=False):
    """How a circuit differs from an exact one; see `Circuit`."""

    depolarising: float
    shots: int | None


class Circuit(nn.Module, ABC):
    """A number for each molecule: an affine map of expectation values of a circuit.

    Attributes:
        wires: number of qubits.

    """

    def __init__(
        self,
        molecule: Molecule,
        *,
        wires: int,
        readouts: int,
        blocks: int,
        depolarising: float = 0.0,
        shots: int | None = None,
    ) -> None:
        """Set the size.

        Args:
            molecule: symbols and bonds; the first atom is the heavy one.
            wires: number of qubits.
            readouts: number of expectation values.
            blocks: repetitions of encoding and trainable gates.
            depolarising: probability of a depolarising error on each qubit after each block.
            shots: measurements for each expectation value when the model is used, and not when it
                is trained or validated; None for the exact value. What they give is drawn by the
                seed that torch has when the circuit is made.

        Raises:
            ConfigError: if the molecule or a number makes no sense.

        """
        super().__init__()
        if len(set(molecule.symbols[1:])) != 1:
            raise ConfigError(f"All atoms but the first must be equal, not {molecule.symbols}.")
        if blocks < 1 or not 0 <= depolarising <= 1 or (shots is not None and shots < 1):
            raise ConfigError(
                f"blocks={blocks}, depolarising={depolarising}, shots={shots}: give at least one "
                "block, a probability, and a positive number of shots or null."
            )
        self.molecule = molecule
        self.atoms = len(molecule.symbols)
        self.active = self.atoms - 1
        self.wires = wires
        self.blocks = blocks
        self.depolarising = depolarising
        self.shots = shots
        self.readout = nn.Linear(readouts, 1)
        device = qml.device("default.mixed" if depolarising else "default.qubit", wires=wires)
        self.exact = qml.QNode(self._measured, device, interface="torch", diff_method="backprop")
        self.sampled = None
        if shots is not None:
            noisy = qml.device(device.name, wires=wires, seed=torch.initial_seed())
            self.sampled = qml.set_shots(qml.QNode(self._measured, noisy, diff_method=None), shots)

    def prepare(self) -> None:
        """The gates before the first block: none by default, all qubits are |0>."""

    @abstractmethod
    def block(self, number: int, positions: Tensor) -> None:
        """The gates of one block.

        Args:
            number: of the block.
            positions: of all atoms from the heavy one, shape (sample, atom, axis).

        """

    @abstractmethod
    def angles(self) -> list[nn.Parameter]:
        """The parameters that are angles of gates."""

    @abstractmethod
    def observables(self) -> Iterator[list[Operator]]:
        """Groups of observables; the mean over each group is read out."""

    def gates(self, positions: Tensor) -> None:
        """The whole circuit, without measurements."""
        self.prepare()
        for number in range(self.blocks):
            self.block(number, positions)
            if self.depolarising:
                for wire in range(self.wires):
                    qml.DepolarizingChannel(self.depolarising, wires=wire)

    def _measured(self, positions: Tensor) -> list[qml.measurements.ExpectationMP]:
        self.gates(positions)
        return [qml.expval(each) for group in self.observables() for each in group]

    def energies(self, positions: Tensor, sampled: bool = False) -> Tensor:
        """One number for each molecule, shape (sample,).

        Args:
            positions: shape (sample, atom, axis).
            sampled: measured with a finite number of shots.

        """
        relative = positions - positions[:, :1]
        node = self.sampled if sampled else self.exact
        assert node is not None
        # PennyLane names no device for the state that circuits start from, and its own gates; it
        # draws what is measured in NumPy, from that state.
        with torch.device("cpu") if sampled else relative.device:
            values = iter(node(relative))
            groups = [
                torch.stack([torch.as_tensor(next(values)) for _ in group]).mean(dim=0)
                for group in self.observables()
            ]
        expectations = torch.stack(groups, dim=-1).to(positions)
        # What has no input in it has no axis of samples.
        expectations = expectations.expand(len(positions), -1)
        found: Tensor = self.readout(expectations)[:, 0]
        return found

    def forward(self, graph: PointGraph) -> Tensor:
        """A share of the energy for each atom, shape (node, 1)."""
        positions = graph.positions.reshape(-1, self.atoms, 3)
        shares = self.energies(positions) / self.atoms
        return shares.repeat_interleave(self.atoms)[:, None]

    @staticmethod
    def new_angles(*shape: int) -> nn.Parameter:
        """Angles of gates near zero."""
        return nn.Parameter(_SPREAD * torch.randn(shape))

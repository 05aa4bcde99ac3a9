"""Gates that commute with turning all spins at once, and the one that encodes a vector."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pennylane as qml
import torch
from pennylane.operation import Operation
from torch import Tensor

Matrix = np.ndarray

PAULI: Matrix = np.array(
    [[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=np.complex128
)


@lru_cache
def exchange_operator(wires: int) -> Matrix:
    """Sum over all pairs of XX + YY + ZZ on so many qubits, shape (2^wires, 2^wires)."""
    total = np.zeros((2**wires, 2**wires), dtype=np.complex128)
    for i in range(wires):
        for j in range(i):
            for pauli in PAULI:
                factors = [pauli if k in (i, j) else np.eye(2) for k in range(wires)]
                product = np.eye(1)
                for factor in factors:
                    product = np.kron(product, factor)
                total += product
    return total


@lru_cache
def _spectrum(wires: int, device: torch.device) -> tuple[tuple[float, Tensor], ...]:
    """Eigenvalues of `exchange_operator` with their projectors on a device."""
    values, vectors = np.linalg.eigh(exchange_operator(wires))
    values = np.round(values, 6)
    return tuple(
        (float(value), torch.from_numpy(chosen @ chosen.conj().T).to(device))
        for value in np.unique(values)
        for chosen in [vectors[:, values == value]]
    )


@lru_cache
def _pauli(device: torch.device) -> Tensor:
    """`PAULI` on a device, shape (axis, 2, 2)."""
    return torch.from_numpy(PAULI).to(device)


class MatrixGate(Operation):
    """A gate of one parameter that is known by its matrix, which is differentiated."""

    num_params = 1
    grad_method = None

    def decomposition(self) -> list[Operation]:
        """A gate by its matrix, for devices that know no other."""
        return [qml.QubitUnitary(self.matrix(), wires=self.wires)]


class Exchange(MatrixGate):
    """exp(-i w sum_pairs (XX + YY + ZZ)) over all pairs of its wires.

    On three wires and more the pairs do not commute, so that a product of gates of pairs would
    depend on their order; this exponential of the sum does not: it commutes with every permutation
    of its wires, and with V⊗...⊗V for every V in SU(2).
    """

    ndim_params = (0,)

    def __init__(self, weight: Tensor, wires: Sequence[int]) -> None:
        """Take the weight w and two wires or more."""
        super().__init__(weight, wires=wires)

    def matrix(self, wire_order: Sequence[int] | None = None) -> Tensor:
        """Shape (2^wires, 2^wires)."""
        weight = torch.as_tensor(self.data[0])
        parts = [
            torch.exp(-1j * value * weight) * projector
            for value, projector in _spectrum(len(self.wires), weight.device)
        ]
        found: Tensor = qml.math.expand_matrix(
            torch.stack(parts).sum(dim=0), self.wires, wire_order=wire_order or self.wires
        )
        return found


class SpinRotation(MatrixGate):
    """exp(-i v·σ / 2): turns a spin about the vector v by the angle |v|.

    Turning v turns the gate: with V in SU(2) above the rotation R, U(R v) = V U(v) V^-1.
    """

    num_wires = 1
    ndim_params = (1,)

    def __init__(self, vector: Tensor, wires: int) -> None:
        """Take vectors of shape (axis,) or (sample, axis), and one wire."""
        super().__init__(vector, wires=wires)

    @staticmethod
    def compute_matrix(vector: Tensor) -> Tensor:
        """Shape (2, 2) or (sample, 2, 2)."""
        vector = torch.as_tensor(vector)
        pauli = _pauli(vector.device)
        # Away from zero, where the square root has no derivative.
        half = (vector.square().sum(dim=-1) + 1e-24).sqrt() / 2
        generator = torch.einsum("...a,aij->...ij", vector.to(pauli.dtype), pauli)
        cosine, sine = torch.cos(half), torch.sinc(half / math.pi) / 2
        unit = torch.eye(2, dtype=pauli.dtype, device=vector.device)
        return cosine[..., None, None] * unit - 1j * sine[..., None, None] * generator


def singlet(first: int, second: int) -> None:
    """Bring two qubits from |00> to (|01> - |10>) / √2, which no turn of both changes."""
    qml.PauliX(wires=first)
    qml.PauliX(wires=second)
    qml.Hadamard(wires=first)
    qml.CNOT(wires=[first, second])

"""Batched circuits against one call a sample, and against a state vector written in torch."""

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.timing import in_turns
from symbench.data.molecules.molecule import AMMONIA
from symbench.models.molecules.quantum_circuits import PlainCircuit

BATCH = 64
WIRES = 6


def _rotate(state: Tensor, axis: str, angle: Tensor, wire: int) -> Tensor:
    """RX, RY or RZ on one wire of (sample, 2^wires); an angle, or one for each sample."""
    zero, one = state.reshape(len(state), 2**wire, 2, -1).unbind(dim=2)
    c, s = (f(angle / 2).reshape(-1, 1, 1) for f in (torch.cos, torch.sin))
    if axis == "x":
        parts = (c * zero - 1j * s * one, c * one - 1j * s * zero)
    elif axis == "y":
        parts = (c * zero - s * one, c * one + s * zero)
    else:
        parts = (torch.complex(c, -s) * zero, torch.complex(c, s) * one)
    return torch.stack(parts, dim=2).reshape(state.shape)


def _controlled_not(control: int, target: int) -> Tensor:
    """Where each entry of the state comes from."""
    index = torch.arange(2**WIRES)
    on = (index >> (WIRES - 1 - control)) & 1
    return index ^ (on << (WIRES - 1 - target))


RING = [_controlled_not(wire, (wire + 1) % WIRES) for wire in range(WIRES)]
SIGNS = 1 - 2 * torch.stack([(torch.arange(2**WIRES) >> (WIRES - 1 - w)) & 1 for w in range(WIRES)])


def energies(circuit: PlainCircuit, positions: Tensor) -> Tensor:
    """What `PlainCircuit.energies` gives, gate by gate on a state vector in double precision."""
    state = torch.zeros(len(positions), 2**WIRES, dtype=torch.complex128)
    state[:, 0] = 1
    relative = (positions - positions[:, :1]).double()
    for number in range(circuit.blocks):
        for wire in range(WIRES):
            angles = (circuit.scale[number] * relative[:, 1 + wire // 2]).unbind(dim=1)
            for axis, angle in zip("xyz", angles, strict=True):
                state = _rotate(state, axis, angle, wire)
        for wire, angles in enumerate(circuit.turns[number].double()):
            for axis, angle in zip("yz", angles, strict=True):
                state = _rotate(state, axis, angle, wire)
        for moved in RING:
            state = state[:, moved]
    expectations = state.abs().square() @ SIGNS.T.double()
    return circuit.readout(expectations.to(positions))[:, 0]


def rows() -> Iterator[dict[str, object]]:
    """Milliseconds of a training step on 6 qubits, 6 blocks and 64 molecules."""
    torch.manual_seed(0)
    circuit = PlainCircuit(AMMONIA)
    start = torch.randn(BATCH, 4, 3)
    difference = circuit.energies(start) - energies(circuit, start)
    assert float(difference.detach().abs().max()) < 1e-5, "the two simulations differ"

    def step(forces: bool, peer: bool = False, molecules: Tensor = start) -> None:
        positions = molecules.clone().requires_grad_(True)
        found = energies(circuit, positions) if peer else circuit.energies(positions)
        loss = found.square().mean()
        if forces:
            (gradient,) = torch.autograd.grad(found.sum(), positions, create_graph=True)
            loss = loss + gradient.square().mean()
        loss.backward()

    for name, forces in (("energies", False), ("energies and forces", True)):
        taken = in_turns(
            lambda forces=forces: step(forces),
            lambda forces=forces: step(forces, peer=True),
            lambda forces=forces: step(forces, molecules=start[:1]),
        )
        batched, peer, alone = (1e3 * seconds for seconds in taken)
        yield {
            "step": name,
            "batched (ms)": batched,
            "state vector in torch (ms)": peer,
            "over the state vector": batched / peer,
            "one molecule (ms)": alone,
            "gain a sample": BATCH * alone / batched,
        }

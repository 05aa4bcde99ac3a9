"""SEGNN against the same network written with plain e3nn layers, and its loader."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from e3nn.nn import Gate
from e3nn.o3 import FullyConnectedTensorProduct, Irreps, spherical_harmonics
from torch import Tensor, nn

from benchmarks.timing import in_turns
from symbench.data.points.charged_particles import ChargedParticles
from symbench.data.points.particle_data import ParticleData
from symbench.data.points.point_graph import PointGraph, mean_at, sum_at
from symbench.data.raw_files import RawFiles
from symbench.models.points.segnn import SEGNNParticles, balanced_irreps

BATCH = 100


class Gated(nn.Module):
    """e3nn's tensor product and gate."""

    def __init__(self, irreps_in: Irreps, irreps: Irreps, attributes: Irreps) -> None:
        """Set the irreps."""
        super().__init__()
        gates = Irreps([(irreps[1:].num_irreps, (0, 1))])
        self.gate = Gate(irreps[:1], [nn.functional.silu], gates, [torch.sigmoid], irreps[1:])
        self.product = FullyConnectedTensorProduct(irreps_in, attributes, self.gate.irreps_in)

    def forward(self, values: Tensor, attributes: Tensor) -> Tensor:
        """Values and attributes to gated values."""
        return self.gate(self.product(values, attributes))


class Plain(nn.Module):
    """SEGNN of four layers without norms, as one would write it with e3nn."""

    def __init__(self) -> None:
        """Build the layers."""
        super().__init__()
        self.attributes = Irreps.spherical_harmonics(1)
        h = balanced_irreps(64, self.attributes, 1)
        seen = h + h + Irreps("2x0e")
        self.embed = FullyConnectedTensorProduct("2x1o + 1x0e", self.attributes, h)
        self.messages = nn.ModuleList(
            nn.ModuleList([Gated(seen, h, self.attributes), Gated(h, h, self.attributes)])
            for _ in range(4)
        )
        self.updates = nn.ModuleList(
            nn.ModuleList(
                [
                    Gated(h + h, h, self.attributes),
                    FullyConnectedTensorProduct(h, self.attributes, h),
                ]
            )
            for _ in range(4)
        )
        self.head = Gated(h, h, self.attributes)
        self.decode = FullyConnectedTensorProduct(h, self.attributes, "1x1o")

    def forward(self, inputs: PointGraph) -> Tensor:
        """Positions after the interval."""
        graph = inputs.graph()
        receivers, senders = graph.edges
        difference = graph.positions[receivers] - graph.positions[senders]
        options = {"normalize": True, "normalization": "integral"}
        edge = spherical_harmonics(self.attributes, difference, **options)
        node = mean_at(edge, receivers, graph.degrees())
        node = node + spherical_harmonics(self.attributes, graph.velocities, **options)
        more = torch.cat([difference.norm(dim=1, keepdim=True), graph.edge_scalars], dim=1)
        speed = graph.velocities.norm(dim=1, keepdim=True)
        h = self.embed(torch.cat([graph.positions, graph.velocities, speed], dim=1), node)
        for messages, updates in zip(self.messages, self.updates, strict=True):
            message = torch.cat([h[receivers], h[senders], more], dim=1)
            for gate in messages:
                message = gate(message, edge)
            update = torch.cat([h, sum_at(message, receivers, len(h))], dim=1)
            for layer in updates:
                update = layer(update, node)
            h = h + update
        return graph.positions + self.decode(self.head(h, node), node)


@contextmanager
def particles(trajectories: int = 3000) -> Iterator[ParticleData]:
    """Charged particles, simulated for so few steps that it takes a moment."""
    with tempfile.TemporaryDirectory() as folder:
        counts = {"train": trajectories, "valid": 1, "test": 1}
        dataset = ChargedParticles(trajectories=counts, input_step=20, target_step=40)
        dataset.fetch(Path(folder), RawFiles())
        yield ParticleData(Path(folder))


def rows() -> Iterator[dict[str, object]]:
    """Milliseconds of a training step and of making its batch."""
    with particles() as data:
        split = data.split("train")
    rows = split.samples[:BATCH]
    batch = split.batch(rows)
    ours = SEGNNParticles(3, norm=False, free=False)
    relaxed = SEGNNParticles(3, norm=False)
    plain = Plain()

    def step(model: nn.Module) -> None:
        model(batch.inputs).square().mean().backward()

    taken = in_turns(
        lambda: step(ours),
        lambda: step(plain),
        lambda: step(relaxed),
        lambda: split.batch(rows).inputs.graph(),
    )
    own, peer, free, loading = (1e3 * seconds for seconds in taken)
    yield {
        "batch": BATCH,
        "strict step (ms)": own,
        "plain e3nn step (ms)": peer,
        "ratio": own / peer,
        "step with free branches (ms)": free,
        "making a batch (ms)": loading,
    }

"""SEGNN: steerable E(3)-equivariant message passing (Brandstetter et al., arXiv 2110.02905).

Features are sums of irreps; layers are tensor products with the spherical harmonics of relative
positions. Free branches as in the public code of arXiv 2505.13631: beside the two products of each
update, each with its own γ.
"""

import torch
from e3nn.math import normalize2mom
from e3nn.o3 import Irreps, SphericalHarmonics
from torch import Tensor, nn

from symbench.data.points.particle_inputs import ParticleInputs
from symbench.data.points.point_graph import PointGraph, mean_at, rows_at, sum_at
from symbench.errors import ConfigError
from symbench.models.homotopy import Free, Homotopy
from symbench.models.molecules.distances import direction, length
from symbench.models.points.steerable import SteerableLinear, blocks, shapes


class SteerableGate(nn.Module):
    """`SteerableLinear`, then SiLU on scalars and sigmoid gates on the others."""

    def __init__(self, irreps_in: Irreps, irreps_out: Irreps, attributes: Irreps) -> None:
        """Set the irreps; those of the output start with scalars."""
        super().__init__()
        self.gated = shapes(irreps_out[1:])
        self.scalars, self.gates = irreps_out[0].mul, irreps_out[1:].num_irreps
        first = Irreps([(self.scalars + self.gates, (0, 1))])
        self.linear = SteerableLinear(irreps_in, first + irreps_out[1:], attributes)
        self.activation = normalize2mom(nn.functional.silu)
        self.gate = normalize2mom(torch.sigmoid)

    def forward(self, values: Tensor, attributes: Tensor) -> Tensor:
        """Values (row, irreps) and attributes (row, irreps) to (row, irreps)."""
        product: Tensor = self.linear(values, attributes)
        others = product.shape[1] - self.scalars - self.gates
        scalars, gates, rest = product.split([self.scalars, self.gates, others], dim=1)
        gates = self.gate(gates)
        parts = [self.activation(scalars)]
        first = 0
        for block in blocks(rest, self.gated):
            copies = block.shape[2]
            parts.append((block * gates[:, None, first : first + copies]).flatten(1))
            first += copies
        return torch.cat(parts, dim=1)


class SteerableInstanceNorm(nn.Module):
    """Divides each irrep by its RMS over the nodes of a sample; scalars lose their mean first."""

    def __init__(self, irreps: Irreps, epsilon: float = 1e-5) -> None:
        """Set the irreps."""
        super().__init__()
        self.shapes = shapes(irreps)
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(irreps.num_irreps))
        self.bias = nn.Parameter(torch.zeros(irreps[0].mul))

    def forward(self, values: Tensor, graph: PointGraph) -> Tensor:
        """Values of shape (node, irreps)."""
        scalars, *others = blocks(values, self.shapes)
        parts = [scalars - graph.to_nodes(graph.mean_of_samples(scalars)), *others]
        powers = torch.cat([part.square().mean(dim=1) for part in parts], dim=1)
        scale = (graph.mean_of_samples(powers) + self.epsilon).rsqrt() * self.weight
        copies = [copies for copies, _ in self.shapes]
        scales = graph.to_nodes(scale)[:, None].split(copies, dim=2)
        scalars, *others = [part * each for part, each in zip(parts, scales, strict=True)]
        return torch.cat([part.flatten(1) for part in (scalars + self.bias, *others)], dim=1)


def balanced_irreps(hidden: int, attributes: Irreps, largest_degree: int) -> Irreps:
    """n of each irrep up to a degree, with as many weights a product as `hidden` scalars have."""
    copies, wanted = 0, hidden**2
    weights = -1
    while weights < wanted:
        copies += 1
        irreps = (Irreps.spherical_harmonics(largest_degree) * copies).sort().irreps.simplify()
        weights = sum(
            mul_in * mul_out
            for mul_in, one in irreps
            for mul, other in attributes
            for product in one * other
            for mul_out, out in irreps
            if out == product
            for _ in range(mul)
        )
    return irreps


class SEGNNLayer(nn.Module):
    """One round of messages and updates on steerable features."""

    def __init__(
        self, irreps: Irreps, attributes: Irreps, edge_scalars: int, *, norm: bool, free: bool
    ) -> None:
        """Set the irreps; with `free`, the update has a free branch beside each product."""
        super().__init__()
        pair = irreps + irreps
        seen = pair + Irreps([(edge_scalars, (0, 1))])
        self.message = nn.ModuleList(
            [SteerableGate(seen, irreps, attributes), SteerableGate(irreps, irreps, attributes)]
        )
        first: nn.Module = SteerableGate(pair, irreps, attributes)
        second: nn.Module = SteerableLinear(irreps, irreps, attributes)
        if free:
            first = Homotopy(first, free_branch(2 * irreps.dim, irreps.dim))
            second = Homotopy(second, free_branch(irreps.dim, irreps.dim))
        self.update = nn.ModuleList([first, second])
        self.norm = SteerableInstanceNorm(irreps) if norm else None

    def forward(
        self,
        features: Tensor,
        graph: PointGraph,
        edge_attributes: Tensor,
        node_attributes: Tensor,
        edge_scalars: Tensor,
    ) -> Tensor:
        """Features of shape (node, irreps)."""
        receivers, senders = graph.edges
        message = torch.cat(
            [rows_at(features, receivers), rows_at(features, senders), edge_scalars], dim=1
        )
        for gate in self.message:
            message = gate(message, edge_attributes)
        update = torch.cat([features, sum_at(message, receivers, len(features))], dim=1)
        for product in self.update:
            update = product(update, node_attributes)
        features = features + update
        if self.norm is None:
            return features
        normed: Tensor = self.norm(features, graph)
        return normed


class Harmonics(nn.Module):
    """Spherical harmonics of directions; y, z, x is e3nn's order of axes."""

    def __init__(self, irreps: Irreps, normalization: str) -> None:
        """Set the degrees, and what is 1: the "integral" over the sphere, or each "component"."""
        super().__init__()
        self.polynomials = SphericalHarmonics(irreps, False, normalization)

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors (row, axis) to (row, irreps)."""
        found: Tensor = self.polynomials(direction(vectors))
        return found


def free_branch(features_in: int, features_out: int) -> Free:
    """Linear, GELU, linear, GELU, linear, through twice the width of the output."""
    return Free(
        nn.Linear(features_in, 2 * features_out),
        nn.GELU(),
        nn.Linear(2 * features_out, features_out),
        nn.GELU(),
        nn.Linear(features_out, features_out),
    )


def with_constant(attributes: Tensor) -> Tensor:
    """Attributes of nodes whose constant harmonic says that there is one, even without edges."""
    return torch.cat([torch.ones_like(attributes[:, :1]), attributes[:, 1:]], dim=1)


class SEGNN(nn.Module):
    """The network between an input of irreps and an output of irreps at each node."""

    def __init__(
        self,
        irreps_in: Irreps,
        irreps_out: Irreps,
        edge_scalars: int,
        *,
        hidden: int = 64,
        layers: int = 4,
        largest_degree: int = 1,
        norm: bool = True,
        free: bool = True,
    ) -> None:
        """Set irreps, widths and depth.

        Args:
            irreps_in: of the input.
            irreps_out: of the output.
            edge_scalars: features of edges besides the distance.
            hidden: width of scalars that has as many weights; see `balanced_irreps`.
            layers: rounds of messages.
            largest_degree: l_max of features and attributes.
            norm: whether features are normalised after each round.
            free: whether updates have free branches.

        """
        super().__init__()
        attributes = Irreps.spherical_harmonics(largest_degree)
        self.harmonics = Harmonics(attributes, "integral")
        irreps = balanced_irreps(hidden, attributes, largest_degree)
        self.embed = SteerableLinear(irreps_in, irreps, attributes)
        self.layers = nn.ModuleList(
            SEGNNLayer(irreps, attributes, 1 + edge_scalars, norm=norm, free=free)
            for _ in range(layers)
        )
        self.gate = SteerableGate(irreps, irreps, attributes)
        self.decode = SteerableLinear(irreps, irreps_out, attributes)

    def forward(self, graph: PointGraph, values: Tensor) -> Tensor:
        """Values of shape (node, irreps) to outputs of shape (node, irreps)."""
        receivers, senders = graph.edges
        # From receiver to sender, as in the public code: velocities meet the mean of these.
        difference = rows_at(graph.positions, senders) - rows_at(graph.positions, receivers)
        edge_attributes = self.harmonics(difference)
        node_attributes = mean_at(edge_attributes, receivers, graph.degrees())
        node_attributes = node_attributes + self.harmonics(graph.velocities)
        node_attributes = with_constant(node_attributes)
        distance = length(difference)
        edge_scalars = torch.cat([distance, graph.edge_scalars], dim=1)
        features = self.embed(values, node_attributes)
        for layer in self.layers:
            features = layer(features, graph, edge_attributes, node_attributes, edge_scalars)
        out: Tensor = self.decode(self.gate(features, node_attributes), node_attributes)
        return out


class SEGNNParticles(nn.Module):
    """`segnn`: moves charged particles; input irreps are position, velocity and speed."""

    def __init__(
        self,
        dimension: int,
        *,
        hidden: int = 64,
        layers: int = 4,
        largest_degree: int = 1,
        norm: bool = False,
        free: bool = True,
    ) -> None:
        """Set the network; see `SEGNN`.

        Raises:
            ConfigError: if the particles are not in 3 dimensions.

        """
        super().__init__()
        if dimension != 3:
            raise ConfigError(f"segnn: the data have {dimension} dimensions; it works in 3 only.")
        self.network = SEGNN(
            Irreps("2x1o + 1x0e"),
            Irreps("1x1o"),
            1,
            hidden=hidden,
            layers=layers,
            largest_degree=largest_degree,
            norm=norm,
            free=free,
        )

    def forward(self, inputs: PointGraph | ParticleInputs) -> Tensor:
        """Positions, shaped like the input's."""
        graph = inputs.graph()
        speed = graph.velocities.norm(dim=1, keepdim=True)
        vectors = torch.stack([graph.positions, graph.velocities], dim=2).flatten(1)
        values = torch.cat([vectors, speed], dim=1)
        moved = graph.positions + self.network(graph, values)
        return moved.reshape(inputs.positions.shape)


class SEGNNAtoms(nn.Module):
    """SEGNN on molecules: one number for each atom."""

    def __init__(
        self,
        node_scalars: int,
        edge_scalars: int,
        *,
        hidden: int = 64,
        layers: int = 4,
        largest_degree: int = 1,
        norm: bool = True,
        free: bool = True,
    ) -> None:
        """Set the network; see `SEGNN`."""
        super().__init__()
        self.network = SEGNN(
            Irreps([(node_scalars, (0, 1))]),
            Irreps("1x0e"),
            edge_scalars,
            hidden=hidden,
            layers=layers,
            largest_degree=largest_degree,
            norm=norm,
            free=free,
        )

    def forward(self, graph: PointGraph) -> Tensor:
        """Shape (node, 1)."""
        values: Tensor = self.network(graph, graph.scalars)
        return values

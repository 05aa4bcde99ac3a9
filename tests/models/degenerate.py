"""Networks of the registry, and inputs of each kind of data that are degenerate."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cache

import pytest
import torch
from _pytest.mark import ParameterSet
from torch import Tensor, nn

from symbench.config.registry import module_of, names, resolve
from symbench.data.batch import Inputs
from symbench.data.graphs.adjacency import laplacian, mean_adjacency, symmetric_adjacency
from symbench.data.graphs.clusters import ClusterInputs
from symbench.data.graphs.links import LinkInputs
from symbench.data.molecules.molecule import AMMONIA
from symbench.data.points.glass_data import GlassInputs
from symbench.data.points.particle_inputs import ParticleInputs
from symbench.data.points.pedestrian_data import SEEN, PedestrianInputs
from symbench.data.points.point_graph import PointGraph
from tests.here import here
from tests.models.published import numbers

COLUMNS, COMMUNITIES = 4, 3
ATOMS = {"node_scalars": 2, "edge_scalars": 0}
# What the data of each kind say to the constructors of networks.
ARGUMENTS: dict[str, dict[str, object]] = {
    "particles": {"dimension": 3},
    "joints": {"node_scalars": 2, "edge_scalars": 0, "time_steps": 3},
    "potential": {**ATOMS, "energy_scale": 1.0, "energy_shift": 0.0, "molecule": AMMONIA},
    "property": {**ATOMS, "target_mean": 0.0, "target_scale": 1.0},
    "cloud": {"classes": 3},
    "clusters": {"columns": COLUMNS, "communities": COMMUNITIES},
    "links": {"columns": COLUMNS},
    "glass": {"hidden": 4},
    "pedestrians": {},
}
ENCODINGS = ("plain", "absolute", "signnet", "largest_entry", "laplacian")
# Settings to try where the default is not enough, or takes long.
SETTINGS: dict[str, list[dict[str, object]]] = {
    "egnn": [{"free": True, "layers": 2}],
    "egno": [{"hidden": 8, "layers": 2}],
    "frame_averaging": [
        {"hidden": 6, "layers": 2},
        {"hidden": 6, "layers": 2, "frame": "minimal"},
        {"hidden": 6, "layers": 2, "anew": False, "drift": False},
    ],
    "link_graph_network": [{}, {"canonical": "largest_entry"}, {"canonical": "laplacian"}],
    "node_classifier": [{"encoding": encoding} for encoding in ENCODINGS],
    "particle_sign_equivariant": [{}, {"drift": False, "pair_invariants": False}],
    "segnn_property": [{"hidden": 8, "layers": 2}, {"hidden": 8, "layers": 2, "norm": False}],
    "vn_dgcnn": [{"width": 12}],
    **{f"segnn{kind}": [{"hidden": 8, "layers": 2}] for kind in ("", "_potential")},
    **{
        f"{kind}_circuit": [{"blocks": 1}]
        for kind in ("plain", "rotation", "rotation_permutation", "graph")
    },
}


@dataclass(frozen=True)
class Case:
    """A network with settings."""

    name: str
    settings: dict[str, object]

    @property
    def kind(self) -> str:
        return kind_of(self.name)

    @property
    def circuit(self) -> bool:
        return "circuit" in self.name

    def build(self) -> nn.Module:
        return here(built(self.name, self.kind, self.settings).double())


def built(name: str, kind: str, settings: dict[str, object]) -> nn.Module:
    torch.manual_seed(0)
    return resolve("models", name)(**ARGUMENTS[kind], **settings)


@cache
def kind_of(name: str) -> str:
    """The first kind of data whose arguments the network takes."""
    for kind in ARGUMENTS:
        with suppress(TypeError):
            built(name, kind, SETTINGS.get(name, [{}])[0])
            return kind
    raise AssertionError(f"{name} takes the arguments of no kind of data here: add its kind.")


def cases() -> Iterator[ParameterSet]:
    for name in names("models"):
        if module_of("models", name).startswith("symbench.models.fields"):
            continue
        for settings in SETTINGS.get(name, [{}]):
            said = f"{name} " + ", ".join(f"{key} {value}" for key, value in settings.items())
            yield pytest.param(Case(name, settings), id=said.strip())


CASES = list(cases())


def clouds() -> dict[str, Tensor]:
    """Points in 3 dimensions, shape (point, axis)."""
    generator = torch.Generator().manual_seed(0)
    ordinary = torch.randn(4, 3, dtype=torch.float64, generator=generator)
    line = ordinary[:, :1] * torch.tensor([1.0, -2.0, 0.5]).double()
    # No distance is the radius where a network stops to see others: it would be so by rounding.
    corners = 0.7 * torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]).double()
    return {
        "ordinary": ordinary,
        "two at one place": ordinary[[0, 1, 1, 2]],
        "two almost at one place": ordinary[[0, 1, 1, 2]] + 1e-9 * ordinary,
        "all at one place": ordinary[[0, 0, 0, 0]],
        "all at the origin": torch.zeros(4, 3).double(),
        "collinear": line + ordinary[:1],
        "collinear along an axis": line * torch.tensor([1.0, 0, 0]),
        "planar": ordinary * torch.tensor([1.0, 0, 1.0]),
        "square": corners * torch.tensor([1.0, 1, 0]),
        "tetrahedron": corners,
        "one at the centroid": torch.cat([ordinary[:3].mean(dim=0)[None], ordinary[:3]]),
        "two points": ordinary[:2],
        "two points at one place": ordinary[[0, 0]],
        "a single point": ordinary[:1],
        "a single point at the origin": torch.zeros(1, 3).double(),
    }


def particles(clouds: list[Tensor]) -> list[Inputs]:
    """At rest and moving, one batch for each number of particles."""
    found = []
    for count in sorted({len(cloud) for cloud in clouds}):
        positions = torch.stack([cloud for cloud in clouds if len(cloud) == count]).repeat(2, 1, 1)
        velocities = numbers(*positions.shape)
        velocities[: len(positions) // 2] = 0
        charges = 1.0 - 2 * (torch.arange(count) % 2).double().expand(len(positions), -1)
        found.append(ParticleInputs(positions, velocities, charges))
    return found


def graphs(clouds: list[Tensor], scalars: int = 2) -> PointGraph:
    """Each cloud with all edges and at rest, then moving and without; in between, no points."""
    parts = [*clouds, torch.zeros(0, 3).double(), *clouds]
    nodes = torch.tensor([len(cloud) for cloud in parts])
    sample = torch.arange(len(parts)).repeat_interleave(nodes)
    joined = (sample[:, None] == sample) & (sample < len(clouds)) & ~torch.eye(len(sample)).bool()
    edges = joined.nonzero().T
    positions = torch.cat(parts)
    velocities = numbers(*positions.shape) * (sample > len(clouds))[:, None]
    features = numbers(len(sample), scalars)
    return PointGraph(
        positions, velocities, features, edges, numbers(edges.shape[1], 0), sample, nodes
    )


def molecules(clouds: list[Tensor]) -> PointGraph:
    """Of four atoms each, as circuits take them."""
    graph = graphs([cloud for cloud in clouds if len(cloud) == 4])
    keep = graph.nodes > 0
    place = keep.cumsum(0) - 1
    return replace(graph, nodes=graph.nodes[keep], sample_of_node=place[graph.sample_of_node])


def networks_of_nodes() -> dict[str, Tensor]:
    """Edges in both directions between six nodes, shape (2, edge)."""
    every = torch.combinations(torch.arange(6)).T
    path = torch.stack([torch.arange(5), torch.arange(1, 6)])
    found = {
        "no edges": every[:, :0],
        "one edge and isolated nodes": every[:, :1],
        "complete, with repeated eigenvalues": every,
        "a path, with columns like their negatives": path,
        "two copies": path[:, [0, 1, 3, 4]],
        "a node that is its own neighbour": torch.tensor([[0, 0], [0, 1]]),
    }
    return {name: torch.cat([edges, edges.flip(0)], dim=1) for name, edges in found.items()}


def eigenvectors(edges: Tensor) -> Tensor:
    return torch.linalg.eigh(laplacian(edges, 6))[1][:, 1 : 1 + COLUMNS]


def clusters() -> ClusterInputs:
    """All graphs padded by two rows, and one of padding alone but for the seeds."""
    edges = list(networks_of_nodes().values())
    shape = (len(edges) + 1, 8, 8)
    adjacency, mean = torch.zeros(shape).double(), torch.zeros(shape).double()
    vectors, real = torch.zeros(*shape[:2], COLUMNS).double(), torch.zeros(shape[:2]).double()
    for number, graph in enumerate(edges):
        adjacency[number, :6, :6] = symmetric_adjacency(graph, 6).to_dense()
        mean[number, :6, :6] = mean_adjacency(graph, 6).to_dense()
        vectors[number, :6], real[number, :6] = eigenvectors(graph), 1
    seeds = torch.arange(COMMUNITIES).expand(len(adjacency), -1)
    return ClusterInputs(vectors, adjacency, mean, seeds, real)


def links() -> list[Inputs]:
    return [
        LinkInputs(
            vectors,
            symmetric_adjacency(edges, 6).double(),
            mean_adjacency(edges, 6).double(),
            torch.tensor([[0, 0, 5], [0, 1, 4]]),
        )
        for edges in networks_of_nodes().values()
        for vectors in (eigenvectors(edges), torch.zeros(6, COLUMNS).double())
    ]


def glass(clouds: list[Tensor]) -> GlassInputs:
    """All clouds as one glass, without edges between them."""
    graph = graphs(clouds)
    receivers, senders = graph.edges
    difference = graph.positions[receivers] - graph.positions[senders]
    types = (torch.arange(len(graph.positions)) % 2).double()
    return GlassInputs(types, graph.edges.flip(0), difference, torch.arange(len(types)))


def pedestrians() -> PedestrianInputs:
    """One who walks, two who walk alike, three who stand; each window by itself."""
    displacements = numbers(6, SEEN, 2)
    displacements[2], displacements[3:] = displacements[1], 0
    return PedestrianInputs(displacements, torch.tensor([0, 1, 1, 2, 2, 2]), torch.arange(6))


@cache
def inputs_of(kind: str, circuit: bool) -> list[Inputs | Tensor]:
    return [here(inputs) for inputs in on_processor(kind, circuit)]


def on_processor(kind: str, circuit: bool) -> list[Inputs | Tensor]:
    points = list(clouds().values())
    if kind == "particles":
        return particles(points)
    if kind == "cloud":
        return [each.positions for each in particles(points)]
    if kind == "clusters":
        return [clusters()]
    if kind == "links":
        return links()
    if kind == "glass":
        return [glass(points)]
    if kind == "pedestrians":
        return [pedestrians()]
    return [molecules(points) if circuit else graphs(points)]


def parts(inputs: Inputs | Tensor) -> list[Inputs]:
    """Particles of single samples."""
    assert isinstance(inputs, ParticleInputs)
    return [
        ParticleInputs(*(getattr(inputs, each.name)[i : i + 1] for each in fields(inputs)))
        for i in range(len(inputs.positions))
    ]

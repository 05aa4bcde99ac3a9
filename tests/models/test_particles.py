"""Networks for charged particles: which symmetries they have, exactly."""

import pytest
import torch

from symbench.data.points.particle_inputs import ParticleInputs
from symbench.errors import ConfigError, SymmetryError
from symbench.models.points.egnn import EGNN
from symbench.models.points.particles import (
    Framed,
    GraphNeuralNetwork,
    SignEquivariantParticles,
)
from symbench.models.points.segnn import SEGNNParticles
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.symmetry.symmetry import Symmetry
from symbench.symmetry.testing import assert_equivariant, equivariance_error
from tests.here import here

MODELS = {
    "egnn": lambda d: EGNN(d, hidden=8, layers=2),
    "frame_averaging": lambda d: Framed(d, hidden=8, layers=2),
    "frame_averaging, one frame": lambda d: Framed(d, hidden=8, layers=2, anew=False, drift=False),
    "minimal_frame": lambda d: Framed(d, hidden=8, layers=2, frame="minimal"),
    "sign_equivariant": lambda d: SignEquivariantParticles(d, channels=3, hidden=8, layers=2),
    "sign_equivariant, charges only": lambda d: SignEquivariantParticles(
        d, channels=3, hidden=8, layers=2, pair_invariants=False, drift=False
    ),
}


def inputs(dimension, samples=3):
    generator = torch.Generator().manual_seed(dimension)
    shape = (samples, dimension + 2, dimension)
    positions, velocities = (
        torch.randn(shape, dtype=torch.float64, generator=generator) for _ in range(2)
    )
    charges = 1.0 - 2 * torch.randint(2, shape[:2], generator=generator).double()
    return here(ParticleInputs(positions, velocities, charges))


def rotation(dimension):
    def act(g, values):
        return ParticleInputs(
            rotate(g, values.positions), rotate(g, values.velocities), values.charges
        )

    return Symmetry(OrthogonalGroup(dimension), act, rotate)


def build(name, dimension):
    torch.manual_seed(0)
    model = MODELS[name](dimension).double()
    for parameter in model.parameters():
        # The last layers start small: give every part of the network a say.
        parameter.data += 0.1 * torch.randn_like(parameter)
    return here(model)


@pytest.mark.parametrize("dimension", [2, 3, 5])
@pytest.mark.parametrize("name", MODELS)
def test_rotations_and_reflections(name, dimension):
    symmetry = rotation(dimension)
    elements = symmetry.group.sample(6, torch.Generator().manual_seed(1))
    assert (torch.linalg.det(elements) < 0).any()
    assert_equivariant(build(name, dimension), symmetry, inputs(dimension), 1e-9, elements)


@pytest.mark.parametrize("name", MODELS)
def test_translations(name):
    values = inputs(3)
    offset = here(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))
    moved = ParticleInputs(values.positions + offset, values.velocities, values.charges)
    model = build(name, 3)
    torch.testing.assert_close(model(moved), model(values) + offset, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", [*MODELS, "gnn"])
def test_order_of_particles(name):
    model = here(GraphNeuralNetwork(3, 8, 2).double()) if name == "gnn" else build(name, 3)
    values = inputs(3)
    expected = model(values)
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        order = here(torch.randperm(5, generator=generator))
        moved = model(ParticleInputs(*(v[:, order] for v in vars(values).values())))
        torch.testing.assert_close(moved, expected[:, order], atol=1e-9, rtol=0)


def test_the_plain_network_is_not_equivariant():
    torch.manual_seed(0)
    symmetry = rotation(3)
    elements = symmetry.group.sample(3, torch.Generator().manual_seed(1))
    model = here(GraphNeuralNetwork(3, 8, 2).double())
    assert equivariance_error(model, symmetry, inputs(3), elements) > 0.05


@pytest.mark.parametrize("drift", [True, False])
@pytest.mark.parametrize("dimension", [2, 3, 5, 8])
def test_networks_that_are_compared_are_of_one_size(dimension, drift):
    ours, theirs = (
        sum(parameter.numel() for parameter in build(dimension, drift=drift).parameters())
        for build in (SignEquivariantParticles, Framed)
    )
    assert abs(ours / theirs - 1) < 0.02


@pytest.mark.parametrize("build", [SignEquivariantParticles, Framed])
def test_particles_start_from_their_drift_or_from_the_centroid(build):
    values = inputs(3)
    drifted = values.positions + values.velocities
    centroid = values.positions.mean(dim=1, keepdim=True).expand_as(drifted)
    for drift, expected in ((True, drifted), (False, centroid)):
        model = here(build(3, drift=drift).double())
        for parameter in model.decode.parameters():
            parameter.data.zero_()
        torch.testing.assert_close(model(values), expected)


def test_messages_from_a_particle_to_itself_do_not_count():
    values = inputs(3, samples=1)
    alone = ParticleInputs(*(v[:, :1] for v in vars(values).values()))
    model = build("egnn", 3)
    moved = (model(alone) - alone.positions).detach()
    cross = torch.linalg.cross(moved, alone.velocities)
    assert float(cross.norm()) < 1e-12


def test_egnn_works_in_every_dimension_with_the_same_weights():
    assert sum(p.numel() for p in EGNN(2).parameters()) == sum(
        p.numel() for p in EGNN(8).parameters()
    )


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match=r"Unknown frame 'minimum'.*Did you mean 'minimal'"):
        Framed(3, frame="minimum")
    with pytest.raises(ConfigError, match="segnn: the data have 2 dimensions; it works in 3 only"):
        SEGNNParticles(2)


@pytest.mark.parametrize(
    ("name", "points"),
    [
        pytest.param(
            name,
            points,
            marks=pytest.mark.tried("degenerate clouds", f"{name}: {what} that move", "refused"),
        )
        for name in MODELS
        if name != "egnn"
        for what, points in {
            "two particles in space": [[0.0, 0, 0], [1, 2, 3]],
            "particles on a line": [[0.0, 0, 0], [1, 2, 3], [2, 4, 6], [-3, -6, -9]],
            "the corners of a square": [[1.0, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0]],
        }.items()
    ],
)
def test_particles_that_leave_the_frame_open_are_refused(name, points):
    positions = here(torch.tensor([points]).double())
    velocities = inputs(3).velocities[:1, : len(points)]
    charges = torch.ones(1, len(points)).double()
    values = here(ParticleInputs(positions, velocities, charges))
    with pytest.raises(SymmetryError, match=r"general position|at least 4 points|equal variances"):
        build(name, 3)(values)

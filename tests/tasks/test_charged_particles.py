"""Charged particles: against plain loops, conservation laws, the audit."""

import numpy as np
import pytest
import torch

from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.data.points.charged_particles import (
    TIME_STEP,
    ChargedParticles,
    ParticleData,
    Start,
    forces,
    random_start,
    simulate,
)


@pytest.fixture(scope="module")
def task():
    return ChargedParticles(
        trajectories={"train": 60, "valid": 4, "test": 8}, input_step=100, target_step=200
    )


@pytest.fixture(scope="module")
def folder(task, tmp_path_factory):
    directory = tmp_path_factory.mktemp("particles")
    task.fetch(directory)
    return directory


def plain_loop(start, trajectory, steps):
    """The published integrator, particle by particle and step by step."""
    x = start.positions[trajectory].copy()
    v = start.velocities[trajectory].copy()
    q = start.charges[trajectory]

    def force(i):
        total = np.zeros(x.shape[1])
        for j in range(len(x)):
            if j != i:
                difference = x[i] - x[j]
                total += q[i] * q[j] * difference / np.linalg.norm(difference) ** 3
        return np.clip(total, -100, 100)

    v += 1e-3 * np.array([force(i) for i in range(len(x))])
    for step in range(1, steps + 1):
        x += 1e-3 * v
        stored = x.copy(), v.copy()
        if step < steps:
            v += 1e-3 * np.array([force(i) for i in range(len(x))])
    return stored


@pytest.mark.parametrize("dimension", [2, 3, 6])
def test_the_vectorised_simulator_is_the_published_one(dimension):
    start = random_start(np.random.default_rng(0), 3, max(5, dimension + 2), dimension)
    positions, velocities = simulate(start, (40, 120))
    for trajectory in range(3):
        for row, steps in enumerate((40, 120)):
            x, v = plain_loop(start, trajectory, steps)
            np.testing.assert_allclose(positions[row, trajectory], x, atol=1e-11)
            np.testing.assert_allclose(velocities[row, trajectory], v, atol=1e-11)


def test_law_of_the_starts():
    """Closed forms: moments of positions, speeds, charges, and independence."""
    start = random_start(np.random.default_rng(1), 20000, 5, 3)
    assert start.positions.std() == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(np.linalg.norm(start.velocities, axis=-1), 0.5, rtol=1e-12)
    assert start.charges.mean() == pytest.approx(0, abs=0.01)
    assert set(np.unique(start.charges)) == {-1, 1}
    covariance = np.cov(start.velocities.reshape(-1, 3).T)
    np.testing.assert_allclose(covariance, np.eye(3) * 0.25 / 3, atol=2e-3)
    larger = random_start(np.random.default_rng(1), 5000, 10, 8)
    assert larger.positions.std() == pytest.approx(2 ** (1 / 3), abs=0.01)


# Mean and standard error over 400 trajectories of `plain_loop`, 400 steps from starts drawn one by
# one (seed 2): mean |x|², median speed, mean distance of pairs, share of pairs nearer than a half,
# mean way of a particle.
STORED = {
    "size": (3.0711, 0.058),
    "speed": (0.5954, 0.0066),
    "distance": (2.3097, 0.0246),
    "near": (0.0150, 0.0018),
    "way": (0.2205, 0.0017),
}


def test_trajectories_have_the_stored_statistics():
    start = random_start(np.random.default_rng(6), 2000, 5, 3)
    positions, velocities = simulate(start, (400,))
    x, pair = positions[0], np.triu_indices(5, 1)
    distance = np.linalg.norm(x[:, :, None] - x[:, None], axis=-1)[:, pair[0], pair[1]]
    found = {
        "size": (x**2).sum(axis=-1).mean(axis=1),
        "speed": np.median(np.linalg.norm(velocities[0], axis=-1), axis=1),
        "distance": distance.mean(axis=1),
        "near": (distance < 0.5).mean(axis=1),
        "way": np.linalg.norm(x - start.positions, axis=-1).mean(axis=1),
    }
    for name, (mean, error) in STORED.items():
        values = found[name]
        spread = np.hypot(error, values.std() / len(values) ** 0.5)
        assert abs(values.mean() - mean) < 4 * spread, name


def test_the_centre_of_mass_moves_freely():
    start = random_start(np.random.default_rng(3), 4000, 5, 3)
    positions, velocities = simulate(start, (1000,))
    centre = positions[0].mean(axis=1)
    # The centre of mass moves freely: E|c|² = 3/5 + t² 0.25/5 with t = 1.
    assert (centre**2).sum(axis=-1).mean() == pytest.approx(3 / 5 + 0.25 / 5, abs=0.02)
    drift = start.positions.mean(axis=1) + start.velocities.mean(axis=1)
    close = np.abs(centre - drift).max(axis=1) < 1e-9
    # Clipped forces do not cancel: pairs that come within a tenth do so in every fourth trajectory.
    assert 0.6 < close.mean() < 0.9
    assert np.isfinite(velocities).all()


def energy(positions, velocities, charges):
    kinetic = 0.5 * (velocities**2).sum(axis=(-1, -2))
    difference = positions[:, :, None] - positions[:, None]
    distance = np.sqrt((difference**2).sum(axis=-1)) + np.eye(positions.shape[1])
    products = charges[:, :, None] * charges[:, None]
    potential = 0.5 * ((products / distance) * (1 - np.eye(positions.shape[1]))).sum(axis=(-1, -2))
    return kinetic + potential


def test_energy_is_conserved_as_well_as_the_integrator_allows():
    """Where no pair comes close, with the velocity taken half a leap ahead: second order."""
    start = random_start(np.random.default_rng(4), 300, 5, 3)
    positions, velocities = simulate(start, tuple(range(1, 1001, 10)))
    difference = positions[:, :, :, None] - positions[:, :, None]
    distance = np.linalg.norm(difference, axis=-1) + 10 * np.eye(5)
    apart = distance.min(axis=(0, 2, 3)) > 0.4
    assert apart.sum() > 50
    products = start.charges[:, :, None] * start.charges[:, None] * (1 - np.eye(5))
    energies = [
        energy(x, v + 0.5 * TIME_STEP * forces(x, products), start.charges)
        for x, v in zip(positions, velocities, strict=True)
    ]
    change = np.abs(np.stack(energies) - energies[0])[:, apart]
    assert change.max() < 1e-4


def test_walls_reflect_starts_only():
    rng = np.random.default_rng(5)
    start = random_start(rng, 3000, 60, 2)
    assert np.abs(start.positions).max() < 10
    positions, _ = simulate(Start(*(values[:20] for values in start)), (50,))
    assert np.isfinite(positions).all()


def test_audit_finds_the_clipping_of_forces(task, folder, monkeypatch):
    """The published law clips by component, which no rotation respects; nothing else is broken."""
    data = ParticleData.open(folder, None, 0)
    clipped = data.audit("O(3)", task)
    assert any(element.dynamics_error > 1e-4 for element in clipped)
    monkeypatch.setattr("symbench.data.points.charged_particles.LARGEST_FORCE", np.inf)
    unclipped = data.audit("O(3)", task)
    assert all(element.passed for element in unclipped)
    assert max(element.dynamics_error for element in unclipped) < 1e-6


def test_symmetry(folder):
    data = ParticleData.open(folder, None, 0)
    with pytest.raises(SymmetryError, match=r"O\(3\), SO\(3\)"):
        data.symmetry("O(4)")
    batch = data.split("test").batch(np.arange(3)[:, None])
    symmetry = data.symmetry("O(3)")
    each = symmetry.group.sample(3, torch.Generator().manual_seed(0))
    moved = symmetry.act_on_input(each, batch.inputs)
    for sample in range(3):
        expected = batch.inputs.positions[sample] @ each[sample].T.float()
        torch.testing.assert_close(moved.positions[sample], expected)


def test_audit_finds_a_law_that_is_not_invariant(task, folder, tmp_path):
    import h5py

    for split in ("train", "valid", "test"):
        (tmp_path / f"{split}.hdf5").write_bytes((folder / f"{split}.hdf5").read_bytes())
    with h5py.File(tmp_path / "train.hdf5", "a") as file:
        file["positions"][..., 2] *= 3
    audits = ParticleData(tmp_path).audit("O(3)", task)
    assert not all(element.passed for element in audits)


def test_bad_input(folder, tmp_path):
    with pytest.raises(ConfigError, match="train, valid, test"):
        ChargedParticles(trajectories={"train": 1})
    with pytest.raises(ConfigError, match="ascend"):
        ChargedParticles(
            trajectories={"train": 1, "valid": 1, "test": 1}, input_step=5, target_step=5
        )
    with pytest.raises(DataError, match="cannot be read"):
        ParticleData(tmp_path)

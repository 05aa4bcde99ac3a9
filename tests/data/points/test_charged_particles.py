"""Charged particles: against plain loops, conservation laws, the audit."""

import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch

from symbench.data.arrays import read_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.points import charged_particles
from symbench.data.points.charged_particles import (
    TIME_STEP,
    Background,
    ChargedParticles,
    Start,
    forces,
    random_start,
    simulate,
)
from symbench.data.points.particle_data import DISTURBANCE, ParticleData
from symbench.data.raw_files import RawFiles
from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.symmetry.points.matrix_groups import OrthogonalGroup

COUNTS = {"train": 60, "valid": 4, "test": 8}


@pytest.fixture(scope="module")
def dataset():
    return ChargedParticles(trajectories=COUNTS, input_step=100, target_step=200)


@pytest.fixture(scope="module")
def folder(dataset, tmp_path_factory):
    directory = tmp_path_factory.mktemp("particles")
    dataset.fetch(directory, RawFiles())
    return directory


@pytest.fixture(scope="module")
def data(dataset, folder):
    return dataset.open(folder, TaskOptions(), 0)


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


def test_audit_finds_the_clipping_of_forces(dataset, data, monkeypatch):
    """The published law clips by component, which no rotation respects; nothing else is broken."""
    clipped = data.audit("O(3)", dataset)
    assert any(element.dynamics_error > 1e-4 for element in clipped)
    monkeypatch.setattr(charged_particles, "LARGEST_FORCE", np.inf)
    unclipped = data.audit("O(3)", dataset)
    assert all(element.passed for element in unclipped)
    assert max(element.dynamics_error for element in unclipped) < 1e-6


def test_dynamics_errors_are_those_of_the_elements_given(dataset):
    """A signed permutation of axes commutes with clipping by component; a random rotation not."""
    permutation = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, -1]], dtype=torch.float64)
    rotation = OrthogonalGroup(3).sample(1, torch.Generator().manual_seed(0))
    exact, broken = dataset.dynamics_errors("O(3)", torch.cat([permutation[None], rotation]))
    assert exact < 1e-9
    assert broken > 1e-4
    with pytest.raises(SymmetryError, match="orthogonal"):
        dataset.dynamics_errors("SO(3)", -torch.eye(3)[None])
    with pytest.raises(SymmetryError, match="does not act"):
        dataset.dynamics_errors("O(2)", torch.eye(2)[None])


def test_symmetry(data):
    with pytest.raises(SymmetryError, match=r"O\(3\), SO\(3\)"):
        data.symmetry("O(4)")
    batch = data.split("test").batch(np.arange(3)[:, None])
    symmetry = data.symmetry("O(3)")
    each = symmetry.group.sample(3, torch.Generator().manual_seed(0))
    moved = symmetry.act_on_input(each, batch.inputs)
    targets = symmetry.act_on_output(each, batch.targets)
    for sample in range(3):
        matrix = each[sample].T.float()
        for actual, still in (
            (moved.positions, batch.inputs.positions),
            (moved.velocities, batch.inputs.velocities),
            (targets, batch.targets),
        ):
            torch.testing.assert_close(actual[sample], still[sample] @ matrix)
    assert torch.equal(moved.charges, batch.inputs.charges)


def test_frames_are_elements_of_the_group(data):
    """Principal axes come with all signs; the half that reflects is none for SO(3)."""
    inputs = data.split("test").batch(np.arange(3)[:, None]).inputs
    frame = data.symmetry("O(3)").frame(inputs)
    assert frame.shape == (8, 3, 3, 3)
    assert (torch.linalg.det(frame) < 0).sum() == 12
    rotations = data.symmetry("SO(3)").frame(inputs)
    assert rotations.shape == (4, 3, 3, 3)
    assert (torch.linalg.det(rotations) > 0).all()


def test_groups_are_checked_without_data(dataset):
    for name in ("O(3)", "SO(3)"):
        dataset.check_group(name)
    for name in ("O(2)", "SO(4)", "D4", "signs(3)"):
        with pytest.raises(SymmetryError, match=r"3 dimensions; allowed: O\(3\), SO\(3\)"):
            dataset.check_group(name)


def test_audit_finds_a_law_that_is_not_invariant(dataset, folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    with h5py.File(copy / "train.hdf5", "a") as file:
        file["positions"][..., 2] *= 3
    audits = ParticleData(copy).audit("O(3)", dataset)
    assert not all(element.passed for element in audits)


def test_values_and_scores(dataset, data):
    split = data.split("test")
    batch = split.batch(split.samples[:4])
    wrong = batch.targets + 0.1
    scores = split.scores(wrong, batch)
    torch.testing.assert_close(scores["mse"], torch.full((4,), 0.01), rtol=1e-4, atol=0)
    assert {score.name for score in dataset.scores} == set(scores)
    assert [score.better for score in dataset.scores] == ["lower", "higher"]
    assert split.quantities == tuple(split.values_of(wrong, batch)) == ("position",)
    values, truth = (split.values_of(x, batch)["position"] for x in (wrong, batch.targets))
    assert values.shape == (4, 15)
    torch.testing.assert_close((values - truth).square().mean(dim=1), scores["mse"])


def test_disturbed_inputs_differ_in_positions_by_what_is_said(data):
    batch = data.split("train").batch(np.arange(60)[:, None])
    moved, size = data.split("train").disturbed(batch, torch.Generator().manual_seed(0))
    change = (moved.positions - batch.inputs.positions).square().mean().sqrt()
    assert size == DISTURBANCE
    assert float(change) == pytest.approx(size, rel=0.1)
    assert torch.equal(moved.velocities, batch.inputs.velocities)


def test_the_manifest_tells_all_that_decides_the_data(dataset, tmp_path):
    small = ChargedParticles(
        trajectories={"train": 2, "valid": 1, "test": 1}, input_step=2, target_step=3, field=1.5
    )
    manifest = small.fetch(tmp_path, RawFiles())
    assert {path.name for path in manifest.files} == {"train.hdf5", "valid.hdf5", "test.hdf5"}
    assert manifest.parameters["field"] == 1.5
    assert manifest.parameters["target_step"] == 3
    assert manifest.parameters["particles"] == 5


def test_a_field_breaks_the_symmetry_and_nothing_else_does(tmp_path, monkeypatch):
    """Gravity moves all particles alike: (v0 t - g t² / 2) on top of the free motion."""
    counts = {"train": 6, "valid": 2, "test": 4}
    names = {"plain": 0.0, "heavy": 2.0}
    datasets = {
        name: ChargedParticles(trajectories=counts, input_step=20, target_step=40, gravity=g)
        for name, g in names.items()
    }
    for name, each in datasets.items():
        each.fetch(tmp_path / name, RawFiles())
    a, b = (read_arrays(tmp_path / name / "test.hdf5") for name in names)
    np.testing.assert_array_equal(a["velocities"], b["velocities"])  # not yet at the input step
    fall = 2.0 * 1e-6 * 20 * 21 / 2
    np.testing.assert_allclose(a["targets"][..., 2] - b["targets"][..., 2], fall, rtol=1e-6)
    np.testing.assert_allclose(a["targets"][..., :2], b["targets"][..., :2], atol=1e-12)
    # Clipped forces break it too: in every fourth trajectory or so.
    monkeypatch.setattr(charged_particles, "LARGEST_FORCE", np.inf)
    opened = ParticleData(tmp_path / "plain")
    errors = [
        np.mean([e.dynamics_error for e in opened.audit("O(3)", each)])
        for each in datasets.values()
    ]
    assert errors[0] < 1e-6
    assert errors[1] > 5e-4
    np.testing.assert_allclose(
        Background(field=3.0).forces(np.array([[1.0, -1.0]]), 0), [[3.0, -3.0]]
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"trajectories": {"train": 1}}, "'valid' is missing"),
        ({"trajectories": {"train": 1, "valid": 0, "test": 1}}, r"valid of \w+ is 0"),
        ({"trajectories": {"train": True, "valid": 1, "test": 1}}, r"train of \w+ is True"),
        ({"trajectories": 5}, "trajectories of ChargedParticles is 5"),
        pytest.param(
            {"particles": 0},
            "particles of ChargedParticles is 0.*equal to 2",
            marks=pytest.mark.tried("points, graphs and shapes", "no particles", "refused"),
        ),
        ({"particles": True}, "particles of ChargedParticles is True"),
        ({"dimension": 1}, "dimension of ChargedParticles is 1"),
        ({"dimension": "3"}, "dimension of ChargedParticles is '3'"),
        ({"input_step": 5, "target_step": 5}, "input_step is 5 and target_step is 5"),
        ({"input_step": 0}, "input_step of ChargedParticles is 0"),
        ({"gravity": float("nan")}, "gravity of ChargedParticles is nan"),
        ({"field": True}, "field of ChargedParticles is True"),
        ({"seed": -1}, "seed of ChargedParticles is -1"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ConfigError, match=message):
        ChargedParticles(**{"trajectories": COUNTS, **parameters})


def test_folders_without_particles_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"test\.hdf5 does not exist"):
        ParticleData(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    with h5py.File(copy / "test.hdf5", "a") as file:
        del file["charges"]
        file["charges"] = np.ones((8, 4))
    with pytest.raises(DataError, match=r"test\.hdf5 holds no particles: .*charges of shape"):
        ParticleData(copy)


def test_generators_are_imported_without_torch():
    """The whole config is checked through them, before any job starts."""
    code = (
        "import sys\n"
        "from symbench.data.points.charged_particles import ChargedParticles\n"
        "from symbench.data.points.clouds import ModelNet40, SurfacePoints\n"
        "from symbench.data.points.motion import Motion\n"
        "counts = {'train': 1, 'valid': 1, 'test': 1}\n"
        "for dataset in (\n"
        "    ChargedParticles(trajectories=counts),\n"
        "    Motion(file='a', samples=counts),\n"
        "    SurfacePoints(file='a', samples=counts),\n"
        "    ModelNet40(samples=counts),\n"
        "):\n"
        "    dataset.check_group('SO(3)'), dataset.scores, dataset.test_sets\n"
        "print(*{'torch', 'jax', 'scipy', 'pandas', 'pooch'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

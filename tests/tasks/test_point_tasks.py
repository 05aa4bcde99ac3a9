"""Molecules, motion and shapes: real data in small, formats, corruptions, errors."""

import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.data.arrays import read_arrays
from symbench.data.points.charged_particles import Background, ChargedParticles, ParticleData
from symbench.data.molecules.extended_xyz import read_extended_xyz
from symbench.data.molecules.acetylacetone import TEST_SETS, Acetylacetone, MoleculeData
from symbench.data.points.motion import Motion, MotionData, skeleton
from symbench.data.points.point_graph import complete_edges, graph_axes, turn_graph
from symbench.data.molecules.qm9 import HARTREE, QM9, TARGETS, PropertyData
from symbench.data.points.shapes import (
    CloudData,
    ModelNet40,
    SurfacePoints,
    VoxelData,
    VoxelShapes,
    normalised,
    surface_points,
)

FIXTURES = Path(__file__).parents[1] / "fixtures"


def fetched(task, directory):
    task.folders = [FIXTURES]
    task.fetch(directory)
    return directory


@pytest.fixture(scope="module")
def molecules(tmp_path_factory):
    task = Acetylacetone(samples={"train": 30, "valid": 10, "test": 20}, file="acac_small.hdf5")
    return MoleculeData(fetched(task, tmp_path_factory.mktemp("molecules")))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    task = Motion(file="cmu_mocap_run.hdf5", samples={"train": 200, "valid": 600, "test": 600})
    return MotionData(fetched(task, tmp_path_factory.mktemp("run")))


def test_configurations_are_those_of_the_file(molecules):
    split = molecules.split("train")
    batch = split.batch(np.array([[3], [0]]))
    with h5py.File(FIXTURES / "acac_small.hdf5") as file:
        group = file["train_300K"]
        energy = group["energy"][()] - group["energy"][()].mean()
        np.testing.assert_allclose(batch.inputs.positions[:15], group["position"][3], atol=1e-6)
        np.testing.assert_allclose(batch.targets[15:, 1:], group["force"][0], atol=1e-5)
        np.testing.assert_allclose(15 * batch.targets[0, 0], energy[3], atol=1e-5)
    assert batch.inputs.edges.shape == (2, 2 * 15 * 14)
    assert set(molecules.variants()) == {name for name in TEST_SETS if name}


def test_errors_of_molecules_are_in_milli_units(molecules):
    split = molecules.split("test")
    batch = split.batch(split.samples[:4])
    wrong = batch.targets + torch.tensor([0.001, 0.002, -0.002, 0.002])
    scores = split.scores(wrong, batch)
    np.testing.assert_allclose(scores["energy_mae"], 15.0, rtol=1e-3)  # 1 meV per atom
    np.testing.assert_allclose(scores["force_mae"], 2.0, rtol=1e-3)
    without_forces = molecules.variants()["dihedral"]
    assert set(without_forces.scores(wrong, batch)) == {"energy_mae"}


def test_outputs_of_molecules_turn_sample_by_sample(molecules):
    symmetry = molecules.symmetry("O(3)")
    split = molecules.split("train")
    batch = split.batch(split.samples[:2])
    elements = OrthogonalGroup(3).sample(2, torch.Generator().manual_seed(0)).float()
    turned = symmetry.act_on_output(elements, batch.targets)
    torch.testing.assert_close(turned[:, 0], batch.targets[:, 0])
    for k in range(2):
        rows = slice(15 * k, 15 * k + 15)
        torch.testing.assert_close(turned[rows, 1:], batch.targets[rows, 1:] @ elements[k].T)


def test_the_published_split_of_the_run(run):
    """40 start frames of each of five trials; validation and test have all 80 of three."""
    assert [len(run.split(name).samples) for name in ("train", "valid", "test")] == [200, 240, 240]
    with h5py.File(FIXTURES / "cmu_mocap_run.hdf5") as file:
        track = file["trials/01/position"][()]
        start = file["split/train/01"][0]
    batch = run.split("train").batch(np.array([[0]]))
    np.testing.assert_allclose(batch.inputs.positions, track[start])
    np.testing.assert_allclose(batch.inputs.velocities, track[start + 1] - track[start])
    for place, ahead in enumerate((26, 27, 28, 29, 30)):
        np.testing.assert_allclose(batch.targets[:, place], track[start + ahead])
    np.testing.assert_allclose(batch.inputs.scalars[:, 0], track[start][:, 1] / 10)


def test_trials_without_a_split_are_split_by_trial(tmp_path):
    with (
        h5py.File(FIXTURES / "cmu_mocap_run.hdf5") as source,
        h5py.File(tmp_path / "walk.hdf5", "w") as target,
    ):
        source.copy("trials", target)
        source.copy("edges", target)
        target.attrs.update(source.attrs)
    task = Motion(file="walk.hdf5", samples={"train": 60, "valid": 20, "test": 20})
    task.folders = [tmp_path]
    parts = task._split({str(k): np.zeros((100, 31, 3)) for k in range(20)})
    names = [set(part) for part in parts.values()]
    assert len(names[0] | names[1] | names[2]) == 20
    assert sorted(map(len, names)) == [5, 5, 10]
    task.fetch(tmp_path / "data")
    data = MotionData(tmp_path / "data")
    assert bool(torch.isfinite(data.split("train").targets).all())


def test_gravity_is_found_by_the_audit(run):
    audits = run.audit("O(3)", None)
    assert not any(audit.passed for audit in audits)


def test_a_skeleton_knows_two_bones():
    edges, distance = skeleton(np.array([[0, 1], [1, 2], [2, 3]]), 4)
    known = {tuple(edge): d for edge, d in zip(edges.tolist(), distance, strict=True)}
    assert known[0, 1] == known[2, 1] == 1
    assert known[0, 2] == known[3, 1] == 2
    assert (0, 3) not in known
    assert (0, 0) not in known


def test_frames_of_graphs_are_canonical(run):
    split = run.split("test")
    for sample in (0, 100, 200):
        graph = split.batch(split.samples[sample : sample + 1]).inputs
        element = OrthogonalGroup(3).sample(1, torch.Generator().manual_seed(2)).float()
        moved = turn_graph(element, graph)
        poses, others = (
            [turn_graph(g, each).positions for g in graph_axes(each)] for each in (graph, moved)
        )
        for pose in poses:
            nearest = min(float((pose - other).abs().max()) for other in others)
            assert nearest < 1e-3 * float(pose.abs().max())
    assert complete_edges(2, 3).shape == (2, 12)


def test_the_surface_of_a_box_has_no_inside():
    occupied = np.zeros((32, 32, 32), dtype=bool)
    occupied[8:24, 10:20, 12:30] = True
    points = surface_points(occupied, 500, np.random.default_rng(0))
    assert points.shape == (500, 3)
    np.testing.assert_allclose(np.linalg.norm(normalised(points), axis=1).max(), 1)
    inside = occupied.copy()
    inside[9:23, 11:19, 13:29] = False
    shell = surface_points(inside, 500, np.random.default_rng(0))
    np.testing.assert_allclose(points, shell)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory):
    task = SurfacePoints(
        file="made_up_voxels.hdf5", points=40, samples={"train": 30, "valid": 6, "test": 12}
    )
    return CloudData(fetched(task, tmp_path_factory.mktemp("clouds")))


def test_turned_clouds_are_the_same_shapes_in_random_poses(clouds, tmp_path):
    counts = {"train": 30, "valid": 6, "test": 12}
    task = SurfacePoints(file="made_up_voxels.hdf5", points=40, samples=counts, random_poses=True)
    turned = CloudData(fetched(task, tmp_path)).split("train").shapes.double()
    upright = clouds.split("train").shapes.double()
    torch.testing.assert_close(torch.cdist(turned, turned), torch.cdist(upright, upright))
    rotations = torch.linalg.lstsq(upright, turned).solution
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(30).double())
    # Uniform rotations have entries of mean 0 and variance 1/3.
    assert float(rotations.mean(dim=0).abs().max()) < 4 * (1 / 3 / 30) ** 0.5
    assert float(rotations.square().mean()) == pytest.approx(1 / 3)


def test_corruptions_do_what_they_say_and_always_the_same(clouds):
    variants = clouds.variants()
    clean = clouds.split("test").batch(np.arange(4)[:, None]).inputs
    again = {
        name: [split.batch(np.arange(4)[:, None]).inputs for _ in range(2)]
        for name, split in variants.items()
    }
    assert all(torch.equal(*pair) for pair in again.values())
    assert again["drop_half"][0].shape == (4, 20, 3)
    assert 0.03 < float((again["noise_005"][0] - clean).std()) < 0.07
    upright = again["turned_upright"][0]
    torch.testing.assert_close(upright[..., 2], clean[..., 2])
    free = again["turned_freely"][0]
    torch.testing.assert_close(free.norm(dim=2), clean.norm(dim=2))
    assert float((free[..., 2] - clean[..., 2]).abs().max()) > 0.1


def test_voxels_turn_exactly(tmp_path):
    task = VoxelShapes(file="made_up_voxels.hdf5", samples={"train": 12, "valid": 3, "test": 6})
    data = VoxelData(fetched(task, tmp_path))
    symmetry = data.symmetry("O_h")
    shapes = data.split("train").batch(np.arange(3)[:, None]).inputs
    assert symmetry.group.order == 48
    for element in (1, 17, 40):
        moved = symmetry.act_on_input(element, shapes)
        back = symmetry.act_on_input(symmetry.group.inverse(element), moved)
        assert torch.equal(back, shapes)
        assert moved.sum() == shapes.sum()
    assert len(data.audit("O_h", None)) == 47


def qm9_archive(directory, molecules, broken=False):
    """A small file in the format of the raw one."""
    blocks, rows = [], ["mol_id,A,B,C," + ",".join(TARGETS)]
    for number, atoms in enumerate(molecules, start=1):
        lines = [f"gdb_{number}", "  -OEChem-", "", f"{len(atoms):3d}  0  0     0  0  0 V2000"]
        lines += [f"{x:10.4f}{y:10.4f}{z:10.4f} {name}   0  0" for name, x, y, z in atoms]
        blocks.append("\n".join([*lines, "M  END", "$$$$"]))
        rows.append(
            f"gdb_{number},0,0,0," + ",".join(str(number + k / 100) for k in range(len(TARGETS)))
        )
    text = "\n".join(blocks) + "\n"
    with zipfile.ZipFile(directory / "qm9.zip", "w") as archive:
        archive.writestr("gdb9.sdf", text[: len(text) // 2] if broken else text)
        archive.writestr("gdb9.sdf.csv", "\n".join(rows))
    (directory / "3195404").write_text("header\n\n   3  C1 0.1\n   5  C2 0.2\n")


WATER = [("O", 0, 0, 0), ("H", 0.96, 0, 0), ("H", -0.24, 0.93, 0)]
AMMONIA = [("N", 0, 0, 0), ("H", 0.9, 0, 0.3), ("H", -0.5, 0.8, 0.3), ("H", -0.5, -0.8, 0.3)]


def test_qm9_reads_the_raw_format(tmp_path):
    qm9_archive(tmp_path, [WATER, AMMONIA] * 6)
    task = QM9(target="homo", samples={"train": 6, "valid": 2, "test": None})
    task.folders = [tmp_path]
    task.fetch(tmp_path / "data")
    arrays = [read_arrays(tmp_path / "data" / f"{s}.hdf5") for s in ("train", "valid", "test")]
    # Twelve molecules, without the third and the fifth.
    assert [len(part["nodes"]) for part in arrays] == [6, 2, 2]
    targets = np.sort(np.concatenate([part["targets"] for part in arrays])) / HARTREE
    kept = [k for k in range(1, 13) if k not in (3, 5)]
    np.testing.assert_allclose(targets, np.array(kept) + 0.02)
    settings = type("Settings", (), {"parameters": {"target": "homo"}})
    data = PropertyData.open(tmp_path / "data", settings, 0)
    assert data.units == {"mae": "meV"}
    split = data.split("train")
    batch = split.batch(split.samples[:3])
    assert batch.inputs.samples == 3
    assert float(split.scores(batch.targets + 2.0, batch)["mae"].mean()) == pytest.approx(
        2, rel=1e-3
    )


def test_total_energies_lose_what_their_atoms_say(tmp_path):
    qm9_archive(tmp_path, [WATER, AMMONIA] * 6)
    task = QM9(target="u0", samples={"train": 8, "valid": 1, "test": 1})
    task.folders = [tmp_path]
    task.fetch(tmp_path / "data")
    train = read_arrays(tmp_path / "data" / "train.hdf5")
    of_water = train["targets"][train["nodes"] == 3]
    assert abs(of_water.mean()) < 1e-6 * HARTREE


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: QM9(target="energy", samples={}), ConfigError, "Unknown target of QM9"),
        (lambda: QM9(target="u0", samples={"train": 1}), ConfigError, "at least 1"),
        (
            lambda: Motion(file="a", samples={"train": 1, "valid": 1, "test": 1}, time_steps=99),
            ConfigError,
            "time_steps=99",
        ),
    ],
)
def test_bad_settings_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_bad_files_are_named(tmp_path):
    counts = {"train": 1, "valid": 1, "test": 1}
    with pytest.raises(DataError, match=r"nowhere.hdf5 is in no folder.*not downloaded"):
        Motion(file="nowhere.hdf5", samples=counts).fetch(tmp_path)
    (tmp_path / "text.hdf5").write_text("no HDF5")
    for task in (
        Motion(file="text.hdf5", samples=counts),
        VoxelShapes(file="text.hdf5", samples=counts),
        Acetylacetone(file="text.hdf5", samples=counts),
    ):
        task.folders = [tmp_path]
        with pytest.raises(DataError, match=r"text.hdf5 holds no"):
            task.fetch(tmp_path / "out")
    qm9_archive(tmp_path, [WATER] * 9, broken=True)
    task = QM9(target="u0", samples=counts)
    task.folders = [tmp_path]
    with pytest.raises(DataError, match="damaged at molecule"):
        task.fetch(tmp_path / "out")
    with pytest.raises(DataError, match="30 \\+ 300 samples"):
        fetched(
            Acetylacetone(samples={"train": 30, "valid": 300, "test": 1}, file="acac_small.hdf5"),
            tmp_path,
        )


def test_extended_xyz(tmp_path):
    text = (
        "2\n"
        'Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.5 pbc="F F F"\n'
        "H 0 0 0 0.1 0 0\n"
        "O 0 0 1 -0.1 0 0\n"
    )
    path = tmp_path / "two.xyz"
    path.write_text(text * 2)
    arrays = read_extended_xyz(path)
    np.testing.assert_array_equal(arrays["atomic_number"], [1, 8])
    np.testing.assert_array_equal(arrays["energy"], [-1.5, -1.5])
    np.testing.assert_array_equal(arrays["force"][1, 1], [-0.1, 0, 0])
    path.write_text(text[:-12])
    with pytest.raises(DataError, match="no extended XYZ"):
        read_extended_xyz(path)


def test_modelnet40_reads_the_published_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "modelnet40_ply_hdf5_2048.zip", "w") as archive:
        for split, count in (("train", 20), ("test", 6)):
            path = tmp_path / f"ply_data_{split}0.h5"
            with h5py.File(path, "w") as file:
                rng = np.random.default_rng(count)
                file["data"] = rng.normal(size=(count, 64, 3)).astype(np.float32)
                file["label"] = np.arange(count).reshape(-1, 1).astype(np.uint8) % 5
            archive.write(path, f"modelnet40_ply_hdf5_2048/{path.name}")
    task = ModelNet40(points=16, samples={"train": None, "valid": None, "test": None})
    task.folders = [tmp_path]
    task.fetch(tmp_path / "data")
    data = CloudData(tmp_path / "data")
    assert [len(data.split(s).samples) for s in ("train", "valid", "test")] == [18, 2, 6]
    assert data.model_arguments() == {"classes": 5}


def test_a_field_breaks_the_symmetry_and_nothing_else_does(tmp_path, monkeypatch):
    """Gravity moves all particles alike: (v0 t - g t² / 2) on top of the free motion."""
    counts = {"train": 6, "valid": 2, "test": 4}
    plain, heavy = (
        ChargedParticles(trajectories=counts, input_step=20, target_step=40, gravity=g)
        for g in (0.0, 2.0)
    )
    plain.fetch(tmp_path / "plain")
    heavy.fetch(tmp_path / "heavy")
    a, b = (read_arrays(tmp_path / name / "test.hdf5") for name in ("plain", "heavy"))
    np.testing.assert_array_equal(a["velocities"], b["velocities"])  # not yet at the input step
    fall = 2.0 * 1e-6 * 20 * 21 / 2
    np.testing.assert_allclose(a["targets"][..., 2] - b["targets"][..., 2], fall, rtol=1e-6)
    np.testing.assert_allclose(a["targets"][..., :2], b["targets"][..., :2], atol=1e-12)
    # Clipped forces break it too: in every fourth trajectory or so.
    monkeypatch.setattr("symbench.data.points.charged_particles.LARGEST_FORCE", np.inf)
    errors = [
        np.mean([e.dynamics_error for e in ParticleData(tmp_path / "plain").audit("O(3)", task)])
        for task in (plain, heavy)
    ]
    assert errors[0] < 1e-6
    assert errors[1] > 5e-4
    np.testing.assert_allclose(
        Background(field=3.0).forces(np.array([[1.0, -1.0]]), 0), [[3.0, -3.0]]
    )
    with pytest.raises(SymmetryError, match="does not act on points"):
        ParticleData(tmp_path / "plain").symmetry("D4")

"""Darcy flow: the file and its checksum, the boundary on one side, the audit, what is measured."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import spsolve

from symbench.config.registry import resolve
from symbench.config.settings import EvaluationSettings
from symbench.data.dataset import TaskOptions
from symbench.data.fields import neuraloperator_files
from symbench.data.fields.darcy import Darcy
from symbench.errors import AuditError, DataError, SymmetryError
from symbench.evaluation.measure import Measurement
from symbench.files import sha256
from symbench.models.homotopy import project
from symbench.symmetry.audit import Verdict, refuse_broken
from tests.conftest import fetched

SAMPLES = {"train": 100, "valid": 20, "test": 5}


def solved(a):
    """-div(a grad u) = 1 by finite differences, u = 0 at the nodes around; a of shape (n, n)."""
    number = np.arange(a.size).reshape(a.shape)
    neighbours = [(number[1:], number[:-1]), (number[:, 1:], number[:, :-1])]
    i, j = (
        np.concatenate([part.ravel() for part in side]) for side in zip(*neighbours, strict=True)
    )
    flow = coo_array(((a.flat[i] + a.flat[j]) / 2, (i, j)), shape=(a.size, a.size))
    flow = flow + flow.T
    outside = 4 - np.bincount(np.concatenate([i, j]))
    matrix = diags_array(flow.sum(axis=1) + outside * a.ravel()) - flow
    return spsolve(matrix.tocsc() * (len(a) + 1) ** 2, np.ones(a.size)).reshape(a.shape)


def made_up(rng, samples, nodes):
    """Coefficients of 3 and 12 and their solutions on nodes that begin on the boundary."""
    blobs = gaussian_filter(rng.normal(size=(samples, nodes, nodes)), (0, 2, 2), mode="wrap")
    coefficient = blobs > 0
    solution = np.zeros(coefficient.shape)
    for inner, a in zip(solution, coefficient, strict=True):
        inner[1:, 1:] = solved(3.0 + 9.0 * a[1:, 1:])
    return coefficient, solution.astype(np.float32)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with small files in the layout of the published ones."""
    folder = tmp_path_factory.mktemp("package")
    rng = np.random.default_rng(0)
    for part, samples, nodes in (("train_16", 120, 16), ("test_16", 5, 16), ("test_32", 5, 32)):
        coefficient, solution = map(torch.from_numpy, made_up(rng, samples, nodes))
        torch.save({"x": coefficient, "y": solution}, folder / f"darcy_{part}.pt")
    return folder


@pytest.fixture
def package(made, monkeypatch):
    """These files in place of the package."""
    monkeypatch.setattr(neuraloperator_files, "package_folder", lambda: made)
    for path in made.iterdir():
        monkeypatch.setitem(neuraloperator_files.CHECKSUMS, path.name, sha256(path))
    return made


@pytest.fixture
def data(package, tmp_path):
    """The data without the boundary, opened."""
    dataset = Darcy(samples=SAMPLES)
    return dataset.open(fetched(dataset, tmp_path / "data"), TaskOptions(), 0)


def audited(dataset, folder):
    opened = dataset.open(fetched(dataset, folder), TaskOptions(), 0)
    return opened.audit("D4", dataset)


@pytest.mark.tried("Darcy flow", "D4 where the boundary lies on one side", "refused")
def test_a_boundary_on_one_side_breaks_all_but_one_mirror(package, tmp_path):
    audits = audited(Darcy(samples=SAMPLES, drop_boundary=False), tmp_path)
    assert {audit.element for audit in audits if audit.passed} == {"x,y", "y,x"}
    message = r"D4 is not a symmetry of darcy: under .* times more than chance .* 6 of 8 elements"
    with pytest.raises(AuditError, match=message):
        refuse_broken("darcy", "D4", audits)


@pytest.mark.tried("Darcy flow", "D4 without the row and the column on the boundary", "right")
def test_without_the_boundary_the_square_is_whole(package, tmp_path):
    refuse_broken("darcy", "D4", audited(Darcy(samples=SAMPLES), tmp_path))


def test_audits_of_the_published_files(tmp_path):
    samples = {"train": 900, "valid": 100, "test": 50}
    shipped = audited(Darcy(samples=samples, drop_boundary=False), tmp_path / "shipped")
    assert [audit.verdict for audit in shipped].count(Verdict.BROKEN) == 6
    whole = audited(Darcy(samples=samples), tmp_path / "whole")
    assert {audit.verdict for audit in whole} == {Verdict.HOLDS}


def test_samples_are_split_in_their_order(data, package):
    for name, part, start, stop in (
        ("train", "train_16", 0, 100),
        ("valid", "train_16", 100, 120),
        ("test", "test_16", 0, 5),
        ("finer", "test_32", 0, 5),
    ):
        stored = torch.load(package / f"darcy_{part}.pt")
        split = data.split(name)
        batch = split.batch(split.samples)
        coefficient = data.on_coefficient.denormalize(batch.inputs)[:, 0]
        pressure = data.on_pressure.denormalize(batch.targets)[:, 0]
        expected = stored["y"][start:stop, 1:, 1:]
        torch.testing.assert_close(pressure, expected, rtol=0, atol=1e-6)
        assert (coefficient.round() == stored["x"][start:stop, 1:, 1:]).all()
    assert data.model_arguments()["spatial_resolution"] == (15, 15)
    assert list(data.test_sets()) == ["finer"]


@pytest.mark.tried(
    "Darcy flow", "another file of that name; more samples than there are; O_h", "refused"
)
def test_what_does_not_fit_is_refused(package, tmp_path, monkeypatch):
    for split, name, held in (("valid", "train_16", 120), ("test", "test_16", 5)):
        dataset = Darcy(samples={**SAMPLES, split: 30})
        with pytest.raises(DataError, match=rf"^darcy_{name}.pt holds {held} samples, not \d+\.$"):
            fetched(dataset, tmp_path / split)
    with pytest.raises(SymmetryError):
        dataset.check_group("O_h")
    monkeypatch.setitem(neuraloperator_files.CHECKSUMS, "darcy_test_16.pt", "0" * 64)
    with pytest.raises(DataError, match=r"darcy_test_16.pt is not the file of neuraloperator"):
        fetched(Darcy(samples=SAMPLES), tmp_path / "other")


def test_solutions_of_moved_coefficients_are_the_moved_solutions(data):
    symmetry = data.symmetry("D4")
    batch = data.split("test").batch(np.array([[0]]))
    for element in range(symmetry.group.order):
        moved = data.on_coefficient.denormalize(symmetry.act_on_input(element, batch.inputs))
        pressure = solved(3.0 + 9.0 * moved[0, 0].round().double().numpy())
        found = data.on_pressure.denormalize(symmetry.act_on_output(element, batch.targets))
        np.testing.assert_allclose(found[0, 0], pressure, atol=1e-6)


def test_the_mean_of_the_pressure_scores_one(data):
    split = data.split("test")
    batch = split.batch(split.samples)
    means = batch.targets.mean(dim=(2, 3), keepdim=True).expand_as(batch.targets)
    cells = batch.targets[0].numel()
    scores = split.scores(means, batch)["vrmse"]
    torch.testing.assert_close(scores, torch.full_like(scores, ((cells - 1) / cells) ** 0.5))


@pytest.mark.parametrize("name", ["fno", "unet_classic", "group_convolution"])
def test_orbits_are_measured_as_on_other_grids(data, name):
    settings = {
        "fno": {"modes": 4, "hidden_channels": 4, "coordinates": True},
        "unet_classic": {"init_features": 2, "pad": True},
        "group_convolution": {"width": 1, "layers": 1, "periodic": False},
    }[name]
    symmetry = data.symmetry("D4")
    if name == "group_convolution":
        settings["symmetry"] = symmetry
    torch.manual_seed(0)
    model = resolve("models", name)(**data.model_arguments(), **settings)
    project(model)
    evaluation = EvaluationSettings(batch_size=5, examine_average=False)
    measured = Measurement(model, data, symmetry, evaluation, Darcy(samples=SAMPLES))
    plain, averaged = measured.run("plain"), measured.run("average")
    gram = averaged.error_gram.mean(("element", "element_b"))
    np.testing.assert_allclose(gram, averaged.mse, rtol=1e-3)
    assert (averaged.mse <= averaged.element_mse.mean("element") * (1 + 1e-6)).all()
    assert averaged.subgroup_members.sizes["subgroup"] == 10
    assert averaged.vrmse_finer.notnull().all()
    by_element = averaged.element_mse.std("element") / plain.mse
    if name == "group_convolution":
        assert (by_element < 1e-5).all()
    else:
        assert (by_element > 1e-4).all()

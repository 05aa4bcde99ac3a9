"""Block models: the generator, padding, scores and the classifiers."""

import numpy as np
import pytest
import torch

from symbench.data.arrays import read_arrays, write_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.graphs.block_models import PADDING, BlockModels
from symbench.data.graphs.clusters import ClusterData
from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.models.graphs.node_classifiers import NodeClassifier, ProductClassifier
from symbench.models.size import size
from symbench.symmetry.testing import equivariance_error
from tests.conftest import fetched
from tests.here import here
from tests.tolerances import on_device

COUNTS = {"train": 6, "valid": 2, "test": 40}
ROWS = np.arange(5)[:, None]
INVARIANT = ["none", "absolute", "signnet", "largest_entry", "laplacian", "product", "raw"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    dataset = BlockModels(graphs=COUNTS)
    return dataset.open(fetched(dataset, tmp_path_factory.mktemp("graphs")), TaskOptions(), 0)


def model(data, encoding):
    torch.manual_seed(0)
    arguments = data.model_arguments()
    if encoding in ("product", "raw"):
        return here(ProductClassifier(**arguments, layers=0 if encoding == "raw" else 4))
    return here(NodeClassifier(**arguments, encoding=encoding))


def test_probabilities_sizes_and_seeds(data):
    arrays = data.read("test")
    inside, between = [], []
    for adjacency, labels, seeds in zip(
        arrays["adjacency"], arrays["labels"], arrays["seeds"], strict=True
    ):
        n = int((labels != PADDING).sum())
        same = labels[:n, None] == labels[:n]
        off = ~np.eye(n, dtype=bool)
        assert np.array_equal(adjacency, adjacency.T)
        assert adjacency[n:].sum() == 0
        inside.append(adjacency[:n, :n][same & off].mean())
        between.append(adjacency[:n, :n][~same].mean())
        sizes = np.bincount(labels[:n])
        assert sizes.min() >= 5
        assert sizes.max() <= 34
        assert np.array_equal(labels[seeds], np.arange(6))
    assert np.mean(inside) == pytest.approx(0.55, abs=0.02)
    assert np.mean(between) == pytest.approx(0.25, abs=0.01)
    assert all(element.passed for element in data.audit("signs(10)", BlockModels(graphs=COUNTS)))


@pytest.mark.parametrize("columns", [4, 10, 16])
def test_networks_that_are_compared_are_of_one_size(columns):
    wanted = size(NodeClassifier(columns, 6, "signnet"))
    for layers in (0, 4):
        assert size(ProductClassifier(columns, 6, layers)) == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("encoding", [*INVARIANT, "plain"])
def test_sign_invariance_of_the_classifiers(data, encoding, device):
    batch = here(data.split("test").batch(ROWS))
    symmetry = data.symmetry("signs(10)")
    elements = symmetry.group.sample(4, torch.Generator().manual_seed(0))
    network = model(data, encoding)
    error = equivariance_error(network, symmetry, batch.inputs, elements)
    assert error < on_device(1e-5, device) if encoding in INVARIANT else error > 1e-3
    # One element for each graph moves each graph by its own.
    each = here(symmetry.group.sample(5, torch.Generator().manual_seed(1)))
    moved = symmetry.act_on_input(each, batch.inputs)
    torch.testing.assert_close(
        moved.vectors[3], batch.inputs.vectors[3] * each[3].float(), rtol=0, atol=0
    )


@pytest.mark.parametrize("encoding", ["none", "signnet", "product"])
def test_padding_changes_nothing(data, encoding, device):
    split = data.split("test")
    together = here(split.batch(ROWS))
    tolerance = on_device(1e-5, device)
    network = model(data, encoding).eval()
    with torch.no_grad():
        all_logits = network(together.inputs)
        for row in range(5):
            alone = here(split.batch(ROWS[row : row + 1]))
            nodes = alone.targets.shape[1]
            torch.testing.assert_close(
                network(alone.inputs)[0], all_logits[row, :nodes], atol=tolerance, rtol=tolerance
            )
            assert float(all_logits[row, nodes:].abs().sum()) == 0


def test_scores_and_loss(data):
    split = data.split("test")
    batch = split.batch(ROWS)
    perfect = torch.nn.functional.one_hot(batch.targets.clamp(min=0), 6).float() * 20
    torch.testing.assert_close(split.scores(perfect, batch)["accuracy"], torch.ones(5))
    assert float(split.loss(perfect, batch)) < 1e-6
    constant = torch.zeros_like(perfect)
    constant[..., 2] = 1
    torch.testing.assert_close(split.scores(constant, batch)["accuracy"], torch.full((5,), 1 / 6))
    uniform = split.loss(torch.zeros_like(perfect), batch)
    assert float(uniform) == pytest.approx(np.log(6), rel=1e-5)


def test_logits_that_are_not_finite_have_no_accuracy(data):
    split = data.split("test")
    batch = split.batch(ROWS)
    logits = torch.nn.functional.one_hot(batch.targets.clamp(min=0), 6).float()
    # The largest of a row of NaN is its first: a class, if it were believed.
    logits[0] = float("nan")
    logits[1, 0, 3] = float("inf")
    padded = batch.targets[2] == PADDING
    assert padded.any()
    logits[2, padded] = float("nan")
    accuracy = split.scores(logits, batch)["accuracy"]
    assert torch.isnan(accuracy[:2]).all()
    torch.testing.assert_close(accuracy[2:], torch.ones(3))


def test_the_task_is_judged_by_the_accuracy(data):
    (score,) = BlockModels(graphs=COUNTS).scores
    assert (score.name, score.better, score.worst) == ("accuracy", "higher", float("-inf"))
    split = data.split("test")
    batch = split.batch(ROWS)
    assert list(split.scores(torch.zeros(*batch.targets.shape, 6), batch)) == ["accuracy"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"graphs": {"train": 1}}, "'valid' is missing; give train, valid, test"),
        ({"graphs": {"train": 1, "valid": 0, "test": 1}}, r"valid of \w+ is 0"),
        ({"graphs": {"train": True, "valid": 1, "test": 1}}, r"train of \w+ is True"),
        ({"graphs": 7}, "graphs of BlockModels is 7"),
        ({"eigenvectors": 30}, "smallest graph has 30 nodes"),
        ({"eigenvectors": 0}, "eigenvectors of BlockModels is 0"),
        ({"communities": 1}, "communities of BlockModels is 1"),
        ({"smallest": 0}, "smallest of BlockModels is 0"),
        ({"largest": 4}, "largest is 4; give at least smallest, 5"),
        ({"inside": 1.1}, r"inside of BlockModels is 1\.1"),
        ({"between": -0.1}, r"between of BlockModels is -0\.1"),
        ({"between": False}, "between of BlockModels is False"),
        ({"seed": 0.5}, r"seed of BlockModels is 0\.5"),
    ],
)
def test_bad_settings_are_named(settings, message):
    good = {"graphs": {"train": 1, "valid": 1, "test": 1}}
    with pytest.raises(ConfigError, match=message):
        BlockModels(**{**good, **settings})


def test_an_explicit_zero_is_taken(tmp_path):
    """No edges between communities: they fall apart, and zero is no single eigenvalue."""
    counts = {"train": 1, "valid": 1, "test": 1}
    dataset = BlockModels(graphs=counts, between=0.0)
    assert dataset.between == 0
    with pytest.raises(DataError, match=r"Graph 0 of train: eigenvalues 0 and 1 .* are equal"):
        fetched(dataset, tmp_path)


def test_files_without_communities_are_named(data, tmp_path):
    path = tmp_path / "test.hdf5"
    arrays = read_arrays(data.directory / "test.hdf5")
    shifted = {**arrays, "seeds": np.roll(arrays["seeds"], 1, axis=1)}
    repeated = {**arrays, "eigenvalues": np.ones_like(arrays["eigenvalues"])}
    cases = [
        (shifted, "needs a seed node of its label"),
        (repeated, "eigenvalues 1 and 2 .* are equal"),
        ({"labels": arrays["labels"]}, "holds no adjacency, seeds"),
    ]
    for changed, message in cases:
        write_arrays(path, changed)
        with pytest.raises(DataError, match=message):
            ClusterData(tmp_path)


def test_foreign_groups_are_named(data):
    dataset = BlockModels(graphs=COUNTS)
    dataset.check_group("signs(10)")
    for check in (data.symmetry, dataset.check_group):
        with pytest.raises(SymmetryError, match=r"signs\(10\) does"):
            check("signs(16)")

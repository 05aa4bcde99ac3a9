"""Block models: the generator, padding, scores and the classifiers."""

import numpy as np
import pytest
import torch

from symbench.errors import ConfigError
from symbench.models.graphs.node_classifiers import NodeClassifier, ProductClassifier
from symbench.symmetry.testing import equivariance_error
from symbench.data.graphs.node_clustering import PADDING, BlockModels, ClusterData

ROWS = np.arange(5)[:, None]
INVARIANT = ["none", "absolute", "signnet", "largest_entry", "laplacian", "product", "raw"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    directory = tmp_path_factory.mktemp("communities")
    BlockModels(graphs={"train": 6, "valid": 2, "test": 40}).fetch(directory)
    return ClusterData.open(directory, None, 0)


def model(data, encoding):
    torch.manual_seed(0)
    arguments = data.model_arguments()
    if encoding in ("product", "raw"):
        return ProductClassifier(**arguments, layers=0 if encoding == "raw" else 4)
    return NodeClassifier(**arguments, encoding=encoding)


def test_probabilities_sizes_and_seeds(data):
    arrays = data._read("test")
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
    assert all(element.passed for element in data.audit("signs(10)", None))


@pytest.mark.parametrize("encoding", [*INVARIANT, "plain"])
def test_sign_invariance_of_the_classifiers(data, encoding):
    batch = data.split("test").batch(ROWS)
    symmetry = data.symmetry("signs(10)")
    elements = symmetry.group.sample(4, torch.Generator().manual_seed(0))
    network = model(data, encoding)
    error = equivariance_error(network, symmetry, batch.inputs, elements)
    assert error < 1e-5 if encoding in INVARIANT else error > 1e-3
    # One element for each graph moves each graph by its own.
    each = symmetry.group.sample(5, torch.Generator().manual_seed(1))
    moved = symmetry.act_on_input(each, batch.inputs)
    torch.testing.assert_close(
        moved.vectors[3], batch.inputs.vectors[3] * each[3].float(), rtol=0, atol=0
    )


@pytest.mark.parametrize("encoding", ["none", "signnet", "product"])
def test_padding_changes_nothing(data, encoding):
    split = data.split("test")
    together = split.batch(ROWS)
    network = model(data, encoding).eval()
    with torch.no_grad():
        all_logits = network(together.inputs)
        for row in range(5):
            alone = split.batch(ROWS[row : row + 1])
            nodes = alone.targets.shape[1]
            torch.testing.assert_close(
                network(alone.inputs)[0], all_logits[row, :nodes], atol=1e-5, rtol=1e-5
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


def test_mistakes():
    with pytest.raises(ConfigError, match="train, valid, test"):
        BlockModels(graphs={"train": 1})
    with pytest.raises(ConfigError, match="30 nodes"):
        BlockModels(graphs={"train": 1, "valid": 1, "test": 1}, eigenvectors=30)

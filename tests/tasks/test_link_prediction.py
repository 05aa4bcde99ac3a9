"""Nearly symmetric graphs: the protocol, the eigenvectors, the oracle."""

import numpy as np
import pytest
import torch

from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.data.graphs.link_prediction import (
    LinkData,
    auc,
    mean_adjacency,
    non_links,
    symmetric_adjacency,
)
from symbench.data.graphs.near_copies import NearCopies

ROW = np.zeros((1, 1), int)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("links")
    NearCopies(graph="erdos_renyi", trials=2, nodes=80, parameter=0.2, extra_edges=50).fetch(
        directory
    )
    return directory


@pytest.fixture(scope="module")
def data(folder):
    return LinkData.open(folder, None, 0)


def test_auc_is_the_share_of_pairs_in_order():
    scores, labels = torch.randn(60).round(decimals=1), torch.randint(2, (60,))
    positive, negative = scores[labels == 1], scores[labels == 0]
    above = (positive[:, None] > negative).float() + 0.5 * (positive[:, None] == negative).float()
    assert auc(scores, labels) == pytest.approx(float(above.mean()))


def test_trials_differ_and_repeat(folder, tmp_path):
    again = NearCopies(graph="erdos_renyi", trials=2, nodes=80, parameter=0.2, extra_edges=50)
    first, second = again.trial(0), again.trial(1)
    stored = LinkData.open(folder, None, 0).arrays
    assert all(np.array_equal(stored[key], first[key]) for key in first)
    assert not np.array_equal(first["train_edges"], second["train_edges"])
    with pytest.raises(DataError, match="holds 2 trials, none for seed 2"):
        LinkData.open(folder, None, 2)


def test_eigenvectors_are_those_of_the_training_links(data):
    assert all(element.passed for element in data.audit("signs(16)", None))
    vectors = data.arrays["eigenvectors"]
    gram = vectors.T @ vectors
    torch.testing.assert_close(gram, torch.eye(16, dtype=gram.dtype), atol=1e-9, rtol=0)
    values = data.arrays["eigenvalues"]
    assert float(values[0]) > 1e-4
    assert (values.diff() >= 0).all()


def test_links_of_test_and_validation_are_hidden(data):
    train = {tuple(e) for e in data.arrays["train_edges"].T.tolist()}
    for split in ("valid", "test"):
        pairs, labels = data.arrays[f"{split}_pairs"], data.arrays[f"{split}_labels"]
        assert not any(tuple(p) in train for p in pairs.T.tolist())
        assert int(labels.sum()) * 2 == len(labels)
    message = {tuple(e) for e in data.split("test").edges.T.tolist()}
    valid = data.arrays["valid_pairs"][:, data.arrays["valid_labels"] == 1]
    assert all(tuple(p) in message for p in valid.T.tolist())
    test = data.arrays["test_pairs"][:, data.arrays["test_labels"] == 1]
    assert not any(tuple(p) in message for p in test.T.tolist())


def test_training_pairs_are_drawn_anew_from_the_generator(data):
    split = data.split("train")
    batches = [split.batch(ROW, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    pairs = [batch.inputs.pairs for batch in batches]
    assert torch.equal(pairs[0], pairs[1])
    assert not torch.equal(pairs[0], pairs[2])
    links = {tuple(e) for e in split.edges.T.tolist()}
    labels = batches[0].targets
    assert all(
        (tuple(p) in links) == bool(y) for p, y in zip(pairs[0].T.tolist(), labels, strict=True)
    )
    assert int(labels.sum()) * 2 == len(labels)


def test_non_links_are_uniform():
    edges = torch.tensor([[0, 1, 1], [1, 0, 2]])
    drawn = non_links(edges, 4, 9000, torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn[0] * 4 + drawn[1], minlength=16)
    allowed = counts > 0
    assert int(allowed.sum()) == 16 - 4 - 3
    assert float(counts[allowed].float().std()) < 0.1 * 1000


def test_adjacencies():
    edges = torch.tensor([[0, 1, 1, 2, 0, 2, 3, 3], [1, 0, 2, 1, 2, 0, 0, 0]])
    edges = torch.cat([edges, edges.flip(0)[:, -2:]], dim=1)
    mean = mean_adjacency(edges, 4).to_dense()
    torch.testing.assert_close(mean.sum(dim=1), torch.ones(4))
    # The repeated edge counts once.
    torch.testing.assert_close(mean[0], torch.tensor([0, 1, 1, 1]) / 3)
    symmetric = symmetric_adjacency(edges, 4).to_dense()
    torch.testing.assert_close(symmetric, symmetric.T)
    assert float(symmetric[3, 3]) == pytest.approx(1 / 2)
    # The largest eigenvalue of the normalised matrix is one.
    assert float(torch.linalg.eigvalsh(symmetric)[-1]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("graph", "expected"), [("erdos_renyi", 0.7516), ("barabasi_albert", 0.7489)]
)
def test_oracle_and_sizes_at_the_paper_size(graph, expected):
    """The closed form a(1-b) + [ab + (1-a)(1-b)]/2 with the shares of same-copy pairs."""
    drawn = NearCopies(graph=graph, trials=1)
    edges, copy = drawn._edges(0)
    inside = float((copy[edges[0]] == copy[edges[1]]).mean())
    n, inner = 1000, (copy[edges[0]] == copy[edges[1]]).sum()
    possible, same = 2 * n * (2 * n - 1) / 2, n * (n - 1)
    blind = (same - inner) / (possible - edges.shape[1])
    oracle = inside * (1 - blind) + (inside * blind + (1 - inside) * (1 - blind)) / 2
    assert oracle == pytest.approx(expected, abs=0.004)
    size = {"erdos_renyi": 50950, "barabasi_albert": 40200}[graph]
    assert edges.shape[1] == pytest.approx(size, rel=0.02)


def test_mistakes():
    with pytest.raises(ConfigError, match="barabasi_albert"):
        NearCopies(graph="ring", trials=1)


def test_foreign_groups_and_truncated_files(data, folder, tmp_path):
    with pytest.raises(SymmetryError, match=r"signs\(16\) does"):
        data.symmetry("D4")
    content = (folder / "trial0.hdf5").read_bytes()
    (tmp_path / "trial0.hdf5").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="cannot be read"):
        LinkData.open(tmp_path, None, 0)

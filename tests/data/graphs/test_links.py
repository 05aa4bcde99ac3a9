"""Nearly symmetric graphs: the protocol, the eigenvectors, the oracle."""

import numpy as np
import pytest
import torch

from symbench.data.arrays import read_arrays, write_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.graphs.adjacency import laplacian, mean_adjacency, symmetric_adjacency
from symbench.data.graphs.links import LinkData, auc, non_links
from symbench.data.graphs.near_copies import NearCopies, laplacian_eigenvectors
from symbench.errors import ConfigError, DataError, SymmetryError
from tests.conftest import fetched

KIND = "points, graphs and shapes"

ROW = np.zeros((1, 1), int)
SMALL = {"graph": "erdos_renyi", "trials": 2, "nodes": 80, "parameter": 0.2, "extra_edges": 50}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fetched(NearCopies(**SMALL), tmp_path_factory.mktemp("links"))


@pytest.fixture(scope="module")
def data(folder):
    return NearCopies(**SMALL).open(folder, TaskOptions(), 0)


def test_auc_is_the_share_of_pairs_in_order():
    scores, labels = torch.randn(60).round(decimals=1), torch.randint(2, (60,))
    positive, negative = scores[labels == 1], scores[labels == 0]
    above = (positive[:, None] > negative).float() + 0.5 * (positive[:, None] == negative).float()
    assert auc(scores, labels) == pytest.approx(float(above.mean()))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_scores_that_are_not_finite_have_no_auc(data, value):
    scores, labels = torch.randn(10), torch.tensor([1, 0] * 5)
    scores[3] = value
    assert np.isnan(auc(scores, labels))
    split = data.split("test")
    batch = split.batch(ROW)
    prediction = torch.zeros_like(batch.targets)
    prediction[0] = value
    scores = split.scores(prediction, batch)
    assert torch.isnan(scores["auc"]).all()
    assert np.isnan(float(split.validation_loss(prediction, batch)))


def test_the_task_is_judged_by_the_auc(data):
    scores = NearCopies(**SMALL).scores
    assert [(score.name, score.better) for score in scores] == [
        ("auc", "higher"),
        ("oracle_auc", "higher"),
    ]
    split = data.split("test")
    batch = split.batch(ROW)
    assert list(split.scores(batch.targets, batch)) == ["auc", "oracle_auc"]
    assert float(split.scores(batch.targets, batch)["auc"]) == 1
    assert split.quantities == ()


def test_trials_differ_and_repeat(data):
    again = NearCopies(**SMALL)
    first, second = again.trial(0), again.trial(1)
    stored = data.arrays
    assert all(np.array_equal(stored[key], first[key]) for key in first)
    assert not np.array_equal(first["train_edges"], second["train_edges"])


def test_each_seed_needs_a_trial(folder):
    dataset = NearCopies(**SMALL)
    dataset.check_seed(1)
    with pytest.raises(ConfigError, match=r"trials of near_copies is 2.*seed 2; raise 'trials'"):
        dataset.check_seed(2)
    with pytest.raises(ConfigError, match="raise 'trials'"):
        dataset.open(folder, TaskOptions(), 2)


def test_eigenvectors_are_those_of_the_training_links(data):
    assert all(element.passed for element in data.audit("signs(16)", NearCopies(**SMALL)))
    vectors = data.arrays["eigenvectors"]
    gram = vectors.T @ vectors
    torch.testing.assert_close(gram, torch.eye(16, dtype=gram.dtype), atol=1e-9, rtol=0)
    values = data.arrays["eigenvalues"]
    assert float(values[0]) > 1e-4
    assert (values.diff() >= 0).all()


def test_loops_do_not_count_in_the_laplacian():
    """As in torch-geometric, which the public code calls."""
    from torch_geometric.utils import get_laplacian, to_dense_adj

    ring = torch.tensor([[k, (k + step) % 9] for k in range(9) for step in (1, 2 + k % 3)]).T
    loops = torch.tensor([[4, 7], [4, 7]])
    edges = torch.cat([ring, ring.flip(0), loops], dim=1).unique(dim=1)
    places, values = get_laplacian(edges, None, "sym", torch.float64, 9)
    expected = to_dense_adj(places, edge_attr=values)[0]
    torch.testing.assert_close(laplacian(edges, 9), expected)
    values, vectors = map(torch.from_numpy, laplacian_eigenvectors(edges.numpy(), 9, 4))
    torch.testing.assert_close(expected @ vectors, vectors * values, atol=1e-9, rtol=0)


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
    edges, copy = drawn.edges(0)
    inside = float((copy[edges[0]] == copy[edges[1]]).mean())
    n, inner = 1000, (copy[edges[0]] == copy[edges[1]]).sum()
    possible, same = 2 * n * (2 * n - 1) / 2, n * (n - 1)
    blind = (same - inner) / (possible - edges.shape[1])
    oracle = inside * (1 - blind) + (inside * blind + (1 - inside) * (1 - blind)) / 2
    assert oracle == pytest.approx(expected, abs=0.004)
    size = {"erdos_renyi": 50950, "barabasi_albert": 40200}[graph]
    assert edges.shape[1] == pytest.approx(size, rel=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"graph": "erdos_reny"}, "Did you mean 'erdos_renyi'"),
        ({"graph": 3}, "graph of NearCopies is 3"),
        ({"trials": 0}, "trials of NearCopies is 0"),
        ({"trials": True}, "trials of NearCopies is True"),
        ({"nodes": 2.0}, r"nodes of NearCopies is 2\.0"),
        ({"nodes": 0}, "nodes of NearCopies is 0"),
        ({"copies": 0}, "copies of NearCopies is 0"),
        pytest.param(
            {"parameter": 0.0},
            r"parameter of NearCopies is 0\.0",
            marks=pytest.mark.tried(KIND, "an explicit zero for a probability", "refused"),
        ),
        ({"parameter": 0}, "parameter of NearCopies is 0"),
        ({"parameter": True}, "parameter of NearCopies is True"),
        ({"parameter": 1.5}, r"NearCopies: parameter is 1\.5; give a probability"),
        ({"graph": "barabasi_albert", "parameter": 0}, "parameter of NearCopies is 0"),
        ({"graph": "barabasi_albert", "parameter": 2.5}, r"parameter is 2\.5; give a whole number"),
        ({"graph": "barabasi_albert", "parameter": 80}, "fewer edges than the 80 nodes"),
        ({"extra_edges": -1}, "extra_edges of NearCopies is -1"),
        ({"eigenvectors": 0}, "eigenvectors of NearCopies is 0"),
        pytest.param(
            {"nodes": 5},
            "eigenvectors is 16; graphs of 10 nodes have at most 8",
            marks=pytest.mark.tried(KIND, "more eigenvectors than nodes", "refused"),
        ),
        ({"seed": -1}, "seed of NearCopies is -1"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        NearCopies(**{**SMALL, **settings})


def test_a_whole_number_of_edges_may_be_written_with_a_point():
    settings = {**SMALL, "graph": "barabasi_albert"}
    assert NearCopies(**{**settings, "parameter": 5.0}).parameter == 5
    assert NearCopies(graph="barabasi_albert", trials=1).parameter == 20


def test_as_many_eigenvectors_as_a_small_graph_has(tmp_path):
    settings = {"graph": "erdos_renyi", "trials": 1, "nodes": 6, "parameter": 0.8}
    dataset = NearCopies(**settings, extra_edges=8, eigenvectors=10, copies=2, seed=1)
    data = dataset.open(fetched(dataset, tmp_path), TaskOptions(), 0)
    assert data.model_arguments() == {"columns": 10}
    assert all(element.passed for element in data.audit("signs(10)", dataset))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"extra_edges": 0}, "eigenvalues 0 and 1 of the Laplacian are equal"),
        ({"extra_edges": 0, "copies": 3}, "not determined up to signs"),
        pytest.param(
            {"copies": 1, "nodes": 30, "parameter": 1.0, "extra_edges": 0},
            "0 pairs that are none",
            marks=pytest.mark.tried(KIND, "all pairs of nodes are links", "refused"),
        ),
        pytest.param(
            {"nodes": 60, "parameter": 1e-9, "extra_edges": 0},
            "trial0 of near_copies has no edges",
            marks=pytest.mark.tried(KIND, "a graph without edges", "refused"),
        ),
        ({"nodes": 10, "parameter": 0.01, "extra_edges": 2, "eigenvectors": 4}, "needs both"),
    ],
)
def test_graphs_that_cannot_be_used_are_refused_when_they_are_made(tmp_path, settings, message):
    with pytest.raises(DataError, match=message):
        fetched(NearCopies(**{**SMALL, **settings}), tmp_path)
    assert not list(tmp_path.glob("*.hdf5"))


def test_graphs_that_cannot_be_used_are_refused_when_they_are_opened(folder, tmp_path):
    arrays = read_arrays(folder / "trial0.hdf5")
    none = np.zeros((2, 0), int)
    nodes = len(arrays["eigenvectors"])
    everything = np.stack(np.nonzero(1 - np.eye(nodes, dtype=int)))
    repeated = arrays["eigenvalues"].copy()
    repeated[3] = repeated[2]
    cases = [
        ({"train_edges": none}, "training has 0 links"),
        ({"train_edges": everything}, "and 0 ordered pairs"),
        ({"test_labels": np.ones_like(arrays["test_labels"])}, "0 pairs that are none"),
        ({"valid_labels": np.zeros_like(arrays["valid_labels"])}, "valid split has 0 links"),
        ({"eigenvalues": repeated}, "eigenvalues 3 and 4 of the Laplacian are equal"),
    ]
    for changed, message in cases:
        path = tmp_path / "trial0.hdf5"
        write_arrays(path, {**arrays, **changed})
        with pytest.raises(DataError, match=message):
            LinkData(path)
    del arrays["copy"]
    write_arrays(path, arrays)
    with pytest.raises(DataError, match=r"trial0.hdf5 holds no copy"):
        LinkData(path)


def test_no_pair_without_a_link_is_no_endless_search():
    """With and without loops, which are no pairs."""
    both = torch.tensor([[0, 1], [1, 0]])
    looped = torch.tensor([[0, 0, 1], [0, 1, 0]])
    for edges in (both, looped):
        with pytest.raises(DataError, match="no pair is without"):
            non_links(edges, 2, 3, torch.Generator().manual_seed(0))
    # A loop takes no place of a pair.
    found = non_links(torch.tensor([[0, 0], [0, 1]]), 2, 3, torch.Generator().manual_seed(0))
    assert found.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_foreign_groups_and_truncated_files(data, folder, tmp_path):
    dataset = NearCopies(**SMALL)
    dataset.check_group("signs(16)")
    for group in ("D4", "signs(15)", "O(3)"):
        for check in (data.symmetry, dataset.check_group):
            with pytest.raises(SymmetryError, match=r"16 eigenvectors; signs\(16\) does"):
                check(group)
    content = (folder / "trial0.hdf5").read_bytes()
    (tmp_path / "trial0.hdf5").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="truncated"):
        LinkData(tmp_path / "trial0.hdf5")

"""The first screen: what each way of imposing a symmetry changed, and what follows from it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from symbench.config.run import SweepPoint
from symbench.figures.results import StudyResults
from symbench.files import write_whole
from symbench.report.answer import Answer, answer
from symbench.report.build import build
from symbench.report.reference_tables import keep
from symbench.report.ways import Cell, Network, Way
from tests.figures import studies
from tests.report.test_report import configured

AVERAGED = Way("none", "average")
AUGMENTED = Way("augment", "plain")


def found(folder: Path, scores: dict[tuple[str, str], float], **more: object) -> StudyResults:
    """Results with these scores, by treatment and evaluation, nearly the same for all seeds."""

    def change(dataset, run, evaluation):
        noise = 1e-3 * np.random.default_rng(run.seed).standard_normal(4)
        value = scores[run.treatment, evaluation]
        for name in dataset.data_vars:
            if str(name) == run.task.dataset.scores[0].name:
                dataset[name][...] = value * (1 + noise)
        dataset["seconds_per_sample"][...] = 8e-3 if evaluation == "average" else 1e-3
        return dataset

    settings = {"treatments": ["none", "augment"], "seeds": (0, 1, 2, 3), "models": ["first"]}
    return studies.results(studies.study(**settings | more), folder, change)


SCORES = {
    ("none", "plain"): 1.0,
    ("none", "average"): 0.8,
    ("augment", "plain"): 1.1,
    ("augment", "average"): 1.1,
}


def test_each_way_is_held_against_the_plain_network(tmp_path):
    [network] = answer([found(tmp_path, SCORES)]).networks
    assert (network.task, network.model, network.seeds) == ("points", "first", 4)
    averaged, augmented = network.cell(AVERAGED), network.cell(AUGMENTED)
    assert averaged.change == pytest.approx(-0.2, abs=0.01)
    assert averaged.low < averaged.change < averaged.high < 0
    assert (averaged.verdict, augmented.verdict) == ("pays", "harms")
    assert averaged.inference == pytest.approx(8)
    assert network.best is averaged
    assert network.cell(Way("none", "frame")) is None


def test_the_cost_of_training_is_the_mean_of_what_seeds_took(tmp_path):
    """One seed stopped early, in slow epochs."""
    results = found(tmp_path, SCORES)
    for run in results.study.runs:
        few, many = ([3.0] * 10, [1.0] * 100)
        seconds = few if run.treatment == "augment" and run.seed else many
        table = pd.DataFrame({"epoch": range(len(seconds)), "seconds": seconds})
        table = table.assign(train_loss=1.0, valid_loss=1.0)
        path = results.layout.trained("history.csv", run.study, *run.key, run.seed)
        with write_whole(path) as temporary:
            table.to_csv(temporary, index=False)
    [network] = answer([results]).networks
    assert network.cell(AUGMENTED).training == pytest.approx((100 + 3 * 30) / 4 / 100)


def test_a_network_of_several_lengths_of_training_is_one(tmp_path):
    quantities = {"own": ("epochs of training", True), "few": ("training samples", False)}
    quantities |= {"longer": ("epochs of training", False)}
    sweeps = {
        name: [SweepPoint("sweep", quantity, 2.0, own)]
        for name, (quantity, own) in quantities.items()
    }
    results = found(
        tmp_path, SCORES, tasks={name: studies.points() for name in sweeps}, sweeps=sweeps
    )
    assert [network.task for network in answer([results]).networks] == ["own", "few"]


@pytest.mark.parametrize(
    ("change", "seeds", "verdict"),
    [
        # Equal but for round-off.
        ({("augment", "plain"): 1 + 1e-9}, (0, 1, 2, 3), "nothing"),
        # One seed says nothing of networks trained so.
        ({}, (0,), "open"),
        ({("augment", "plain"): float("nan")}, (0, 1, 2, 3), "open"),
    ],
)
def test_what_is_not_known_stays_open(tmp_path, change, seeds, verdict):
    [network] = answer([found(tmp_path, SCORES | change, seeds=seeds)]).networks
    assert network.cell(AUGMENTED).verdict == verdict


def test_networks_of_reference_tables_stand_beside_those_of_the_run(tmp_path):
    results = found(tmp_path, SCORES)
    keep(results, results.layout.reference.with_name("other"))
    both = answer([results])
    ([network], [beside]) = both.networks, both.references
    assert (beside.reference, network.reference) == ("other", "")
    assert (beside.task, beside.model, beside.seeds) == ("points", "first", 4)
    assert beside.plain == pytest.approx(network.plain, rel=1e-5)
    for cell in network.cells:
        theirs = beside.cell(cell.way)
        assert theirs.change == pytest.approx(cell.change, abs=1e-5)
        assert theirs.gain == pytest.approx(cell.gain, abs=1e-5)
        assert (theirs.low, theirs.high) == pytest.approx((cell.low, cell.high), abs=1e-4)
        assert theirs.verdict == cell.verdict
        assert theirs.inference == pytest.approx(cell.inference, rel=1e-3)
    assert (beside.kind, beside.group, beside.exact) == (network.kind, network.group, True)
    # Nothing follows from them.
    assert [record.networks for record in both.records(exact=True)] == [1, 1, 1]
    build(configured(results.study, layout=results.layout, folder=tmp_path), tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert page.count('data-size="other" class="reference" hidden') == 1
    assert page.count('data-size="this run">') == 1
    assert '<option value="other">other, reference</option>' in page


def test_references_of_other_tasks_are_left_out(tmp_path):
    results = found(tmp_path, SCORES)
    keep(results, results.layout.reference)
    table = results.layout.reference / "made" / "networks.csv"
    table.write_text(table.read_text().replace("made,points,", "made,elsewhere,"))
    assert answer([results]).references == ()


def test_advice_follows_from_the_matrix(tmp_path):
    good = found(tmp_path / "good", SCORES)
    sentences = answer([good]).advice
    assert sentences[0].startswith(
        "Where the symmetry holds: averaged at evaluation. It paid for 1"
    )
    assert "better by 20" in sentences[0]
    assert "8 times that of inference" in sentences[0]
    broken = answer([found(tmp_path / "gone", SCORES | {("augment", "plain"): float("inf")})])
    # One diverged prediction decides nothing about networks trained so.
    assert broken.networks[0].cell(AUGMENTED).verdict == "open"
    bad = found(tmp_path / "bad", SCORES | {("none", "average"): 1.3})
    assert "leave the network as it is" in answer([bad]).advice[0]
    assert answer([]).advice == []


def record(way: Way, networks: int, paid: int, gain: float) -> list[Network]:
    """So many networks, of which so many were better by a gain, and the others nearly as before."""
    cells = [
        Cell(way, -gain, -gain, -gain, gain, "pays", 1.0, float("nan")) for _ in range(paid)
    ] + [Cell(way, 0.03, -1.0, 1.0, -0.03, "open", 1.0, float("nan"))] * (networks - paid)
    named = ("study", "task", "fields", "D4", True, "model", "vrmse", 1.0, 3)
    return [Network(*named, (cell,)) for cell in cells]


def test_many_networks_say_more_than_one():
    many, one = record(AVERAGED, 20, 18, 0.1), record(AUGMENTED, 1, 1, 0.5)
    assert [each.way for each in Answer((*one, *many)).records(exact=True)] == [AVERAGED, AUGMENTED]
    [sentence] = Answer(tuple(record(AVERAGED, 3, 1, 0.1))).advice
    assert "worse by 3.0%" in sentence
    assert "an unknown multiple of that of inference" in sentence


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content + b"0", "is damaged"),
        # Zeros where HDF5 has its own checksums.
        (lambda content: content[:-9] + bytes(9), "runs have no evaluations"),
    ],
)
def test_damaged_evaluations_are_told(tmp_path, damage, said):
    results = found(tmp_path, SCORES)
    path = sorted(tmp_path.rglob("*.nc"))[0]
    path.write_bytes(damage(path.read_bytes()))
    page = tmp_path / "report.html"
    build(configured(results.study, layout=results.layout, folder=tmp_path), page)
    assert said in page.read_text()


def test_a_median_that_is_not_finite_is_no_percentage():
    cells = [
        Cell(Way("none", "average"), change, change, change, -change, verdict, 1.0, 8.0)
        for change, verdict in [(-0.5, "pays"), (-0.4, "pays"), (np.inf, "open"), (np.inf, "open")]
    ]
    networks = [
        Network("made", f"t{n}", "points", "O(3)", True, "gnn", "mse", 1.0, 3, (cell,))
        for n, cell in enumerate(cells)
    ]
    [told] = Answer(tuple(networks)).advice
    assert "It paid for 2 of 4 networks" in told
    assert "In the median the score was not finite, with 1 times" in told

"""The report is built from what is there, and says what is not."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from symbench.comparison import compare_study
from symbench.config.read import Configuration
from symbench.config.study import Study
from symbench.data.manifest import Manifest, write_manifest
from symbench.figures.draw import draw_figure
from symbench.figures.results import StudyResults
from symbench.files import write_json, write_whole
from symbench.layout import Layout
from symbench.numbers import interval
from symbench.report.build import build, section
from symbench.report.claims import judged_claims, needed_units
from symbench.report.run import command
from symbench.report.tables import spread, tables
from tests.evaluation import vectors
from tests.figures import studies

UNSAFE = "<script>alert(1)</script>"


def made(**more: object) -> Study:
    claim = {
        "name": "averaging_helps",
        "statement": f"Averaging lowers the error {UNSAFE}",
        "origin": "ours",
        "source": "nowhere",
        "measure": "relative_change",
        "of": {"evaluation": "average"},
        "against": {"evaluation": "plain"},
        "where": {"model": "first"},
        "expect": {"below": 1e9},
        "unit": "relative change",
    }
    not_run = {**claim, "name": "never", "where": {"exact": False}, "statement": "Of broken tasks"}
    figures = [{"name": "gain", "caption": f"Gains {UNSAFE}"}, {"name": "cost", "caption": "Cost"}]
    return studies.study(**{"claims": [claim, not_run], "figures": figures, **more})


def configured(*all_studies: Study, layout: Layout, folder: Path) -> Configuration:
    size = folder / "tiny.yaml"
    size.write_text("size: tiny\n")
    found = {study.name: study for study in all_studies}
    return Configuration("tiny", "tiny", layout, found, (size,))


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> StudyResults:
    results = studies.results(made(), tmp_path_factory.mktemp("report"))
    draw_figure(results, "gain")
    return results


def test_the_page_shows_what_is_there_and_escapes_texts(found, tmp_path):
    build(configured(found.study, layout=found.layout, folder=tmp_path), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert UNSAFE not in page
    assert "&lt;script&gt;" in page
    assert 'class="claim supported"' in page
    assert 'class="claim not-run"' in page
    assert "data:image/webp;base64," in page
    assert "Figures that are not there: cost." in page
    assert "holds no manifest.json" in page
    assert "make reproduce STUDIES=made CONFIG=" in page


def test_claims_have_their_cases(found):
    helps, never = judged_claims(found)
    assert (helps.whole.verdict, never.whole.verdict) == ("supported", "not run")
    assert [case.case for case in helps.cases] == ["points,first,none"]
    assert helps.whole.counts == "2 seeds, 2 samples"
    assert never.whole.value == "no data"
    assert never.whole.style == "not-run"


def test_checks_stand_apart_and_published_numbers_beside_ours(found, tmp_path):
    claim = found.study.settings.claims[0].model_dump()
    check = claim | {"name": "surely", "check": True}
    decided = claim | {"name": "close", "expect": {"below": 0}}
    published = {
        "task": "points",
        "model": "fir*",
        "value": "0.0043",
        "parameters": 147424,
        "source": "their paper",
        "differs": "2,000 epochs",
    }
    results = studies.results(made(claims=[check, decided], published=[published]), tmp_path)
    build(configured(results.study, layout=results.layout, folder=tmp_path), tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert page.index(">Claims</h3>") < page.index("<h3>Checks</h3>")
    assert 'class="claim passed"' in page
    assert "1 claims: 1 " in page
    table = tables(results)["Ours and published"]
    assert list(table.model) == ["first"]
    assert table.iloc[0][["published", "published parameters", "what differs"]].tolist() == [
        "0.0043",
        "147424",
        "2,000 epochs",
    ]


def test_what_would_decide_a_claim_is_said():
    assert needed_units(float("nan"), "seed") == ""
    assert needed_units(7.0, "seed") == "about 7 seeds would decide it"
    assert needed_units(float("inf"), "sample") == "no number of samples alone would decide it"


def test_a_study_without_results_is_named(tmp_path):
    layout = Layout(tmp_path / "data", tmp_path / "results")
    build(configured(made(), layout=layout, folder=tmp_path), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "4 of 4 runs have no evaluations: points/first/none/seed0" in page
    assert "metrics.csv is not there" in page
    assert ">Claims</h3>" not in page


def test_nothing_of_other_settings_is_shown(found, tmp_path):
    other = section(StudyResults(made(claims=[]), found.layout))
    assert other.lacking == [
        "metrics.csv was made with other settings (or other code): nothing of it is shown."
    ]
    assert not other.claims
    assert not other.figures


def test_a_figure_of_another_time_is_not_shown(tmp_path):
    results = studies.results(made(), tmp_path)
    draw_figure(results, "gain")
    changed = replace(
        results.study,
        settings=results.study.settings.model_copy(
            update={
                "figures": [
                    figure.model_copy(update={"draw": "cost" if figure.name == "gain" else None})
                    for figure in results.study.settings.figures
                ]
            }
        ),
    )
    lacking = section(StudyResults(changed, results.layout)).lacking
    assert "Figures that were made with other settings (or other code): gain." in lacking


def test_a_damaged_table_is_a_sentence(tmp_path):
    results = studies.results(made(), tmp_path)
    with results.layout.table("made", "claims").open("a") as stream:
        stream.write("more\n")
    (sentence,) = section(StudyResults(results.study, results.layout)).lacking
    assert "claims.csv is damaged" in sentence


def test_missing_runs_are_named(tmp_path):
    results = studies.results(made(), tmp_path)
    run = results.study.runs[0]
    results.layout.evaluation("made", *run.key, "plain", run.seed).unlink()
    lacking = section(StudyResults(results.study, results.layout)).lacking
    assert lacking[0] == "1 of 4 runs have no evaluations: points/first/none/seed0."


def test_violations_stand_beside_errors(tmp_path):
    layout = Layout(tmp_path / "data", tmp_path / "results")
    study = vectors.a_study()
    vectors.evaluate(study, layout)
    compare_study(study, layout)
    found = tables(StudyResults(study, layout))
    matrix = next(iter(found.values()))
    gains = found["Averaging at evaluation: change of the score with its 95 % interval"]
    for table in (matrix, gains):
        # The first network is not equivariant, the second is exactly so.
        assert re.fullmatch(r"0\.\d+ \[0\.\d+, 0\.\d+\]", table["violation, plain"][0])
        assert float(table["violation, plain"][1].split()[0]) < 1e-5
    (by_irreps,) = (table for title, table in found.items() if "by irreps" in title)
    shares = by_irreps.iloc[0]
    assert list(by_irreps)[3:] == ["trivial", "1a, left by C2", "2a"]
    assert sum(float(shares[name].split()[0]) for name in list(by_irreps)[3:]) == pytest.approx(
        100, abs=0.5
    )


def test_what_diverged_is_counted(tmp_path):
    def change(dataset, run, evaluation):
        return dataset.assign_attrs(diverged=3 if (run.seed, evaluation) == (1, "plain") else 0)

    results = studies.results(made(models=["first"], claims=[]), tmp_path, change)
    table = tables(results)["Predictions that were not finite"]
    assert table.diverged.tolist() == ["3 of 8"]
    assert table.evaluation.tolist() == ["plain"]


def test_one_seed_has_no_deviation(tmp_path):
    results = studies.results(made(models=["first"], seeds=[0], claims=[]), tmp_path)
    table = next(iter(tables(results).values()))
    mean = float(results.groups[0].open("plain").mse.mean())
    assert table.plain.tolist() == [f"{mean:.3g} (one seed)"]
    assert spread(np.array([1.0, 3.0])) == "2 ± 1.4"


def test_fields_have_tables_of_rollouts_and_cost(tmp_path):
    results = studies.results(
        made(tasks={"field": studies.fields()}, claims=[], models=["first"]), tmp_path
    )
    found = tables(results)
    gained = found["Averaging at evaluation: change of the score with its 95 % interval"]
    group = results.groups[0]
    plain, averaged = (group.open(name).vrmse for name in ("plain", "average"))
    assert gained.plain.tolist() == pytest.approx([float(plain.mean())])
    better = int((averaged < plain).sum())
    assert gained["samples improved"].tolist() == [f"{better} of 8"]
    rollouts = found["Rollouts: VRMSE in the windows of The Well, medians over trajectories"]
    first = plain_rollout = group.open("plain").rollout_vrmse
    first = float(plain_rollout.sel(lead_time=1).median("trajectory").mean())
    assert rollouts["1, plain"].tolist() == pytest.approx([first])
    cost = found["What averaging cost, over the plain evaluation"]
    assert cost.elements.tolist() == [2]
    assert cost["memory, averaged / plain"].tolist() == [1]


def test_licences_come_from_manifests(tmp_path):
    results = studies.results(made(), tmp_path)
    configuration = configured(results.study, layout=results.layout, folder=tmp_path)
    folder = configuration.data_folder(results.study.task("points"))
    manifest = Manifest("a simulator", "CC BY 4.0", {}, ())
    folder.mkdir(parents=True)
    write_manifest(folder, manifest, "Made", "0")
    build(configuration, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "CC BY 4.0" in page
    assert "made/points" in page


def test_what_a_training_ran_on_is_told(found, tmp_path):
    build(configured(found.study, layout=found.layout, folder=tmp_path), tmp_path / "report.html")
    assert "abacus, 1 cores (4 runs)" in (tmp_path / "report.html").read_text()


def test_the_command_names_files_in_the_project(tmp_path):
    layout = Layout(tmp_path, tmp_path)
    size = tmp_path / "config" / "sizes" / "smoke.yaml"
    overlay = tmp_path / "config" / "overlays" / "mine.yaml"
    configuration = Configuration("smoke", "smoke", layout, {"ace": made()}, (size, overlay))
    told = command(configuration, tmp_path)
    assert told == "make reproduce SIZE=smoke STUDIES=ace CONFIG=config/overlays/mine.yaml"
    outside = command(configuration, tmp_path / "elsewhere")
    assert outside == f"make reproduce STUDIES=ace CONFIG='{size} {overlay}'"
    changed = replace(configuration, overrides=("studies.ace.seeds=[1]",))
    assert "'set=studies.ace.seeds=[1]'" in command(changed, tmp_path)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((1.0, 0.5, 2.0), "1 [0.5, 2]"),
        ((1.0, np.nan, np.nan), "1 (no interval)"),
        ((1.0, 1.0, 1.0), "1"),
        ((np.inf, np.nan, np.nan), "inf (not finite)"),
        ((np.nan, np.nan, np.nan), "nan (not finite)"),
    ],
)
def test_intervals_are_told(numbers, told):
    assert interval(*numbers) == told


def test_a_record_that_is_no_json_is_empty(tmp_path):
    results = studies.results(made(), tmp_path)
    path = results.layout.table_provenance("made", "metrics")
    with write_whole(path) as temporary:
        temporary.write_text("{")
    assert "other settings" in section(results).lacking[0]
    write_json(path, ["no", "keys"])
    assert "other settings" in section(results).lacking[0]

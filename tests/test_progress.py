"""How far a run is, by what it left."""

import pytest

from symbench.files import write_json
from symbench.layout import TRAINED
from symbench.progress import progress
from tests.figures import studies
from tests.report.test_report import configured
from tests.test_plan import record


@pytest.fixture
def run(tmp_path):
    """A configuration of four runs, of which all are evaluated and none keeps its weights."""
    results = studies.results(studies.study(), tmp_path)
    return configured(results.study, layout=results.layout, folder=tmp_path)


def test_what_is_there_is_counted(run):
    assert progress(run, 1) == ("train 0 of 4, evaluate 4 of 4; how long it takes is not known yet")
    study = run.studies["made"]
    for each in study.runs:
        for name in TRAINED:
            run.layout.trained(name, "made", *each.key, each.seed).touch()
        _record(run, each, each.training_fingerprint)
    assert progress(run, 1) == "train 4 of 4, evaluate 4 of 4; all are there"


def test_what_is_of_other_settings_is_not_there(run):
    study = run.studies["made"]
    for each in study.runs:
        for name in TRAINED:
            run.layout.trained(name, "made", *each.key, each.seed).touch()
        _record(run, each, "of other settings")
    # Evaluations without a fingerprint, as a file that is half written.
    run.layout.evaluation("made", *study.runs[0].key, "plain", study.runs[0].seed).write_text("x")
    assert progress(run, 1).startswith("train 0 of 4, evaluate 3 of 4; ")


def _record(run, trained, fingerprint):
    path = run.layout.trained("provenance.json", "made", *trained.key, trained.seed)
    write_json(path, {"config": fingerprint})


def test_time_left_is_that_of_recorded_jobs(run):
    """Of another seed, else the mean of the stage; on so many cores."""
    threads = run.studies["made"].resources("train").threads
    record(run.layout.benchmarks, "train/made/points/first/none/seed0", 600.0, 1.0)
    # Both seeds of the first model take ten minutes, and those of the second as long.
    told = f"about {4 * 10 * threads / 2:.0f} minutes left on 2 cores"
    assert progress(run, 2).endswith(told)
    record(run.layout.benchmarks, "train/made/points/second/none/seed0", 1200.0, 1.0)
    assert f"about {60 * threads / 2:.0f} minutes" in progress(run, 2)

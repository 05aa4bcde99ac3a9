"""Claims and metrics of studies of which much, or little, is there."""

import numpy as np
import pandas as pd
import pytest

from symbench.comparison import METRIC_COLUMNS, compare_study
from symbench.errors import DataError
from symbench.figures.results import StudyResults
from symbench.files import write_whole
from symbench.layout import Layout
from symbench.report.reference_tables import keep
from symbench.verdicts import CLAIM_COLUMNS
from tests.evaluation.vectors import VECTORS, a_study, evaluate, write_history

GAIN = {
    "name": "gain",
    "statement": "averaging helps",
    "origin": "paper",
    "source": "[SEEN]",
    "measure": "relative_change",
    "of": {"evaluation": "average"},
    "against": {"evaluation": "plain"},
    "expect": {"below": 0},
}
ORBITS = [
    {**GAIN, "name": name, "origin": "theory", "measure": name, "of": None, "against": None}
    for name in ("measured_over_predicted_gain", "largest_excess", "share_refused")
]


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "data", tmp_path / "results")


def claims_of(study, layout):
    compare_study(study, layout)
    metrics = pd.read_csv(layout.table("s", "metrics"), dtype={"lead_time": str})
    assert list(metrics.columns) == METRIC_COLUMNS
    judged = pd.read_csv(
        layout.table("s", "claims"), keep_default_na=False, na_values={"value": ""}
    )
    assert list(judged.columns) == CLAIM_COLUMNS
    assert layout.table_provenance("s", "claims").is_file()
    return judged.set_index(["claim", "case"])


def compared(layout, **changes):
    study = a_study(**{"claims": [GAIN, *ORBITS], **changes})
    evaluate(study, layout)
    return claims_of(study, layout)


def test_claims_have_a_row_for_the_whole_and_one_for_each_case(layout):
    write_audit(layout, "element,passed\ne,True\ng,False\n")
    judged = compared(layout)
    assert list(judged.loc["gain"].index) == ["", "v,network,none", "v,double,none"]
    network = judged.loc["gain", "v,network,none"]
    assert network.verdict == "reproduced"
    assert float(network.low) <= float(network.value) <= float(network.high) < 0
    assert (int(network.seeds), int(network.samples)) == (2, 12)
    assert network.population == "this network"
    # A perfect network: the change of an error of zero is no number.
    assert judged.loc["gain", "v,double,none"].verdict == "inconclusive"
    assert judged.loc["gain", ""].verdict == "inconclusive"
    refused = judged.loc["share_refused", "v,network,none"]
    assert float(refused.value) == 0.5
    excess = judged.loc["largest_excess"]
    assert excess.loc["v,network,none"].verdict == "supported"
    assert float(excess.loc[""].value) == max(
        float(excess.loc[case].value) for case in ("v,network,none", "v,double,none")
    )
    gain = judged.loc["measured_over_predicted_gain"]
    assert float(gain.loc["v,network,none"].value) > 0
    assert gain.loc["v,double,none"].verdict == "inconclusive"


def write_audit(layout, text):
    with write_whole(layout.audit("s", "v")) as temporary:
        temporary.write_text(text)


def test_patterns_choose_cases_and_fixed_treatments_are_not_told(layout):
    where = {"model": "net*", "treatment": "none", "task": ["v", "elsewhere"]}
    judged = compared(layout, claims=[{**GAIN, "where": where}])
    assert list(judged.loc["gain"].index) == ["", "v,network"]


def test_a_claim_whose_cases_were_not_run_says_so(layout):
    judged = compared(layout, claims=[{**GAIN, "where": {"task": "elsewhere"}}])
    (row,) = judged.loc["gain"].itertuples()
    assert row.verdict == "not run"
    assert (int(row.seeds), int(row.samples)) == (0, 0)


def test_the_lowest_case_is_the_claim(layout):
    known = {**GAIN, "name": "known", "pick": "lowest", "where": {"model": "network"}}
    judged = compared(layout, claims=[known, {**GAIN, "pick": "lowest"}])
    (row,) = judged.loc["known"].itertuples()
    assert float(row.value) < 0
    assert row.verdict == "reproduced"
    # Which of them is the lowest is not known where the change of one is no number.
    (row,) = judged.loc["gain"].itertuples()
    assert row.verdict == "inconclusive"


def test_a_case_that_lacks_what_it_needs_is_not_judged(layout):
    need = {"of": {"metric": "mse"}, "above": 1e-9, "why": "fits too well"}
    judged = compared(layout, claims=[{**GAIN, "needs": [need]}]).loc["gain"]
    assert judged.loc["v,network,none"].verdict == "reproduced"
    assert judged.loc["v,network,none"].note == ""
    assert judged.loc["v,double,none"].verdict == "inconclusive"
    assert judged.loc["v,double,none"].note == judged.loc[""].note == "fits too well (mse 0)"
    assert judged.loc[""].verdict == "inconclusive"
    against = {**GAIN, "expect": {"above": 0}, "needs": [need]}
    assert compared(layout, claims=[against]).loc["gain", ""].verdict == "contradicted"


def test_a_measure_of_the_user(layout):
    claim = {**GAIN, "measure": f"{__name__}:half"}
    judged = compared(layout, claims=[claim])
    assert float(judged.loc["gain", "v,network,none"].value) == 0.5


def test_a_claim_says_which_cases_decide_it_where_their_mean_does_not(layout):
    judged = compared(layout, claims=[{**GAIN, "measure": f"{__name__}:apart"}]).loc["gain"]
    assert (judged.loc[""].verdict, float(judged.loc[""].value)) == ("contradicted", -1)
    assert judged.loc[""].note == "contradicted by 1 of 2 cases: v,double,none"


def test_a_claim_may_name_its_population(layout):
    judged = compared(layout, claims=[{**GAIN, "about": "networks trained so"}])
    assert judged.loc["gain", "v,network,none"].population == "networks trained so"


def apart(claim, group, groups):
    from symbench.statistics import certain

    return certain({"network": -3.0, "double": 1.0}[group.model], len(group.seeds), 0)


def half(claim, group, groups):
    from symbench.statistics import certain

    return certain(0.5, len(group.seeds), 0)


def test_plain_evaluations_alone(layout):
    judged = compared(layout, evaluations=["plain"])
    assert (judged.verdict == "not run").all()


def test_broken_tasks_alone(layout):
    tasks = {"v": {"dataset": VECTORS, "group": "C4", "exact": False}}
    judged = compared(layout, tasks=tasks, claims=[{**GAIN, "where": {"exact": True}}])
    assert judged.loc["gain", ""].verdict == "not run"


def test_what_is_compared_is_what_is_there(layout):
    study = a_study(claims=[GAIN])
    evaluate(study, layout, only="network/none/seed0")
    judged = claims_of(study, layout)
    assert list(judged.loc["gain"].index) == ["", "v,network,none"]
    assert int(judged.loc["gain", ""].seeds) == 1


def test_a_study_without_any_evaluation_has_tables(layout):
    judged = claims_of(a_study(claims=[GAIN]), layout)
    assert judged.loc["gain", ""].verdict == "not run"
    keep(StudyResults(a_study(), layout), layout.results / "reference")


def test_another_treatment_is_held_against_none(layout):
    claim = {**GAIN, "measure": "difference_of_changes", "where": {"treatment": "augment"}}
    runs = [{"tasks": ["v"], "models": ["network"], "treatments": ["none", "augment"]}]
    judged = compared(layout, runs=runs, claims=[claim])
    row = judged.loc["gain", "v,network"]
    assert float(row.value) == pytest.approx(0, abs=1e-12)
    assert row.population == "networks trained so"


def test_one_treatment_alone_has_nothing_to_be_held_against(layout):
    claim = {**GAIN, "measure": "difference_of_changes", "where": {"treatment": "augment"}}
    runs = [{"tasks": ["v"], "models": ["network"], "treatments": ["augment"]}]
    judged = compared(layout, runs=runs, claims=[claim])
    assert judged.loc["gain", ""].verdict == "not run"


def test_published_weights_alone(layout):
    study = a_study(claims=[GAIN])
    evaluate(study, layout)
    for run in study.runs:
        write_history(layout, run, "epoch,train_loss,valid_loss\n")
    assert claims_of(study, layout).loc["gain", "v,network,none"].verdict == "reproduced"


def test_a_damaged_audit_stops_the_comparison(layout):
    write_audit(layout, "element,passed\ne,True\n")
    layout.audit("s", "v").write_text("element,passed\ne,False\n")
    with pytest.raises(DataError, match="damaged"):
        compared(layout)


@pytest.mark.parametrize("there", ["a run", "a user"])
def test_reference_tables_replace_nothing_else(layout, there):
    study = a_study(claims=[GAIN])
    evaluate(study, layout)
    compare_study(study, layout)
    output = layout.results if there == "a run" else layout.results / "reference"
    if there == "a user":
        (output / "s").mkdir(parents=True)
        (output / "s" / "metrics.csv").write_text("mine")
    before = (output / "s" / "metrics.csv").read_bytes()
    with pytest.raises(DataError, match="holds other files than reference tables"):
        keep(StudyResults(study, layout), output)
    assert (output / "s" / "metrics.csv").read_bytes() == before


def test_reference_tables_hold_means_of_seeds(layout):
    study = a_study(claims=[GAIN])
    evaluate(study, layout)
    compare_study(study, layout)
    output = layout.results / "reference"
    for _ in "as it was", "anew":
        keep(StudyResults(study, layout), output)
    table = pd.read_csv(output / "s" / "metrics.csv")
    assert set(table.metric) == {"mse"}
    assert set(table.evaluation) == {"plain", "average", "orbit_mean"}
    metrics = pd.read_csv(layout.table("s", "metrics"))
    chosen = metrics.query("metric == 'mse' and evaluation == 'plain' and model == 'network'")
    row = table.query("evaluation == 'plain' and model == 'network'").iloc[0]
    assert row["mean"] == pytest.approx(np.mean(chosen.value), rel=1e-5)
    assert row["count"] == 2

"""Two runs, claim by claim."""

import pandas as pd
import pytest

from symbench.errors import DataError
from symbench.figures.results import StudyResults
from symbench.report.agreement import agreement, judged_alone, read_claims
from symbench.report.claims import judged_claims
from tests.figures import studies
from tests.report.test_report import made

NAN = float("nan")


def claims(value, low, high, verdict="reproduced", case=""):
    row = {"study": "made", "claim": "gain", "case": case, "value": value, "low": low, "high": high}
    return pd.DataFrame([row | {"verdict": verdict}])


@pytest.mark.parametrize(
    ("ours", "theirs", "agrees", "opposed"),
    [
        ((1.0, 0.9, 1.1), (1.13, 1.03, 1.23), "agrees", False),
        # Halves of 0.1 each: apart by more than their root sum of squares, 0.141.
        ((1.0, 0.9, 1.1), (1.15, 1.05, 1.25), "differs", False),
        ((1.0, 0.9, 1.1, "reproduced"), (1.1, 1.0, 1.2, "contradicted"), "agrees", True),
        ((1.0, NAN, NAN), (1.0000004, NAN, NAN), "agrees", False),
        ((1.0, NAN, NAN), (1.2, 1.1, 1.3), "cannot be compared", False),
        ((NAN, NAN, NAN), (1.2, 1.1, 1.3), "cannot be compared", False),
        # A check measures nothing.
        ((-5.0, NAN, NAN, "passed"), (-4.0, NAN, NAN, "passed"), "agrees", False),
        ((-5.0, NAN, NAN, "passed"), (4.0, NAN, NAN, "failed"), "differs", True),
        ((0.0, -0.5, 0.5, "inconclusive"), (0.1, -0.2, 0.4, "passed"), "cannot be compared", False),
        # The interval of the largest of many reaches far to one side, away from the other value.
        ((-0.19, -0.6, -0.18), (-0.02, -0.03, -0.01), "differs", False),
    ],
)
def test_values_agree_within_their_intervals(ours, theirs, agrees, opposed):
    [row] = agreement(claims(*ours), claims(*theirs)).to_dict("records")
    assert (row["agrees"], row["opposed"]) == (agrees, opposed)
    [turned] = agreement(claims(*theirs), claims(*ours)).to_dict("records")
    assert (turned["agrees"], turned["opposed"]) == (agrees, opposed)


def test_only_what_both_have_is_compared():
    assert agreement(claims(1, 0, 2, case="a"), claims(1, 0, 2, case="b")).empty


def test_what_one_run_alone_has_judged_is_counted():
    ours = pd.concat([claims(1, 0, 2, case="a"), claims(1, 0, 2, case="b")])
    ours = pd.concat([ours, claims(NAN, NAN, NAN, "not run", case="c")])
    theirs = claims(1, 0, 2, case="a")
    assert (judged_alone(ours, theirs), judged_alone(theirs, ours)) == (1, 0)


def test_folders_without_claims_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds no <study>/claims\.csv"):
        read_claims(tmp_path)
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "claims.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="has no column study: it is no table of claims"):
        read_claims(tmp_path)
    table = claims(1.0, 0.9, 1.1)
    for frame, said in (
        (table.assign(value="much"), "column value holds what is no number"),
        (pd.concat([table, table]), "has claims or cases twice"),
    ):
        frame.to_csv(tmp_path / "made" / "claims.csv", index=False)
        with pytest.raises(DataError, match=said):
            read_claims(tmp_path)


def test_the_report_says_what_the_reference_says(tmp_path):
    results = studies.results(made(), tmp_path)
    assert judged_claims(results)[0].reference == ""
    results.layout.reference.joinpath("made").mkdir(parents=True)
    reference = results.layout.reference / "made" / "claims.csv"
    reference.write_text(results.layout.table("made", "claims").read_text())
    said = judged_claims(StudyResults(results.study, results.layout))[0].reference
    assert said.startswith("reference: ")
    assert said.endswith("supported; this run agrees")

"""What treatments paid on the benchmark's tasks most like one of the user's."""

import pandas as pd
import pytest

from symbench.advice.treatments import COLUMNS, Situation, distances, known_treatments, what_paid

INFINITE = float("inf")


def row(**changes):
    base = {
        **{"size": "laptop", "study": "s", "task": "flow", "kind": "fields", "group": "D4"},
        **{"order": 8.0, "exact": True, "training_samples": 100, "model": "net"},
        **{"treatment": "augment", "score": "vrmse", "better": "lower", "change": -0.2},
        **{"standard_error": 0.02, "seeds": 3},
    }
    return {**base, **changes}


def table(*rows):
    return pd.DataFrame([row(**changes) for changes in rows], columns=list(COLUMNS))


def test_the_shipped_table_is_whole():
    known = known_treatments()
    assert tuple(known) == COLUMNS
    assert set(known.better) <= {"lower", "higher"}
    assert known.change.notna().all()
    assert {"fields", "points", "molecules", "graphs"} == set(known.kind)
    assert not known.duplicated(["size", "study", "task", "model", "treatment"]).any()


def test_the_nearest_task_of_the_same_kind_is_told():
    known = table(
        {},
        {"task": "broken_flow", "exact": False, "treatment": "penalty"},
        {"task": "cloud", "kind": "points", "order": INFINITE},
        {"treatment": "strict", "change": -0.3},
    )
    told = what_paid(Situation("fields", True, 8, 150), known)
    assert "(flow: fields, D4 exact, 100 samples; size laptop)" in told
    assert "strict paid most at training: it changed the vrmse of net by -30.0% (3 seeds)" in told
    assert "penalty paid most" in what_paid(Situation("fields", False, 8, float("nan")), known)
    assert "(cloud: " in what_paid(Situation("points", False, 8, 5), known)
    assert "No treatment was tried on graphs" in what_paid(Situation("graphs", True, 2, 1), known)


def test_what_is_within_the_scatter_of_seeds_did_not_pay():
    some = Situation("fields", True, 8, 100)
    told = what_paid(some, table({"standard_error": 0.15}))
    assert "no treatment at training paid for sure" in told
    assert "within the scatter of 3 seeds" in told
    assert "with one seed" in what_paid(some, table({"standard_error": None, "seeds": 1}))
    assert "paid for sure" in what_paid(some, table({"better": "higher"}))
    assert "augment paid most" in what_paid(some, table({"better": "higher", "change": 0.2}))


def test_two_infinite_groups_are_alike():
    known = table({"order": INFINITE}, {"order": 16.0, "task": "other"})
    found = distances(known, Situation("fields", True, INFINITE, 1000))
    assert found.tolist() == pytest.approx([1.0, 3.0])

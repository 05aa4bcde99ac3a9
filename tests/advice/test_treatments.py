"""What treatments paid on the benchmark's tasks most like one of the user's."""

import pandas as pd
import pytest

from symbench.advice.treatments import COLUMNS, Situation, distances, known_treatments, what_paid

INFINITE = float("inf")


def row(**changes):
    base = {
        **{"size": "laptop", "study": "s", "task": "flow", "kind": "fields", "group": "D4"},
        **{"order": 8.0, "exact": True, "training_samples": 100, "model": "net"},
        **{"treatment": "augment", "score": "vrmse", "change": -0.2, "low": -0.25, "high": -0.15},
        **{"gain": 0.2, "verdict": "pays", "seeds": 3},
    }
    return {**base, **changes}


def table(*rows):
    return pd.DataFrame([row(**changes) for changes in rows], columns=list(COLUMNS))


def test_the_shipped_table_is_whole():
    known = known_treatments()
    assert tuple(known) == COLUMNS
    assert set(known.verdict) <= {"pays", "harms", "nothing", "open"}
    assert known.change.notna().all()
    assert {"fields", "points", "molecules", "graphs"} == set(known.kind)
    assert not known.duplicated(["size", "study", "task", "model", "treatment"]).any()


def test_the_nearest_task_of_the_same_kind_is_told():
    known = table(
        {},
        {"task": "broken_flow", "exact": False, "treatment": "penalty"},
        {"task": "cloud", "kind": "points", "order": INFINITE},
        {"treatment": "strict", "change": -0.3, "low": -0.4, "high": -0.2, "gain": 0.3},
    )
    told = what_paid(Situation("fields", True, 8, 150), known)
    assert "(flow: fields, D4 exact, 100 samples; size laptop)" in told
    assert (
        "strict paid most at training: it changed the vrmse of net by -30 [-40, -20] % (3 seeds)"
        in told
    )
    assert "penalty paid most" in what_paid(Situation("fields", False, 8, float("nan")), known)
    assert "(cloud: " in what_paid(Situation("points", False, 8, 5), known)
    assert "No treatment was tried on graphs" in what_paid(Situation("graphs", True, 2, 1), known)


def test_only_what_pays_in_the_answer_paid():
    """Two seeds that both gain are no verdict, and neither is the best of many."""
    some = Situation("fields", True, 8, 100)
    told = what_paid(some, table({"verdict": "open", "low": -0.6, "high": 0.3}))
    assert "no treatment at training paid for sure: the best, augment, changed" in told
    assert "by -20 [-60, 30] % (3 seeds)" in told
    lone = {"verdict": "open", "low": None, "high": None, "seeds": 1}
    assert "by -20 % (1 seed, no interval)." in what_paid(some, table(lone))
    both = table({"verdict": "open", "gain": 0.5}, {"treatment": "strict", "gain": 0.1})
    assert "strict paid most" in what_paid(some, both)


def test_two_infinite_groups_are_alike():
    known = table({"order": INFINITE}, {"order": 16.0, "task": "other"})
    found = distances(known, Situation("fields", True, INFINITE, 1000))
    assert found.tolist() == pytest.approx([1.0, 3.0])

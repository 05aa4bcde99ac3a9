"""The reference tables of all sizes: verdicts that differ are explained beside them."""

from pathlib import Path

import pandas as pd

from symbench.report.agreement import KEY, OPPOSITES, read_claims

REFERENCE = Path("results/reference")


def turning(claims):
    """Claims and cases whose verdicts of two tables exclude each other."""
    verdicts = claims.groupby(KEY).verdict.agg(set)
    return [key for key, found in verdicts.items() if any(pair <= found for pair in OPPOSITES)]


def test_a_verdict_that_turns_is_found():
    cases = {"": "reproduced", "a": "contradicted", "b": "supported"}
    rows = [("ace", "wins", case, verdict) for case, verdict in cases.items()]
    rows.append(("ace", "wins", "", "contradicted"))
    assert turning(pd.DataFrame(rows, columns=[*KEY, "verdict"])) == [("ace", "wins", "")]


def test_each_verdict_that_turns_between_sizes_is_explained():
    folders = {path.parents[1] for path in REFERENCE.glob("*/*/claims.csv")}
    assert len(folders) > 1
    claims = pd.concat([read_claims(folder) for folder in folders])
    explained = (REFERENCE / "README.md").read_text()
    missing = [key for key in turning(claims) if f"| {key[0]} | `{key[1]}`" not in explained]
    assert not missing

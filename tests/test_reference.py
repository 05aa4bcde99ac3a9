"""Reference tables of all sizes do not contradict each other without a sentence that says why."""

import re
from pathlib import Path

import pandas as pd

REFERENCE = Path(__file__).parents[1] / "results" / "reference"
MET = {"reproduced", "supported"}


def test_verdicts_that_differ_between_sizes_are_explained():
    text = (REFERENCE / "README.md").read_text()
    explained = set(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", text, flags=re.MULTILINE))
    tables = []
    for path in REFERENCE.glob("*/*/claims.csv"):
        table = pd.read_csv(path, keep_default_na=False)
        tables.append(table[table.case == ""])
    assert tables
    verdicts = pd.concat(tables).groupby(["study", "claim"]).verdict.agg(set)
    differ = {key for key, found in verdicts.items() if "contradicted" in found and found & MET}
    assert differ == explained

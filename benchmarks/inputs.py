"""What users bring, tried: right, refused, warned of or wrong; write docs/inputs.md.

python -m benchmarks.inputs
"""

import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.pages import markdown

MARK = "tried"
OUTCOMES = ("right", "refused", "warned")


class Collected:
    """A plugin of pytest: the inputs of marked tests, and whether each came out as marked."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.items: dict[str, list[tuple[str, ...]]] = {}
        self.failed: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep marked tests alone."""
        for item in items:
            if marks := [mark.args for mark in item.iter_markers(MARK)]:
                self.items[item.nodeid] = marks
        items[:] = [item for item in items if item.nodeid in self.items]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what failed."""
        if report.failed:
            self.failed.add(report.nodeid)

    def table(self) -> pd.DataFrame:
        """A row for each input: kind, input, outcome and the function that tests it."""
        rows = {
            (kind, what): {
                "kind": kind,
                "input": what,
                "outcome": "wrong" if test in self.failed else outcome,
                "test": f"`{test.partition('[')[0].removeprefix('tests/')}`",
            }
            for test, marks in sorted(self.items.items(), key=lambda item: item[0] in self.failed)
            for kind, what, outcome in marks
        }
        return pd.DataFrame(list(rows.values())).sort_values(["kind", "input"])


def main() -> None:
    """Run the marked tests and write the page."""
    collected = Collected()
    code = pytest.main(["-q", "-p", "no:cacheprovider", "tests"], plugins=[collected])
    table = collected.table()
    unknown = set(table.outcome) - {*OUTCOMES, "wrong"}
    if unknown:
        sys.exit(f"Marks say {', '.join(unknown)}; outcomes are {', '.join(OUTCOMES)}.")
    counts = pd.crosstab(table.kind, table.outcome)
    counts = counts.reindex(columns=[*OUTCOMES, "wrong"], fill_value=0)
    counts.insert(0, "tried", counts.sum(axis=1))
    counts.loc["all"] = counts.sum()
    text = f"""# What users bring

Made by `python -m benchmarks.inputs`; do not edit.

Inputs that went wrong somewhere, in bug reports of this field or here. Each ends in the right
numbers, in one sentence that refuses it, or in the right numbers with a warning. Besides,
`pytest --hypothesis-profile=thorough tests -k test_changed_files` changes one thing at random in
each of 2,000 small files of every kind.

{markdown(counts.reset_index())}

## One by one

{markdown(table)}
"""
    Path("docs/inputs.md").write_text(text)
    sys.exit(code)


if __name__ == "__main__":
    main()

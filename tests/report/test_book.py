"""Each claim once, with the evidence of its largest run."""

import pandas as pd
import pytest
from typer.testing import CliRunner

from symbench.cli import app
from symbench.errors import DataError
from symbench.report.book import book

CLAIM = {
    "study": "made",
    "claim": "gain",
    "case": "",
    "statement": "Averaging | gains",
    "origin": "ours",
    "value": -0.1,
    "low": -0.2,
    "high": -0.05,
    "unit": "relative change",
    "seeds": 3,
    "samples": 8,
    "verdict": "supported",
}


def write(folder, *rows):
    (folder / "made").mkdir(parents=True)
    pd.DataFrame(rows).to_csv(folder / "made" / "claims.csv", index=False)


def test_the_largest_run_speaks_and_others_are_named(tmp_path):
    write(tmp_path / "small", CLAIM, CLAIM | {"case": "a", "seeds": 99})
    larger = CLAIM | {"value": -0.3, "seeds": 5, "verdict": "inconclusive"}
    write(tmp_path / "large", larger, CLAIM | {"claim": "never", "verdict": "not run"})
    [line] = [line for line in book(tmp_path).splitlines() if line.startswith("| Averaging")]
    assert line == (
        "| Averaging ∣ gains | ours | -0.3 [-0.2, -0.05] relative change | 5, 8 | inconclusive "
        "| large | small: supported |"
    )
    assert "never" not in book(tmp_path)


def test_a_claim_without_unit_and_with_two_lines_has_one_row(tmp_path):
    write(tmp_path / "run", CLAIM | {"statement": "Averaging\ngains", "unit": None})
    [line] = [line for line in book(tmp_path).splitlines() if line.startswith("| Averaging")]
    assert line.startswith("| Averaging gains | ours | -0.1 [-0.2, -0.05] | 3, 8 |")


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no"):
        book(tmp_path)


def test_only_a_book_is_replaced(tmp_path):
    write(tmp_path / "small", CLAIM)
    page = tmp_path / "page.md"
    for content, code in ((None, 0), (None, 0), ("mine", 1)):
        if content:
            page.write_text(content)
        words = ["book", str(page), "--tables", str(tmp_path)]
        assert CliRunner().invoke(app, words).exit_code == code
    assert page.read_text() == "mine"

"""Tables and figures of several studies, in processes of their own."""

from functools import partial

import pandas as pd
import pytest

from symbench.errors import DataError
from symbench.figures.results import StudyResults
from symbench.remaking import remade, side_by_side
from tests.figures import studies


@pytest.fixture
def two(tmp_path) -> list[StudyResults]:
    figures = [{"name": name, "caption": "Shown"} for name in ("cost", "gain")]
    return [
        studies.results(studies.study(figures=figures), tmp_path / name, compare=False)
        for name in ("one", "other")
    ]


def test_every_study_has_its_tables_and_chosen_figures(two):
    side_by_side(partial(remade, only=["cost"]), two)
    for results in two:
        layout = results.layout
        assert len(pd.read_csv(layout.table("made", "metrics")))
        assert layout.figure("made", "cost").is_file()
        assert not layout.figure("made", "gain").exists()


def test_what_is_wrong_in_a_process_is_said_here(two):
    audit = two[1].layout.audit("made", "points")
    audit.write_text(audit.read_text() + "more\n")
    with pytest.raises(DataError, match="is damaged"):
        side_by_side(remade, two)

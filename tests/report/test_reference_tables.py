"""The reference tables of all sizes: verdicts that differ are explained beside them."""

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from symbench.config.read import read_configuration
from symbench.errors import ConfigError, DataError
from symbench.figures.draw import FINDING
from symbench.figures.results import StudyResults
from symbench.layout import Layout
from symbench.report.agreement import KEY, OPPOSITES, read_claims
from symbench.report.build import build
from symbench.report.reference_tables import configuration_of, made_of_tables

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


@pytest.mark.parametrize(
    ("name", "study", "figures"),
    [("laptop", "sign_equivariant", 6), ("quantum_folds", "quantum", 0)],
)
def test_figures_and_report_are_made_of_reference_tables(name, study, figures, tmp_path):
    """Of one study, with all of its figures whose tables are kept."""
    tables = REFERENCE / name
    configuration = configuration_of(tables, tmp_path / "made")
    results = StudyResults(configuration.study(study), configuration.layout)
    part = made_of_tables(results, tables)
    kept = {path.stem for path in (tables / study / "figures").glob("*.csv")}
    assert {figure.name for figure in part.section.figures} == kept
    assert len(kept) == figures
    verdicts = {each.whole.verdict for each in part.section.claims}
    assert "inconclusive" in verdicts
    assert part.answer.networks
    build(configuration, configuration.layout.report, [part])
    page = configuration.layout.report.read_text()
    assert "made from reference tables" in page
    assert page.count("<figure") >= len(kept)


def test_lead_times_of_reference_tables_are_numbers(tmp_path):
    """As texts, 9 came after 30: the last lead time was the ninth."""
    tables = REFERENCE / "laptop"
    configuration = configuration_of(tables, tmp_path / "made", ["group_averaging"])
    results = StudyResults(configuration.study("group_averaging"), configuration.layout)
    made_of_tables(results, tables, only=["lead_time"])
    kept = pd.read_csv(tables / "group_averaging/figures/lead_time.csv")
    plain = kept[(kept.operator == "plain") & (kept.lead_time == 30)].dropna(subset="median")
    with Image.open(configuration.layout.figure("group_averaging", "lead_time")) as image:
        told = image.info[FINDING]
    assert f"plain: from {plain['median'].min():.3g}" in told
    assert f"to {plain['median'].max():.3g}" in told


def test_folders_without_tables_or_config_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no reference tables"):
        configuration_of(tmp_path / "empty", tmp_path / "new")
    named = tmp_path / "lapto" / "quantum"
    named.mkdir(parents=True)
    (named / "networks.csv").touch()
    with pytest.raises(ConfigError, match="Did you mean 'laptop'"):
        configuration_of(named.parent, tmp_path / "new")
    with pytest.raises(DataError, match="is not empty"):
        configuration_of(REFERENCE / "laptop", named.parent)


def test_tables_of_figures_with_other_columns_are_refused(tmp_path):
    folder = tmp_path / "laptop" / "quantum"
    (folder / "figures").mkdir(parents=True)
    for name in ("claims", "metrics", "networks"):
        text = (REFERENCE / "laptop" / "quantum" / f"{name}.csv").read_text()
        (folder / f"{name}.csv").write_text(text)
    (folder / "figures" / "plateaus.csv").write_text("something\n1.0\n")
    study = read_configuration(studies=["quantum"]).study("quantum")
    results = StudyResults(study, Layout(tmp_path / "data", tmp_path / "results"))
    with pytest.raises(DataError, match="other columns than this code draws"):
        made_of_tables(results, tmp_path / "laptop")

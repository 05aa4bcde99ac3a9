"""The comparison stage: a tidy table of metrics, and a verdict on every claim."""

import pandas as pd

from symbench.config.run import Run
from symbench.config.study import Study
from symbench.evaluation.reading import read_evaluation
from symbench.evaluation.results import RunGroup, run_groups
from symbench.evaluation.rows import metric_rows
from symbench.files import refuse_damaged, write_json, write_whole
from symbench.layout import Layout
from symbench.provenance import describe
from symbench.verdicts import CLAIM_COLUMNS, judge

METRIC_COLUMNS = [
    "study",
    "task",
    "model",
    "treatment",
    "evaluation",
    "seed",
    "split",
    "lead_time",
    "field",
    "metric",
    "value",
    "unit",
]


def compare_study(
    study: Study,
    layout: Layout,
    *,
    partly: bool = False,
    found: tuple[list[RunGroup], list[Run]] | None = None,
) -> None:
    """Write metrics.csv and claims.csv of what was evaluated, each with its provenance beside it.

    Args:
        study: the study.
        layout: where its results are.
        partly: whether evaluations of other settings, as a failed run leaves them, only count as
            missing.
        found: what `run_groups` gave, where it is opened already.

    Raises:
        DataError: if an evaluation, a history or an audit is damaged or of other settings.

    """
    for task in study.tasks:
        refuse_damaged(layout.audit(study.name, task))
    groups, missing = found or run_groups(study, layout)
    for run in () if partly else missing:
        for name in run.evaluations:
            if layout.evaluation(run.study, *run.key, name, run.seed).is_file():
                read_evaluation(run, layout, name)
    rows = [row for group in groups for row in metric_rows(group)]
    judged = [row for claim in study.settings.claims for row in judge(claim, study.name, groups)]
    record = describe(study.comparison_fingerprint)
    tables = {
        "metrics": pd.DataFrame(rows, columns=METRIC_COLUMNS),
        "claims": pd.DataFrame(judged, columns=CLAIM_COLUMNS),
    }
    for name, table in tables.items():
        with write_whole(layout.table(study.name, name)) as temporary:
            table.to_csv(temporary, index=False)
        write_json(layout.table_provenance(study.name, name), record)

"""Networks of the reference tables, which stand beside those of a run in its answer."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from symbench.errors import DataError
from symbench.figures.results import PLAINLY, StudyResults
from symbench.report.ways import EVALUATED, Cell, Network, Way

_NAN = float("nan")
_COLUMNS = {"task", "model", "treatment", "evaluation", "lead_time", "metric", "mean", "count"}


def reference_networks(results: StudyResults) -> Iterator[Network]:
    """Networks on tasks of a study, of all reference tables: any size, any overlay.

    Tables keep means over seeds, and nothing that is paired: changes have no interval. Group and
    exactness are those of the task here.

    Raises:
        DataError: if a table has other columns.

    """
    folder = results.layout.reference.parent
    for path in sorted(folder.glob(f"*/{results.study.name}/metrics.csv")):
        yield from _of_table(results, path)


def _of_table(results: StudyResults, path: Path) -> Iterator[Network]:
    table = pd.read_csv(path, dtype={"lead_time": str}, keep_default_na=False, na_values=[""])
    if lacking := _COLUMNS - set(table):
        raise DataError(f"{path} has no column '{min(lacking)}': make it anew by make reference.")
    one_step = table[(table.lead_time == "1") & table.evaluation.isin(list(EVALUATED))]
    for (name, model), rows in one_step.groupby(["task", "model"], sort=False):
        if name not in results.study.tasks:
            continue
        task = results.study.task(str(name))
        score = task.dataset.scores[0]
        judged = rows.loc[rows.metric == score.name, ["treatment", "evaluation", "mean", "count"]]
        scores = {
            Way(str(treatment), str(evaluation)): (float(mean), int(count))
            for treatment, evaluation, mean, count in judged.itertuples(index=False, name=None)
        }
        plain = scores.pop(Way(PLAINLY, "plain"), None)
        if plain is None or not plain[0] or not scores:
            continue
        sign = 1 if score.better == "higher" else -1
        changes = {way: value / plain[0] - 1 for way, (value, _) in scores.items()}
        cells = tuple(
            Cell(way, change, _NAN, _NAN, sign * change, "open", _NAN, _NAN)
            for way, change in changes.items()
        )
        yield Network(
            results.study.name,
            task.name,
            task.dataset.kind,
            task.settings.group,
            task.settings.exact,
            str(model),
            score.name,
            *plain,
            cells,
            reference=path.parents[1].name,
        )

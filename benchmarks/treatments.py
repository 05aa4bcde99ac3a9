"""What treatments at training gained in the reference tables, as the table that advice reads.

python -m benchmarks.treatments
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.published import REFERENCE, reference_metrics, reference_tables
from symbench.advice.treatments import COLUMNS
from symbench.config.read import read_configuration
from symbench.config.run import Task
from symbench.errors import SymmetryError
from symbench.symmetry.grids.isometries import lowest_dimension, named_group

TABLE = Path("src/symbench/advice/treatments.csv")


def treatment_rows() -> Iterator[dict[str, object]]:
    """A row for each network that was trained plainly and by a treatment as well."""
    for size, name, path in reference_tables(REFERENCE):
        metrics = reference_metrics(size, name)
        if set(metrics.treatment) == {"none"}:
            continue
        study = read_configuration([path], [name]).study(name)
        for task, chosen in metrics.groupby("task", sort=False):
            if task in study.tasks:
                yield from _of_task(size, study.tasks[str(task)], chosen)


def _of_task(size: str, task: Task, metrics: pd.DataFrame) -> Iterator[dict[str, object]]:
    score = task.dataset.scores[0]
    chosen = metrics[(metrics.metric == score.name) & (metrics.lead_time == "1")]
    chosen = chosen[chosen.evaluation == "plain"].set_index(["model", "treatment"])
    for model, treatment in chosen.index:
        if treatment == "none" or (model, "none") not in chosen.index:
            continue
        plain, treated = chosen.loc[(model, "none")], chosen.loc[(model, treatment)]
        errors = [row["std"] / np.sqrt(row["count"]) for row in (plain, treated)]
        yield {
            "size": size,
            "study": task.study,
            "task": task.name,
            "kind": task.dataset.kind,
            "group": task.settings.group,
            "order": group_order(task.settings.group),
            "exact": task.settings.exact,
            "training_samples": training_samples(task),
            "model": model,
            "treatment": treatment,
            "score": score.name,
            "better": score.better,
            "change": treated["mean"] / plain["mean"] - 1,
            "standard_error": np.hypot(*errors) / plain["mean"],
            "seeds": min(plain["count"], treated["count"]),
        }


def training_samples(task: Task) -> float:
    """Number of independent training samples; NaN where the data set says none."""
    value: object = task.parameters
    for key in task.dataset.training_samples.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int) else float("nan")


def group_order(name: str) -> float:
    """Number of elements of a group by name; infinite for rotations."""
    if signs := re.fullmatch(r"signs\((\d+)\)", name):
        return 2.0 ** int(signs[1])
    try:
        return float(named_group(name, lowest_dimension(name)).order)
    except SymmetryError:
        return float("inf")


def main() -> None:
    """Write the table."""
    table = pd.DataFrame(treatment_rows(), columns=list(COLUMNS))
    table.to_csv(TABLE, index=False, float_format="%.4g")


if __name__ == "__main__":
    main()

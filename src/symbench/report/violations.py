"""How far networks are from equivariant, as rows and tables of the report."""

from collections.abc import Hashable, Mapping

import pandas as pd

from symbench.evaluation.results import RunGroup
from symbench.evaluation.violation import violation
from symbench.figures import violation_by_irrep
from symbench.figures.results import StudyResults
from symbench.numbers import interval


def violations(group: RunGroup, *evaluations: str) -> dict[str, str]:
    """The violation of each evaluation that has one, by default all, with its interval."""
    found = {
        evaluation: violation(group, evaluation)
        for evaluation in evaluations or group.evaluations
        if evaluation in group.evaluations
    }
    return {
        f"violation, {evaluation}": interval(each.value, *each.interval("this network"))
        for evaluation, each in found.items()
        if each is not None
    }


def irrep_tables(results: StudyResults) -> dict[str, pd.DataFrame]:
    """A table for each finite group: a row for each run group, a column for each irrep."""
    tables = {}
    for name, of_group in violation_by_irrep.table(results).groupby("group", sort=False):
        rows = [
            {
                "task": task,
                "model": model,
                "trained": treatment,
                **{
                    _head(row): interval(*(100 * row[key] for key in ("share", "low", "high")))
                    for row in of_network.to_dict("records")
                },
            }
            for (task, model, treatment), of_network in of_group.groupby(
                ["task", "model", "treatment"], sort=False
            )
        ]
        caption = (
            f"Squared error over the orbit of {name} by irreps, % with its 95 % interval: "
            "averaging leaves the trivial one, the others are the violation"
        )
        tables[caption] = pd.DataFrame(rows)
    return tables


def _head(row: Mapping[Hashable, object]) -> str:
    return f"{row['irrep']}, left by {row['left_by']}" if row["left_by"] else str(row["irrep"])

"""How far networks are from equivariant, as columns and tables of the report."""

import numpy as np
import pandas as pd

from symbench.evaluation.results import RunGroup
from symbench.evaluation.violation import errors_by_irrep, subgroups_left, violation, whole_group
from symbench.figures.results import StudyResults
from symbench.report.numbers import interval
from symbench.statistics import ratio
from symbench.symmetry.irreps import TRIVIAL


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
    rows: dict[str, list[dict[str, object]]] = {}
    for group in results.groups:
        whole, errors = whole_group(group), errors_by_irrep(group)
        if whole is None or not errors:
            continue
        total = group.mean(np.sum([values for _, values in errors], axis=0))
        row: dict[str, object] = {
            "task": group.task,
            "model": group.model,
            "trained": group.treatment,
        }
        for irrep, values in errors:
            share = ratio(group.mean(values), total)
            percent = (100 * number for number in (share.value, *share.interval("this network")))
            left = "" if irrep.name == TRIVIAL else subgroups_left(irrep, whole)
            row[f"{irrep.name}, left by {left}" if left else irrep.name] = interval(*percent)
        rows.setdefault(whole.name, []).append(row)
    return {
        f"Squared error over the orbit of {name} by irreps, % with its 95 % interval: averaging "
        "leaves the trivial one, the others are the violation": pd.DataFrame(of_group)
        for name, of_group in rows.items()
    }

"""What treatments at training gained in the reference tables, as the table that advice reads.

python -m benchmarks.treatments
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmarks.published import REFERENCE, reference_tables
from symbench.advice.treatments import COLUMNS
from symbench.config.read import read_configuration
from symbench.config.run import Task
from symbench.errors import SymmetryError
from symbench.figures.results import PLAINLY
from symbench.layout import NETWORKS
from symbench.symmetry.grids.isometries import lowest_dimension, named_group

TABLE = Path("src/symbench/advice/treatments.csv")


def treatment_rows() -> Iterator[dict[str, object]]:
    """A row for each network that was trained plainly and by a treatment as well."""
    for size, name, path in reference_tables(REFERENCE):
        networks = pd.read_csv(REFERENCE / size / name / f"{NETWORKS}.csv")
        networks = networks[(networks.evaluation == "plain") & (networks.treatment != PLAINLY)]
        if networks.empty:
            continue
        study = read_configuration([path], [name]).study(name)
        for row in networks.to_dict("records"):
            if row["task"] in study.tasks:
                found = {
                    **row,
                    "size": size,
                    "order": group_order(str(row["group"])),
                    "training_samples": training_samples(study.task(str(row["task"]))),
                    "score": row["metric"],
                }
                yield {key: found[key] for key in COLUMNS}


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

"""Networks of the reference tables, which stand beside those of a run in its answer."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from symbench.errors import DataError
from symbench.figures.results import StudyResults
from symbench.report.networks import COLUMNS, networks_in
from symbench.report.ways import Network

NETWORKS = "networks.csv"


def reference_networks(results: StudyResults) -> Iterator[Network]:
    """Networks on tasks of a study, of all reference tables: any size, any overlay.

    Raises:
        DataError: if a table has other columns.

    """
    folder = results.layout.reference.parent
    for path in sorted(folder.glob(f"*/{results.study.name}/{NETWORKS}")):
        for network in networks_of(path, path.parents[1].name):
            if network.task in results.study.tasks:
                yield network


def networks_of(path: Path, reference: str = "") -> Iterator[Network]:
    """The networks in a table of them; raises `DataError` if it has other columns."""
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    if lacking := set(COLUMNS) - set(table):
        raise DataError(f"{path} has no column '{min(lacking)}': make it anew by make reference.")
    yield from networks_in(table, reference)

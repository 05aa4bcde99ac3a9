"""Networks of the reference tables, which stand beside those of a run in its answer."""

from collections.abc import Iterator

from symbench.errors import DataError
from symbench.figures.results import StudyResults, read_table
from symbench.layout import NETWORKS, Layout
from symbench.report.networks import COLUMNS, networks_in
from symbench.report.ways import Network


def reference_networks(results: StudyResults) -> Iterator[Network]:
    """Networks on tasks of a study, of all reference tables: any size, any overlay.

    Raises:
        DataError: if a table has other columns.

    """
    for folder in sorted(results.layout.reference.parent.glob("*")):
        for network in networks_of(Layout(folder, folder), results.study.name, folder.name):
            if network.task in results.study.tasks:
                yield network


def networks_of(tables: Layout, study: str, reference: str = "") -> Iterator[Network]:
    """The networks of a study in reference tables, which may have none.

    Raises:
        DataError: if their table has other columns.

    """
    path = tables.table(study, NETWORKS)
    if not path.is_file():
        return
    table = read_table(path)
    if lacking := set(COLUMNS) - set(table):
        raise DataError(f"{path} has no column '{min(lacking)}': make it anew by make reference.")
    yield from networks_in(table, reference)

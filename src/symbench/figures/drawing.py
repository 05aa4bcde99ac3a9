"""What a figure is: a table made from results, and what draws that table."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults

# A data set with named dimensions holds what is no table, such as images.
Table = pd.DataFrame | xr.Dataset


@dataclass(frozen=True)
class Drawing:
    """A figure: all that it shows is in its table, and drawing needs nothing else.

    Attributes:
        table: makes the table; the only part that sees results.
        draw: draws the table; sees neither results nor the config.
        tell: says what the table shows, for those who do not see the figure; None where its caption
            says it.

    """

    table: Callable[[StudyResults], Table]
    draw: Callable[[Table], Figure]
    tell: Callable[[Table], str] | None = None


def rows_of(table: Table) -> pd.DataFrame:
    """The table of a figure that is drawn from rows; raises `TypeError` for a data set."""
    if not isinstance(table, pd.DataFrame):
        raise TypeError("This figure is drawn from a table with rows, not from a data set.")
    return table

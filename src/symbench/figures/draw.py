"""Make the table of a figure, and draw it."""

from importlib.metadata import version
from typing import Final

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from symbench.config import registry
from symbench.config.study import Study
from symbench.errors import ConfigError
from symbench.figures.drawing import Drawing, Table
from symbench.figures.results import StudyResults
from symbench.figures.style import figure_style, note
from symbench.files import remove, write_whole
from symbench.layout import IMAGES, Layout
from symbench.provenance import describe

# Where a PNG keeps what decided it, and what it shows, in words.
FINGERPRINT = "Fingerprint"
FINDING = "Finding"
LAYS_OUT: Final = "figure.constrained_layout.use"


def drawing(study: Study, name: str) -> Drawing:
    """What makes a figure of a study; raises `ConfigError` if its code is no `Drawing`."""
    code = study.figure(name).draw or name
    found = registry.resolve("figures", code)
    if not isinstance(found, Drawing):
        raise ConfigError(
            f"figures.{name}: '{code}' is a {type(found).__name__}, "
            "no symbench.figures.drawing.Drawing."
        )
    return found


def draw_figure(results: StudyResults, name: str) -> None:
    """Write a figure as PNG and PDF, and beside them its table: CSV, or NetCDF for a data set.

    Args:
        results: of the study; the figure goes where they lie.
        name: of the figure in the study.

    Raises:
        ConfigError: if there is no such figure, or its code is no `Drawing`.
        DataError: if a table that it needs is missing or damaged.

    """
    found = drawing(results.study, name)
    draw_table(
        found,
        found.table(results),
        results.study,
        results.layout,
        name,
        missing=len(results.missing),
    )


def draw_table(
    found: Drawing, table: Table, study: Study, layout: Layout, name: str, *, missing: int = 0
) -> None:
    """Write a figure from its table.

    Args:
        found: draws the table.
        table: of the figure.
        study: that the figure is of.
        layout: where the figure goes.
        name: of the figure in the study.
        missing: number of runs without evaluations, which the figure does not show.

    """
    csv, netcdf = (layout.figure(study.name, name, suffix) for suffix in ("csv", "nc"))
    if isinstance(table, pd.DataFrame):
        remove(netcdf)
        with write_whole(csv) as temporary:
            table.to_csv(temporary, index=False, float_format="%.9g")
    else:
        remove(csv)
        with write_whole(netcdf) as temporary:
            table.to_netcdf(temporary, engine="h5netcdf")
    record = describe(study.comparison_fingerprint)
    made_by = f"symbench {version('symbench')}, commit {record['commit']}"
    with figure_style():
        figure = found.draw(table)
        if missing:
            note(figure, f"Not shown: {missing} of {len(study.runs)} runs without evaluations.")
        metadata = {
            "png": {
                "Description": made_by,
                FINGERPRINT: study.figure_fingerprint(name),
                **({FINDING: found.tell(table)} if found.tell else {}),
            },
            "pdf": {"Subject": made_by},
        }
        # A PDF holds a font once more for a ligature, which takes longer than to draw it.
        for text in figure.findobj(Text):
            text.set_fontfeatures(["-liga"])
        box = laid_out(figure)
        # matplotlib lays a figure that it has saved once out again, where this says so.
        with mpl.rc_context({LAYS_OUT: False}):
            for suffix in IMAGES:
                with write_whole(layout.figure(study.name, name, suffix)) as temporary:
                    about = metadata[suffix]
                    figure.savefig(temporary, format=suffix, metadata=about, bbox_inches=box)


def laid_out(figure: Figure) -> Bbox:
    """Lay a figure out for good, and return the box of all that it shows, in inches.

    It is the same for every format, and takes longer than to draw.
    """
    figure.dpi = mpl.rcParams["savefig.dpi"]
    if engine := figure.get_layout_engine():
        engine.execute(figure)
    with mpl.rc_context({LAYS_OUT: False}):
        figure.set_layout_engine(None)
    return figure.get_tightbbox().padded(mpl.rcParams["savefig.pad_inches"])

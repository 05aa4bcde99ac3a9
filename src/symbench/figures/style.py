"""One look for all figures, whatever the user's own settings of matplotlib are."""

import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import seaborn as sns
from cycler import cycler
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

WIDTH = 9.0
# Models, treatments and the like have numbers in their study; each number has a hue of these.
HUES: tuple[tuple[float, float, float], ...] = tuple(sns.color_palette("colorblind", 10))
# The first ten numbers have solid lines, the next ten dashed ones, and so on.
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
OPERATORS = {
    "plain": "plain",
    "stepwise": "averaged each step",
    "trajectory": "averaged at the end",
}
COLOURS = dict(zip(OPERATORS.values(), ["0.25", "#0072b2", "#d55e00"], strict=True))
_NOTE = "note"


@dataclass(frozen=True)
class Look:
    """How an evaluation is drawn."""

    label: str
    marker: str
    colour: str


EVALUATIONS = {
    "plain": Look("plain", "o", "0.25"),
    "average": Look("averaged", "s", "#0072b2"),
    "frame": Look("canonical pose or frame", "^", "#d55e00"),
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Fonts, palette and grid of every figure; what was set before is set again at the end."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams |= {
            **sns.axes_style("whitegrid"),
            **sns.plotting_context("paper", font_scale=1.05),
            "axes.prop_cycle": cycler(color=HUES),
            "figure.constrained_layout.use": True,
            "savefig.dpi": 140,
            "axes.titlesize": "medium",
            # Nothing is above panels that a title had to make way for, which takes long to find.
            "axes.titley": 1.0,
            "legend.frameon": False,
            # Names may hold dollar signs, and are no formulas.
            "text.parse_math": False,
            "pdf.fonttype": 42,
        }
        yield


def hue(number: int) -> tuple[float, float, float]:
    """The colour of a number, out of ten."""
    return HUES[number % len(HUES)]


def line(number: int) -> str:
    """The line style of a number: another one after each ten."""
    return LINES[number // len(HUES) % len(LINES)]


def panels(
    count: int, columns: int, height: float, width: float = WIDTH
) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, row by row.

    Args:
        count: of panels.
        columns: at most, beside each other.
        height: of a row, in inches.
        width: of the figure, in inches.

    """
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = grid(rows, columns, (width, height * rows))
    for axis in axes.flat[count:]:
        axis.set_visible(False)
    return figure, list(axes.flat[:count])


def grid(
    rows: int, columns: int, size: tuple[float, float], heights: list[float] | None = None
) -> tuple[Figure, np.ndarray]:
    """A figure with axes of shape (row, column); size in inches."""
    figure = Figure(figsize=size)
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    return figure, np.asarray(axes)


def nothing_to_draw(reason: str) -> Figure:
    """What a figure shows when there is nothing that it could: one sentence that says why."""
    figure, axes = grid(1, 1, (WIDTH, 0.8))
    axes[0, 0].set_axis_off()
    axes[0, 0].text(0.5, 0.5, textwrap.fill(reason, 110), ha="center", va="center")
    return figure


def note(figure: Figure, sentence: str) -> None:
    """Say above a figure what it does not show."""
    text = textwrap.fill(sentence, 125)
    for earlier in figure.texts:
        if earlier.get_gid() == _NOTE:
            earlier.set_text(f"{earlier.get_text()}\n{text}")
            return
    figure.text(0.01, 1.0, text, gid=_NOTE, va="bottom", fontsize="small", color="0.35")


def note_not_finite(figure: Figure, values: Iterable[float]) -> None:
    """Say above a figure how many of its values are not finite, if any."""
    found = np.asarray(list(values), dtype=float)
    if count := int((~np.isfinite(found)).sum()):
        verb = "value is" if count == 1 else "values are"
        note(figure, f"{count} {verb} not finite, and not shown.")


def finite(values: Iterable[float]) -> np.ndarray:
    """Values with NaN in place of what is infinite, which has no place on an axis."""
    found = np.asarray(list(values), dtype=float)
    return np.where(np.isfinite(found), found, np.nan)


def error_bars(values: Iterable[float], low: Iterable[float], high: Iterable[float]) -> np.ndarray:
    """Lengths of bars down to low and up to high, none without an interval; shape (2, value)."""
    middle, bottom, top = finite(values), finite(low), finite(high)
    return np.nan_to_num(np.maximum([middle - bottom, top - middle], 0))


def log_scale(axis: Axes, which: str, values: Iterable[float]) -> None:
    """A logarithmic axis with plain numbers, for values that span more than a factor of three.

    Where some values are not positive, it is linear about zero. What spans less stays linear.

    Args:
        axis: the panel.
        which: "x" or "y".
        values: all that are shown on it.

    """
    found = np.asarray(list(values), dtype=float)
    found = found[np.isfinite(found)]
    positive = found[found > 0]
    set_scale = axis.set_xscale if which == "x" else axis.set_yscale
    one = axis.xaxis if which == "x" else axis.yaxis
    if not positive.size or (found.size == positive.size and found.max() < 3 * found.min()):
        one.set_major_locator(mpl.ticker.MaxNLocator(3 if which == "x" else 5))
        return
    if found.size > positive.size:
        set_scale("symlog", linthresh=float(positive.min()))
    else:
        set_scale("log")
        decades = np.log10(found.max() / found.min())
        subs = (1.0, 2.0, 5.0) if decades < 2 else (1.0,)
        one.set_major_locator(mpl.ticker.LogLocator(subs=subs, numticks=6))
    one.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:g}"))
    # Ticks without marks and labels, which would be placed at each pass over the figure.
    one.set_minor_locator(mpl.ticker.NullLocator())


def legend_below(
    figure: Figure,
    axes: Iterable[Axes],
    columns: int = 4,
    markerscale: float = 1,
    last: Iterable[Artist] = (),
) -> None:
    """One legend of all panels below the figure, each label once; further handles come last."""
    named: dict[str, Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            named.setdefault(str(label), handle)
    named |= {str(handle.get_label()): handle for handle in last}
    if named:
        figure.legend(
            list(named.values()),
            list(named),
            loc="outside lower center",
            ncols=min(columns, len(named)),
            fontsize="small",
            markerscale=markerscale,
        )


def marker(shape: str, colour: str | tuple[float, float, float], label: str) -> Line2D:
    """A point that stands in a legend for all that are drawn like it."""
    return Line2D([], [], marker=shape, linestyle="", color=colour, label=label)

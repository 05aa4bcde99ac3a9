"""What lies over something else in a figure, as a reader would see it."""

from collections.abc import Iterator
from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text


def collisions(figure: Figure) -> list[str]:
    """A sentence for each two labels of ticks, and each two titles, of which one lies on another.

    Labels at an angle are left out: their boxes overlap where they do not.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    shown = [axes for axes in figure.axes if axes.get_visible() and axes.axison]
    groups = [list(_labels(axis)) for axes in shown for axis in (axes.xaxis, axes.yaxis)]
    groups.append([axes.title for axes in shown if axes.get_title()])
    renderer = canvas.get_renderer()
    found = []
    for group in groups:
        boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in group]
        for (first, box), (second, other) in combinations(boxes, 2):
            if box.overlaps(other):
                found.append(f"{_of(group[0])}: '{first}' lies on '{second}'")
    return found


def _labels(axis: Axis) -> Iterator[Text]:
    """Labels of ticks that are drawn, and level."""
    low, high = sorted(axis.get_view_interval())
    margin = 1e-9 * (high - low)
    for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
        label = tick.label1
        drawn = label.get_visible() and label.get_text() and not label.get_rotation()
        if drawn and low - margin <= tick.get_loc() <= high + margin:
            yield label


def _of(text: Text) -> str:
    axes = text.axes
    return (axes.get_title() if isinstance(axes, Axes) else "") or "figure"

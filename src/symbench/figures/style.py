"""One look for all figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

WIDTH = 9.0
OPERATORS = {
    "plain": "plain",
    "stepwise": "averaged each step",
    "trajectory": "averaged at the end",
}
COLOURS = dict(zip(OPERATORS.values(), ["0.25", "#0072b2", "#d55e00"], strict=True))


@dataclass(frozen=True)
class Look:
    """How an evaluation is drawn."""

    label: str
    marker: str
    colour: str


EVALUATIONS = {
    "none": Look("plain", "o", "0.25"),
    "average": Look("averaged", "s", "#0072b2"),
    "frame": Look("canonical pose or frame", "^", "#d55e00"),
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def apply_style() -> None:
    """Fonts, palette and grid of every figure."""
    mpl.use("Agg")
    sns.set_theme(context="paper", style="whitegrid", palette="colorblind", font_scale=1.05)
    mpl.rcParams |= {
        "figure.constrained_layout.use": True,
        "savefig.dpi": 140,
        "axes.titlesize": "medium",
        "legend.frameon": False,
        # Fixed, so that the same numbers give the same file.
        "svg.hashsalt": "symbench",
        "pdf.fonttype": 42,
    }


def model_palette(models: Iterable[str]) -> dict[str, tuple[float, float, float]]:
    """One colour a model, the same in every figure."""
    ordered = list(dict.fromkeys(models))
    return dict(zip(ordered, sns.color_palette("colorblind", len(ordered)), strict=True))


def family_label(family: Any) -> str:
    """Model, and how it was trained unless plainly."""
    return str(
        family.model if family.treatment == "none" else f"{family.model}, {family.treatment}"
    )


def treatment_palette(treatments: Iterable[str]) -> dict[str, tuple[float, float, float]]:
    """One colour a training treatment."""
    ordered = sorted(set(treatments))
    return dict(zip(ordered, sns.color_palette("colorblind", len(ordered)), strict=True))


def task_markers(tasks: Iterable[str]) -> dict[str, str]:
    """One marker a task."""
    ordered = list(dict.fromkeys(tasks))
    return {task: MARKERS[i % len(MARKERS)] for i, task in enumerate(ordered)}


def nothing_to_draw() -> Figure:
    """What a figure shows when the run left out all tasks that it is about."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.8))
    axis.set_axis_off()
    axis.text(0.5, 0.5, "no task of this run has such data", ha="center", va="center")
    return figure


def error_bars(values: Any, low: Any, high: Any) -> np.ndarray:
    """Lengths of bars down to low and up to high, none without an interval; shape (2, value)."""
    lengths = np.maximum([np.subtract(values, low), np.subtract(high, values)], 0)
    return np.nan_to_num(lengths)


def log_ticks(axis: Axis) -> None:
    """Plain numbers at 1, 2 and 5 of each decade: labels that fit on less than a decade."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=6))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def legend_outside(figure: Figure, axes: Axes) -> None:
    """Put the legend of some axes beside the whole figure."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside right upper")

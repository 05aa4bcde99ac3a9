"""The gain forecast without labels against the gain that was measured."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import legend_outside, model_palette, task_markers
from symbench.statistics import difference


def draw(results: StudyResults) -> Figure:
    """One point for each task, model and treatment with an exact symmetry."""
    shown = [family for family in results.grid_families if family.exact]
    palette = model_palette([family.model for family in shown])
    markers = task_markers([family.task for family in shown])
    figure, axis = plt.subplots(figsize=(6.2, 4.2))
    extremes = []
    for family in shown:
        errors = {k: family.bootstrap.mean(v) for k, v in family.squared_errors().items()}
        gain = difference(errors["plain"], errors["averaged"])
        forecast = errors["forecast"]
        extremes += [forecast.value, max(gain.value, forecast.value / 3)]
        axis.errorbar(
            forecast.value,
            gain.value,
            xerr=_bars(forecast.value, forecast.interval),
            yerr=_bars(gain.value, gain.interval),
            fmt=markers[family.task],
            color=palette[family.model],
            markerfacecolor="white" if family.treatment != "none" else None,
            label=f"{family.task}, {family.model}"
            + ("" if family.treatment == "none" else f", {family.treatment}"),
            capsize=2,
        )
    span = [min(extremes) / 2, max(extremes) * 2]
    axis.plot(span, span, color="0.4", linestyle="--", label="forecast = gain (P4)")
    axis.set(xscale="log", yscale="log", xlim=span, ylim=span)
    axis.set_xlabel("forecast: orbit variance / field variance, no labels")
    axis.set_ylabel("measured gain in squared error / field variance")
    legend_outside(figure, axis)
    return figure


def _bars(value: float, interval: tuple[float, float]) -> np.ndarray:
    low, high = interval
    return np.maximum([[value - low], [high - value]], 0)

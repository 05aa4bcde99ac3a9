"""VRMSE of rollouts against lead time, plain and averaged."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import COLOURS, OPERATORS, WIDTH


def draw(results: StudyResults) -> Figure:
    """A panel for each task and model; median and middle half over trajectories and seeds."""
    shown = [family for family in results.grid_families if family.treatment == "none"]
    tasks = list(dict.fromkeys(family.task for family in shown))
    models = list(dict.fromkeys(family.model for family in shown))
    figure, axes = plt.subplots(
        len(tasks),
        len(models),
        figsize=(WIDTH, 1.1 + 1.75 * len(tasks)),
        sharex=True,
        sharey="row",
        squeeze=False,
    )
    for axis in axes.flat:
        axis.set_visible(False)
    for family in shown:
        axis = axes[tasks.index(family.task), models.index(family.model)]
        axis.set_visible(True)
        plain = family.open("none").rollout_vrmse
        averaged = family.open("average").rollout_vrmse
        for values in (plain, averaged):
            for operator in values.operator.values:
                _curve(axis, values.sel(operator=operator), OPERATORS[str(operator)])
        axis.set_yscale("log")
        axis.tick_params(labelbottom=True)
        axis.set_title(f"{family.task}, {family.model}", fontsize="small")
        axis.axhline(1, color="0.6", linewidth=0.8, linestyle=":")
        if family.model == models[0]:
            axis.set_ylabel("VRMSE")
    for axis in axes[-1]:
        axis.set_xlabel("lead time (frames)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _curve(axis: Axes, values: xr.DataArray, label: str) -> None:
    scores = values.mean("channel").transpose("lead_time", "seed", "trajectory").values
    scores = scores.reshape(len(scores), -1)
    low, middle, high = np.nanquantile(scores, [0.25, 0.5, 0.75], axis=1)
    leads = values.lead_time.values
    axis.plot(leads, middle, color=COLOURS[label], label=label)
    axis.fill_between(leads, low, high, color=COLOURS[label], alpha=0.18, linewidth=0)

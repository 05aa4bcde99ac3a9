"""One pass against 2^d: time and error of equivariant networks by dimension of space."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from symbench.cells import SampleFamily
from symbench.config.schema import Selection
from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, log_ticks, model_palette, nothing_to_draw

# Cells that are there for the time of a pass are trained for less, and their errors say nothing.
ENOUGH_EPOCHS = 5


def draw(results: StudyResults) -> Figure:
    """Left: time over that of the sign-equivariant network. Right: test error."""
    shown = [
        family
        for family in results.sample_families
        if family.score == "mse" and family.treatment == "none"
    ]
    dimension = {
        family.task: int(results.study.task(family.task).parameters["dimension"])
        for family in shown
    }
    swept = [f for f in shown if sum(other.model == f.model for other in shown) > 1]
    if not swept:
        return nothing_to_draw()
    palette = model_palette([family.model for family in swept])
    reference = {f.task: _time(f) for f in swept if "sign_equivariant" in f.model}
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.4))
    for model, colour in palette.items():
        chosen = sorted(
            (f for f in swept if f.model == model), key=lambda family: dimension[family.task]
        )
        axes = [dimension[family.task] for family in chosen]
        ratios = [_time(f) / reference.get(f.task, np.nan) for f in chosen]
        left.plot(axes, ratios, "o-", color=colour, label=model)
        trained = [f for f in chosen if len(f.history) >= ENOUGH_EPOCHS * len(f.seeds)]
        if not trained:
            continue
        axes = [dimension[family.task] for family in trained]
        estimates = [f.estimate(Selection(metric="mse")) for f in trained]
        found = [estimate for estimate in estimates if estimate is not None]
        low, high = np.array([estimate.interval for estimate in found]).T
        values = np.array([estimate.value for estimate in found])
        bars = np.maximum([values - low, high - values], 0)
        right.errorbar(axes, values, bars, fmt="o-", color=colour, capsize=2, label=model)
    span = np.arange(min(dimension.values()), max(dimension.values()) + 1)
    left.plot(span, 2.0**span, color="0.5", linestyle="--", label="2^d passes")
    left.set(yscale="log", xlabel="dimension of space", ylabel="time of a pass / sign-equivariant")
    right.set(yscale="log", xlabel="dimension of space", ylabel="test MSE")
    for axis in (left, right):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    log_ticks(right.yaxis)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _time(family: SampleFamily) -> float:
    return float(family.open("none").seconds_per_sample.mean())

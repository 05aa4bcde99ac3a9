"""Error against the price of inference."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, legend_outside, model_palette

LABELS = {"none": "plain", "frame": "canonical shift", "average": "average"}
MARKERS = {"none": "o", "frame": "^", "average": "s"}


def draw(results: StudyResults) -> Figure:
    """One panel a task; each model's evaluations are joined by a line."""
    chosen = results.metrics.query(
        "treatment == 'none' and field == 'mean' and metric in ('vrmse', 'seconds_per_sample')"
        " and lead_time == '1' and evaluation in ('none', 'frame', 'average')"
    )
    table = chosen.pivot_table(
        index=["task", "model", "evaluation"], columns="metric", values="value", sort=False
    )
    tasks = list(dict.fromkeys(chosen.task))
    palette = model_palette(chosen.model)
    figure, axes = plt.subplots(1, len(tasks), figsize=(WIDTH, 2.8), squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        for model, rows in table.loc[task].groupby("model", sort=False):
            rows = rows.droplevel("model")
            time = rows.seconds_per_sample / rows.seconds_per_sample["none"]
            ordered = time.sort_values().index
            axis.plot(
                time[ordered], rows.vrmse[ordered], color=palette[str(model)], label=str(model)
            )
            for evaluation in ordered:
                axis.plot(
                    time[evaluation],
                    rows.vrmse[evaluation],
                    MARKERS[str(evaluation)],
                    color=palette[str(model)],
                    markerfacecolor="white" if evaluation == "frame" else None,
                )
        axis.set_xscale("log")
        axis.set_title(task)
        axis.set_xlabel("inference time / plain")
    for evaluation, label in LABELS.items():
        axes[0, 0].plot([], [], MARKERS[evaluation], color="0.4", label=label)
    axes[0, 0].set_ylabel("one-step VRMSE")
    legend_outside(figure, axes[0, 0])
    return figure

"""Every way of imposing the symmetry: score, invariance and price of one prediction."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from symbench.figures.results import StudyResults
from symbench.figures.style import EVALUATIONS, WIDTH, family_label, log_ticks, model_palette

# Above this relative error a prediction visibly depends on the pose.
INVARIANT = 1e-3
COLUMNS = 2


def draw(results: StudyResults) -> Figure:
    """A panel a task; colour is model and training, marker the evaluation, hollow not invariant."""
    shown = results.sample_families
    tasks = list(dict.fromkeys(family.task for family in shown))
    rows = -(-len(tasks) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(WIDTH, 3.4 * rows), squeeze=False)
    for axis in axes.flat[len(tasks) :]:
        axis.set_visible(False)
    for axis, task in zip(axes.flat, tasks, strict=False):
        families = [family for family in shown if family.task == task]
        palette = model_palette([family_label(family) for family in families])
        for family in families:
            name = family_label(family)
            points = []
            for evaluation, look in EVALUATIONS.items():
                if evaluation not in family.evaluations:
                    continue
                dataset = family.open(evaluation)
                milliseconds = 1e3 * float(dataset.seconds_per_sample.mean())
                score = float(dataset[family.score].mean())
                invariant = float(dataset.equivariance_error.mean()) < INVARIANT
                fill = None if invariant else "white"
                axis.plot(
                    milliseconds, score, look.marker, color=palette[name], markerfacecolor=fill
                )
                points.append((milliseconds, score))
            axis.plot(*zip(*points, strict=True), color=palette[name], linewidth=0.7, label=name)
        axis.set_xscale("log")
        log_ticks(axis.xaxis)
        if families[0].score == "mse":
            axis.set_yscale("log")
            log_ticks(axis.yaxis)
        axis.set(title=task, xlabel="inference (ms per sample)", ylabel=families[0].score)
        axis.legend(fontsize="xx-small", loc="center left", bbox_to_anchor=(1, 0.5))
    handles = [
        Line2D([], [], marker=look.marker, linestyle="", color="0.3", label=look.label)
        for look in EVALUATIONS.values()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure

"""How much of the gain a part of the group keeps: random subsets, subgroups, theory."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, legend_outside, model_palette
from symbench.statistics import kept_gain


def draw(results: StudyResults) -> Figure:
    """One panel a task: share of the gain in normalised squared error against elements."""
    metrics = results.metrics.query("metric == 'nmse' and treatment == 'none'")
    tasks = list(dict.fromkeys(metrics.task))
    palette = model_palette(metrics.model)
    figure, axes = plt.subplots(1, len(tasks), figsize=(WIDTH, 2.8), sharey=True, squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        order = 1
        for model, rows in metrics[metrics.task == task].groupby("model", sort=False):
            subsets = _mean_by_count(rows, r"subset(\d+)$")
            order = int(subsets.index.max())
            base, best = subsets.iloc[0], subsets.iloc[-1]
            if base <= best:
                continue
            axis.plot(
                subsets.index,
                (base - subsets) / (base - best),
                marker=".",
                color=palette[str(model)],
                label=str(model),
            )
            groups = rows[rows.evaluation.str.startswith("subgroup")]
            groups = groups.groupby("evaluation").value.mean()
            sizes = groups.index.str.extract(r"order(\d+)", expand=False).astype(int)
            axis.scatter(
                sizes,
                (base - groups) / (base - best),
                facecolors="none",
                edgecolors=[palette[str(model)]],
                s=16,
                linewidths=0.7,
            )
        counts = np.arange(1, order + 1)
        theory = kept_gain(order, counts.astype(float))
        axis.plot(counts, theory, color="black", linestyle="--", label="theory")
        axis.set_xscale("log", base=2)
        axis.set_ylim(-0.35, 1.15)
        axis.set_title(task)
        axis.set_xlabel("elements averaged")
    axes[0, 0].set_ylabel("share of the gain kept")
    legend_outside(figure, axes[0, 0])
    return figure


def _mean_by_count(rows: pd.DataFrame, pattern: str) -> pd.Series:
    counts = rows.evaluation.str.extract(pattern, expand=False)
    chosen = rows[counts.notna()].assign(count=counts.dropna().astype(int))
    return chosen.groupby("count").value.mean().sort_index()

"""AUC of link prediction by model and evaluation, beside the oracle and chance."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import EVALUATIONS, WIDTH, family_label, nothing_to_draw


def draw(results: StudyResults) -> Figure:
    """A panel a graph; small points are trials, large ones their mean."""
    shown = [family for family in results.sample_families if family.score == "auc"]
    if not shown:
        return nothing_to_draw()
    tasks = list(dict.fromkeys(family.task for family in shown))
    figure, axes = plt.subplots(1, len(tasks), figsize=(WIDTH, 3.8), sharey=True, squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=False):
        families = [family for family in shown if family.task == task]
        for position, family in enumerate(families):
            for offset, (evaluation, look) in enumerate(EVALUATIONS.items()):
                if evaluation not in family.evaluations:
                    continue
                values = family.open(evaluation).auc.mean("sample").values
                at = position + 0.22 * (offset - 1)
                axis.plot(np.full(len(values), at), values, ".", color=look.colour, alpha=0.4, ms=4)
                axis.plot(at, values.mean(), look.marker, color=look.colour, label=look.label)
        oracle = np.mean([family.open("none").oracle_auc.values.mean() for family in families])
        axis.axhline(oracle, color="0.3", linestyle="--", label="oracle: same copy?")
        axis.axhline(0.5, color="0.3", linestyle=":", label="chance")
        axis.set_title(task)
        axis.set_xticks(range(len(families)), [family_label(f) for f in families], rotation=60)
        for tick in axis.get_xticklabels():
            tick.set_horizontalalignment("right")
    axes[0, 0].set_ylabel("AUC on test links")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=len(unique))
    return figure

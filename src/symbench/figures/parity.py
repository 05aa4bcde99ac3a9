"""Predicted against true energies and forces on the test split."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from symbench.cells import SampleFamily
from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, family_label, nothing_to_draw

EV = 1e-3


def draw(results: StudyResults) -> Figure:
    """Two rows a task, energies and forces; a column a model; points of all seeds."""
    shown = [
        family
        for family in results.full_families
        if "predictions" in family.open("none") and family.treatment == "none"
    ]
    if not shown:
        return nothing_to_draw()
    tasks = list(dict.fromkeys(family.task for family in shown))
    by_task = {task: [family for family in shown if family.task == task] for task in tasks}
    rows, columns = 2 * len(tasks), max(map(len, by_task.values()))
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH * max(1, columns / 6), 1.8 * rows), squeeze=False
    )
    for axis in axes.flat:
        axis.set_visible(False)
    for family in shown:
        first, column = 2 * tasks.index(family.task), by_task[family.task].index(family)
        for offset, (quantity, unit) in enumerate((("energy", "eV"), ("force", "eV/Å"))):
            axis = axes[first + offset, column]
            axis.set_visible(True)
            true, predicted = _values(family, quantity)
            axis.plot(true, predicted, ".", markersize=2, alpha=0.5)
            ends = [true.min(), true.max()]
            axis.plot(ends, ends, color="0.4", linewidth=0.7)
            axis.set(xlim=_padded(ends), ylim=_padded(ends))
            axis.tick_params(labelsize="xx-small")
            axis.set_xlabel(f"true {quantity} ({unit})", fontsize="x-small")
            if not offset:
                name = family_label(family).replace("_", " ")
                axis.set_title(f"{family.task}\n{name}", fontsize="xx-small")
            if not column:
                axis.set_ylabel(f"predicted ({unit})", fontsize="x-small")
    return figure


def _values(family: SampleFamily, name: str) -> tuple[np.ndarray, np.ndarray]:
    dataset = family.open("none")
    chosen = slice(0, 1) if name == "energy" else slice(1, None)
    true, predicted = (
        EV * dataset[key].isel(output=chosen).values.flatten() for key in ("targets", "predictions")
    )
    return true, predicted


def _padded(ends: list[float]) -> tuple[float, float]:
    margin = 0.1 * (ends[1] - ends[0])
    return ends[0] - margin, ends[1] + margin

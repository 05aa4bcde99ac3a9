"""Predicted against true energies and forces on the test split."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from symbench.cells import SampleFamily
from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, family_label, nothing_to_draw

EV = 1e-3


def draw(results: StudyResults) -> Figure:
    """A column a model, two rows a task: energies, forces; points of all seeds."""
    shown = [
        family
        for family in results.sample_families
        if "predictions" in family.open("none") and not results.study.task(family.task).places
    ]
    shown = [family for family in shown if family.treatment == "none"]
    if not shown:
        return nothing_to_draw()
    tasks = list(dict.fromkeys(family.task for family in shown))
    models = list(dict.fromkeys(family.model for family in shown))
    rows = 2 * len(tasks)
    figure, axes = plt.subplots(
        rows, len(models), figsize=(WIDTH * max(1, len(models) / 6), 1.8 * rows), squeeze=False
    )
    for axis in axes.flat:
        axis.set_visible(False)
    for family in shown:
        first = 2 * tasks.index(family.task)
        for offset, (name, unit) in enumerate((("energy", "eV"), ("force", "eV/Å"))):
            axis = axes[first + offset, models.index(family.model)]
            axis.set_visible(True)
            true, predicted = _values(family, name)
            axis.plot(true, predicted, ".", markersize=2, alpha=0.5)
            ends = [true.min(), true.max()]
            axis.plot(ends, ends, color="0.4", linewidth=0.7)
            axis.set(xlim=_padded(ends), ylim=_padded(ends))
            axis.tick_params(labelsize="xx-small")
            axis.set_xlabel(f"true {name} ({unit})", fontsize="x-small")
            if not offset:
                axis.set_title(f"{family.task}, {family_label(family)}", fontsize="x-small")
            if family.model == models[0]:
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

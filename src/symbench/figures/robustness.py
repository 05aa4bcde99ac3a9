"""Scores on other test sets: corrupted, or beyond the law of the training data."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from symbench.cells import SampleFamily
from symbench.config.schema import Selection
from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, nothing_to_draw, treatment_palette


def draw(results: StudyResults) -> Figure:
    """A panel a task and model: bars of each test set, one for each training."""
    panels: dict[tuple[str, str], list[SampleFamily]] = {}
    for family in results.sample_families:
        if _test_sets(family):
            panels.setdefault((family.task, family.model), []).append(family)
    if not panels:
        return nothing_to_draw()
    palette = treatment_palette(family.treatment for family in results.families)
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 2.8 * len(panels)), squeeze=False)
    for axis, ((task, model), families) in zip(axes[:, 0], panels.items(), strict=True):
        metric = _shared_metric(families[0])
        names = [metric, *(f"{metric}_{suffix}" for suffix in _test_sets(families[0]))]
        width = 0.8 / len(families)
        for number, family in enumerate(families):
            estimates = [family.estimate(Selection(metric=name)) for name in names]
            values = np.array([e.value if e else np.nan for e in estimates])
            at = np.arange(len(names)) + (number - (len(families) - 1) / 2) * width
            axis.bar(at, values, width, color=palette[family.treatment], label=family.treatment)
        axis.set_xticks(
            range(len(names)), ["as trained", *_test_sets(families[0])], rotation=20, ha="right"
        )
        axis.set(title=f"{task}, {model}", ylabel=metric)
        if metric != "accuracy":
            axis.set_yscale("log")
        axis.legend(fontsize="xx-small", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _test_sets(family: SampleFamily) -> list[str]:
    dimensions = map(str, family.open("none").dims)
    return [name.removeprefix("sample_") for name in dimensions if name.startswith("sample_")]


def _shared_metric(family: SampleFamily) -> str:
    """The score, or the first metric that every test set has."""
    known = set(map(str, family.open("none").data_vars))
    sets = _test_sets(family)
    candidates = [name for name in known if all(f"{name}_{suffix}" in known for suffix in sets)]
    return family.score if family.score in candidates else sorted(candidates)[0]

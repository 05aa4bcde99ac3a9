"""VRMSE of rollouts against lead time, plain and averaged."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from symbench.evaluation.results import over_defined
from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import NOTHING, smallest_and_largest
from symbench.figures.results import StudyResults
from symbench.figures.style import (
    COLOURS,
    OPERATORS,
    finite,
    legend_below,
    log_scale,
    note,
    nothing_to_draw,
    panels,
)

EVALUATIONS = ("plain", "average")
QUARTILES = (0.25, 0.5, 0.75)
COLUMNS = ["task", "model", "operator", "lead_time", "low", "median", "high", "diverged", "of"]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each lead time of the rollouts of what was trained plainly.

    Median and quartiles are over trajectories and seeds, of the mean over channels; a rollout that
    diverged counts as infinitely wrong. `diverged` is their number, out of `of`.
    """
    rows = []
    for group in results.plainly_trained:
        for evaluation in EVALUATIONS:
            if evaluation not in group.evaluations:
                continue
            dataset = group.open(evaluation)
            if "rollout_vrmse" not in dataset:
                continue
            values = over_defined(dataset.rollout_vrmse)
            for operator in dataset.operator.values:
                for lead in dataset.lead_time.values:
                    scores = values.sel(operator=operator, lead_time=lead).values.ravel()
                    # A target that is constant in all channels has no score.
                    scores = scores[~np.isnan(scores)]
                    if not scores.size:
                        continue
                    lost = int((~np.isfinite(scores)).sum())
                    rows.append(
                        [
                            group.task,
                            group.model,
                            OPERATORS[str(operator)],
                            int(lead),
                            *_quantiles(scores),
                            lost,
                            scores.size,
                        ]
                    )
    return pd.DataFrame(rows, columns=COLUMNS)


def _quantiles(scores: np.ndarray) -> list[float]:
    """Quartiles, infinite as soon as they lie between a finite value and an infinite one."""
    with np.errstate(invalid="ignore"):
        found = np.quantile(scores, QUARTILES)
    return [float(value) for value in np.nan_to_num(found, nan=np.inf, posinf=np.inf)]


def draw(table: Table) -> Figure:
    """A panel for each task and model; median and middle half over trajectories and seeds."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw(
            "No run that was trained plainly has rollouts: its tasks are no fields, or their "
            "trajectories are shorter than the rollouts of the config."
        )
    pairs = list(dict.fromkeys(zip(shown.task, shown.model, strict=True)))
    figure, axes = panels(len(pairs), 4, 2.1)
    diverged = []
    for axis, (task, model) in zip(axes, pairs, strict=True):
        here = shown[(shown.task == task) & (shown.model == model)]
        for operator, rows in here.groupby("operator", sort=False):
            colour = COLOURS[str(operator)]
            low, median, high = (finite(rows[name]) for name in ("low", "median", "high"))
            axis.plot(rows.lead_time, median, color=colour, label=str(operator))
            axis.fill_between(rows.lead_time, low, high, color=colour, alpha=0.18, linewidth=0)
            last = rows.iloc[-1]
            if last.diverged:
                diverged.append(f"{last.diverged} of {last.of} ({task}, {model}, {operator})")
        log_scale(axis, "y", here[["low", "median", "high"]].to_numpy().ravel())
        axis.axhline(1, color="0.6", linewidth=0.8, linestyle=":")
        axis.set_title(f"{task}\n{model}", fontsize="small")
        axis.set_xlabel("lead time (frames)", fontsize="small")
        axis.set_ylabel("VRMSE", fontsize="small")
    if diverged:
        note(
            figure,
            "Rollouts that diverged until their end count as infinitely wrong: "
            f"{'; '.join(diverged)}.",
        )
    legend_below(figure, axes)
    return figure


def tell(table: Table) -> str:
    """Errors at the last lead time, by operator."""
    shown = rows_of(table)
    last = shown[shown.lead_time == shown.groupby(["task", "model"]).lead_time.transform("max")]
    parts = [
        smallest_and_largest(f"Median VRMSE at the last lead time, {operator}", rows, "median")
        for operator, rows in last.groupby("operator", sort=False)
    ]
    return " ".join(part for part in parts if part != NOTHING) or NOTHING


FIGURE = Drawing(table, draw, tell)

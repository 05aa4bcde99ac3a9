"""The tables of docs/choosing.md, from the reference tables; raw files must be at hand.

python -m benchmarks.choosing
"""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.pages import markdown, put
from benchmarks.published import REFERENCE, reference_metrics, reference_tables
from benchmarks.treatments import treatment_rows
from symbench.config.read import read_configuration
from symbench.config.sweeps import is_of_another_length
from symbench.figures.finding import UNCHANGED
from symbench.numbers import interval

PAGE = Path("docs/choosing.md")
KINDS = {
    "fields": "Fields on a grid",
    "points": "Points",
    "molecules": "Molecules",
    "graphs": "Graphs",
}


def averaging_rows() -> pd.DataFrame:
    """A row for each network that was trained plainly, and evaluated plainly and averaged."""
    rows = []
    for size, name, path in reference_tables(REFERENCE):
        study = read_configuration([path], [name]).study(name)
        metrics = reference_metrics(size, name)
        metrics = metrics[(metrics.treatment == "none") & (metrics.lead_time == "1")]
        for (task, model), here in metrics.groupby(["task", "model"], sort=False):
            described = study.tasks.get(str(task))
            if described is None or is_of_another_length(described):
                continue
            score = described.dataset.scores[0]
            means = here[here.metric == score.name].set_index("evaluation")["mean"]
            if {"plain", "average"} <= set(means.index):
                rows.append(
                    {
                        "kind": described.dataset.kind,
                        "size": size,
                        "task": task,
                        "symmetry": _symmetry(described.settings.group, described.settings.exact),
                        "model": model,
                        "score": score.name,
                        "better": score.better,
                        "change": means["average"] / means["plain"] - 1,
                    }
                )
    return pd.DataFrame(rows)


def _symmetry(group: str, exact: bool) -> str:
    return f"{group}, {'exact' if exact else 'broken'}"


def counted(table: pd.DataFrame) -> str:
    """For how many networks the change was for the better, as a sentence."""
    signs = np.where(table.better == "higher", -1, 1) * table.change
    better, worse = int((signs < -UNCHANGED).sum()), int((signs > UNCHANGED).sum())
    exact = table.symmetry.str.endswith("exact")
    return (
        f"It was for the better for {better} of {len(table)} networks, for the worse for {worse}; "
        f"where the symmetry is exact, for {int((signs[exact] < -UNCHANGED).sum())} and "
        f"{int((signs[exact] > UNCHANGED).sum())} of {int(exact.sum())}. Intervals stand in the "
        "tables of the report and in the claims."
    )


def _by_kind(table: pd.DataFrame, columns: list[str]) -> str:
    parts = [
        f"**{title}**\n\n{markdown(here[columns])}"
        for kind, title in KINDS.items()
        if len(here := table[table.kind == kind])
    ]
    return "\n\n".join(parts)


def _percent(change: float) -> str:
    """A change in per cent."""
    if abs(change) < UNCHANGED:
        return "none"
    return f"{100 * change:+.0f} %" if abs(change) >= 0.1 else f"{100 * change:+.2g} %"


def _with_interval(change: float, low: float, high: float) -> str:
    """A change in per cent, with its interval where there is one."""
    if np.isnan([low, high]).any():
        return _percent(change)
    return f"{interval(100 * change, 100 * low, 100 * high)} %"


def main() -> None:
    """Write the page."""
    averaged = averaging_rows()
    trained = pd.DataFrame(treatment_rows())
    trained["symmetry"] = [
        _symmetry(group, exact) for group, exact in zip(trained.group, trained.exact, strict=True)
    ]
    shown = averaged.assign(change=[_percent(change) for change in averaged.change])
    ends = trained[["change", "low", "high"]].itertuples(index=False)
    treatments = trained.assign(change=[_with_interval(*row) for row in ends])
    about = ["size", "task", "symmetry", "model"]
    averages = _by_kind(shown, [*about, "score", "change"])
    put(PAGE, "averaging", f"{counted(averaged)}\n\n{averages}")
    columns = [*about, "treatment", "score", "change", "seeds"]
    put(PAGE, "treatments", _by_kind(treatments, columns))


if __name__ == "__main__":
    main()

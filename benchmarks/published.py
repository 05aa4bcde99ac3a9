"""Our networks beside the published ones, from reference tables and tests; write docs/published.md.

python -m benchmarks.published
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmarks.pages import markdown
from symbench.config.read import read_configuration
from symbench.config.run import Run
from symbench.config.study import Study

REFERENCE = Path("results/reference")
NETWORKS = Path("tests/fixtures/published_networks.csv")


def networks_table() -> pd.DataFrame:
    """Parameters, and the difference to what the public code gives with the same weights."""
    table = pd.read_csv(NETWORKS, dtype=str)
    return table.rename(columns=lambda name: name.replace("_", " "))


def errors_table() -> pd.DataFrame:
    """A row for each published number and each reference table that has runs to stand beside it."""
    rows = []
    for size, name, path in reference_tables(REFERENCE):
        study = read_configuration([path], [name]).study(name)
        rows += list(_rows(size, study, reference_metrics(size, name)))
    return pd.DataFrame(rows)


def reference_metrics(size: str, study: str) -> pd.DataFrame:
    """The metrics of a reference table; lead times are texts, even where all look like numbers."""
    return pd.read_csv(REFERENCE / size / study / "metrics.csv", dtype={"lead_time": str})


def reference_tables(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Size or overlay, study and config file of all reference tables."""
    for path in sorted(folder.glob("*/*/metrics.csv")):
        size, name = path.parts[-3:-1]
        kind = "sizes" if Path(f"config/sizes/{size}.yaml").is_file() else "overlays"
        yield size, name, Path(f"config/{kind}/{size}.yaml")


def _rows(size: str, study: Study, metrics: pd.DataFrame) -> Iterator[dict[str, object]]:
    for published in study.settings.published:
        for key, runs in study.groups.items():
            if not published.stands_beside(key):
                continue
            metric = published.metric or runs[0].task.dataset.scores[0].name
            task, model, treatment = key
            found = metrics.query(
                "task == @task and model == @model and treatment == @treatment"
                " and metric == @metric and evaluation == 'plain' and lead_time == '1'"
            )
            for row in found.to_dict("records"):
                spread = f" ± {row['std']:.2g}" if row["count"] > 1 else ""
                yield {
                    "network": " ".join(dict.fromkeys((model, treatment))),
                    "task": task,
                    "reference table": size,
                    "metric": metric,
                    "ours": f"{row['mean']:.4g}{spread}",
                    "seeds": row["count"],
                    "published": published.value,
                    "trained for": _length(runs[0]),
                    "source": published.source,
                    "what differs": published.differs,
                }


def _length(run: Run) -> str:
    training = run.training
    return f"{training.steps} steps" if training.steps else f"{training.epochs} epochs"


def main() -> None:
    """Write the page."""
    text = f"""# Ours and published

Made by `python -m benchmarks.published`; do not edit.

## Networks

The same weights and inputs in double precision, held against what the public code gave outside of
this project: `tests/models/test_published.py` and `test_published_networks.py`.

{markdown(networks_table())}

## Errors reached

Means and standard deviations over seeds of the tables in `results/reference`.

{markdown(errors_table())}
"""
    Path("docs/published.md").write_text(text)


if __name__ == "__main__":
    main()

"""The book of references: each claim once, with the evidence of its largest run."""

from pathlib import Path

import pandas as pd

from symbench.numbers import interval
from symbench.report.agreement import read_claims
from symbench.statistics import NOT_RUN

TITLE = "# Claims, each with its largest evidence"
_HEAD = f"""{TITLE}

Of all reference tables, the one with the most trained networks, then with the most test samples.
"Also" names the other tables that judged the claim, with their verdicts. Made by `make book`.
"""


def book(reference: Path) -> str:
    """The page as Markdown, a section a study.

    Args:
        reference: folder of the tables of all sizes and overlays.

    Raises:
        DataError: if it holds no table of claims.

    """
    folders = [path for path in sorted(reference.iterdir()) if list(path.glob("*/claims.csv"))]
    tables = [read_claims(folder).assign(run=folder.name) for folder in folders]
    claims = pd.concat(tables, ignore_index=True) if tables else read_claims(reference)
    whole = claims[(claims.case == "") & (claims.verdict != NOT_RUN)]
    ordered = whole.sort_values(["seeds", "samples"], ascending=False, kind="stable")
    lines = [_HEAD]
    for study, rows in ordered.groupby("study"):
        lines += [
            f"## {study}\n",
            "| claim | origin | value [95 %] | seeds, samples | verdict | in | also |",
            "|---|---|---|---|---|---|---|",
            *(_line(same) for _, same in rows.groupby("claim")),
            "",
        ]
    return "\n".join(lines)


def _line(same: pd.DataFrame) -> str:
    first, others = same.iloc[0], same.iloc[1:]
    value = interval(float(first.value), float(first.low), float(first.high))
    cells = (
        first.statement,
        first.origin,
        f"{value} {first.unit}".strip(),
        f"{first.seeds:.0f}, {first.samples:.0f}",
        first.verdict,
        first.run,
        ", ".join(
            f"{run}: {verdict}" for run, verdict in zip(others.run, others.verdict, strict=True)
        ),
    )
    return f"| {' | '.join(' '.join(str(cell).split()).replace('|', '∣') for cell in cells)} |"

"""Tables as Markdown."""

import pandas as pd


def markdown(table: pd.DataFrame) -> str:
    """A table, numbers with three digits."""
    cells = [[f"{v:.3g}" if isinstance(v, float) else str(v) for v in row] for row in table.values]
    rows = [list(table.columns), ["---"] * len(table.columns), *cells]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)

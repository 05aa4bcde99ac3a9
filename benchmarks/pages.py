"""Tables as Markdown, and their places in pages."""

from pathlib import Path

import pandas as pd


def markdown(table: pd.DataFrame) -> str:
    """A table, numbers with three digits."""
    cells = [[f"{v:.3g}" if isinstance(v, float) else str(v) for v in row] for row in table.values]
    rows = [list(table.columns), ["---"] * len(table.columns), *cells]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def put(page: Path, name: str, text: str) -> None:
    """Put text in its place in a page: between the comments `name` and `end of name`.

    Raises:
        ValueError: if the page has no such place.

    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} has no place between '{begin}' and '{end}'.")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")

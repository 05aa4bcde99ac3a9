"""Advice as one self-contained page, with its tables as CSV beside it."""

from importlib.resources import files
from pathlib import Path

import jinja2
import pandas as pd

from symbench.advice.advise import Advice
from symbench.files import write_whole

_SHARES = ("violation", "change", "predicted", "measured", "low", "high")


def write_page(advice: Advice, folder: Path) -> Path:
    """Write advice.html, and elements.csv, choices.csv and rollouts.csv; returns the page."""
    tables = {
        "elements": advice.elements,
        "choices": advice.choices,
        "rollouts": advice.rollouts,
    }
    for name, table in tables.items():
        with write_whole(folder / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False)
    template = jinja2.Environment(autoescape=True).from_string(
        files("symbench.advice").joinpath("page.html.j2").read_text()
    )
    style = files("symbench.report").joinpath("style.css").read_text()
    shown = {name: _html(table) for name, table in tables.items() if len(table)}
    page = folder / "advice.html"
    with write_whole(page) as temporary:
        temporary.write_text(template.render(advice=advice, tables=shown, style=style))
    return page


def _html(table: pd.DataFrame) -> str:
    shares = {name: "{:+.1%}".format for name in _SHARES if name in table}
    return table.to_html(
        index=False, border=0, float_format="{:.3g}".format, formatters=shares, na_rep=""
    )

"""Advice as one self-contained page, with its tables as CSV beside it."""

import math
from importlib.resources import files
from pathlib import Path

import jinja2
import pandas as pd

from symbench.advice.advise import Advice
from symbench.files import refuse_foreign, write_whole

_CHANGES = ("change", "predicted", "measured", "low", "high")
_PAGE = "advice.html"
_TABLES = ("elements", "angles", "choices", "rollouts")
# So many sets are shown; all are in the CSV.
_SHOWN = 16


def refuse_foreign_pages(folder: Path) -> None:
    """Raise `DataError` if a folder holds a file of a name of the page that is none of it."""
    for name in (_PAGE, *(f"{table}.csv" for table in _TABLES)):
        refuse_foreign(folder / name)


def write_page(advice: Advice, folder: Path) -> Path:
    """Write advice.html and its tables, such as elements.csv; returns the page.

    Raises `DataError` as `refuse_foreign_pages` does.
    """
    refuse_foreign_pages(folder)
    tables: dict[str, pd.DataFrame] = {name: getattr(advice, name) for name in _TABLES}
    for name, table in tables.items():
        with write_whole(folder / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False)
    template = jinja2.Environment(autoescape=True).from_string(
        files("symbench.advice").joinpath("page.html.j2").read_text()
    )
    style = files("symbench.report").joinpath("style.css").read_text()
    shown = {**tables, "choices": _some(advice)}
    page = folder / _PAGE
    with write_whole(page) as temporary:
        html = {name: _html(table) for name, table in shown.items() if len(table)}
        left = len(advice.choices) - len(shown["choices"])
        temporary.write_text(template.render(advice=advice, tables=html, left=left, style=style))
    return page


def _some(advice: Advice) -> pd.DataFrame:
    """The set that is advised first, then those of which most is foretold among each size."""
    table = advice.choices
    advised = table.name == advice.advised
    order = table.assign(later=~advised).sort_values(["later", "predicted"])
    chosen = order.head(_SHOWN).drop(columns="later")
    # What is foretold holds where the law of the data is invariant.
    return chosen.assign(predicted=chosen.predicted.where(chosen.audit != "broken"))


def _html(table: pd.DataFrame) -> str:
    formats = dict.fromkeys(_CHANGES, _change) | {
        "violation": lambda value: f"{value:.1%}",
        "seconds": lambda value: f"{value:.2g}",
        "p_value": lambda value: f"{value:.2g}",
        "angle": lambda value: "" if math.isnan(value) else f"{value:.0f}°",
    }
    return table.rename(columns={"p_value": "chance (p)", "lead_time": "frames ahead"}).to_html(
        index=False,
        border=0,
        float_format="{:.3f}".format,
        formatters={
            {"p_value": "chance (p)"}.get(name, name): function
            for name, function in formats.items()
            if name in table
        },
        na_rep="",
    )


def _change(value: float) -> str:
    """A relative change with its sign; none of what is zero to round-off."""
    if not math.isfinite(value):
        return ""
    return "0" if abs(value) < 5e-4 else f"{value:+.1%}"

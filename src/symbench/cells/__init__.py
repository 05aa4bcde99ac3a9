"""Cell families of a study, by the kind of their data."""

from pathlib import Path

from symbench.cells.grid import GridFamily
from symbench.cells.samples import SampleFamily
from symbench.config.study import Cell, Study
from symbench.errors import choose
from symbench.evaluation.results import CellFamily, read

__all__ = ["CellFamily", "GridFamily", "SampleFamily", "families"]

FAMILIES: dict[str, type[CellFamily]] = {"grid": GridFamily, "samples": SampleFamily}


def families(study: Study, directory: Path) -> list[CellFamily]:
    """All cell families of a study, in the order of the config."""
    seeds: dict[tuple[str, str, str], list[int]] = {}
    first: dict[str, Cell] = {}
    for cell in study.cells:
        key = (cell.task, cell.model, cell.treatment)
        seeds.setdefault(key, []).append(cell.seed)
        first.setdefault(cell.task, cell)
    kinds = {
        task: read(
            directory, cell, study.evaluations(cell.model, cell.treatment)[0], cell.seed
        ).attrs["kind"]
        for task, cell in first.items()
    }
    return [
        FAMILIES[choose(kinds[key[0]], FAMILIES, "kind of data")](
            study, *key, tuple(found), directory
        )
        for key, found in seeds.items()
    ]

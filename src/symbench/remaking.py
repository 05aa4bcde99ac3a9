"""Tables, figures and parts of the report, made anew from evaluations, studies side by side."""

import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from symbench.comparison import compare_study
from symbench.figures.draw import draw_figure
from symbench.figures.results import StudyResults
from symbench.report.build import Part, part


def remake(studies: Sequence[StudyResults], only: Collection[str] = ()) -> list[Part]:
    """Write the tables of studies, draw their figures, and make their parts of the report.

    Each study has a process to itself, where there are cores: it opens its evaluations once, which
    takes as long as much of the rest.

    Args:
        studies: what is made anew.
        only: names of figures; all by default.

    Raises:
        SymBenchError: if results are missing, damaged or of other settings.

    """
    return side_by_side(partial(_remake_one, only=only), studies)


def side_by_side(
    made: Callable[[StudyResults], Part], studies: Sequence[StudyResults]
) -> list[Part]:
    """What is made of each study, in as many processes as there are cores."""
    processes = min(len(studies), _cores())
    if processes < 2:
        return [made(results) for results in studies]
    # Forked processes have what was imported.
    context = get_context("fork" if hasattr(os, "fork") else None)
    with ProcessPoolExecutor(processes, context) as pool:
        return list(pool.map(made, studies))


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _remake_one(results: StudyResults, only: Collection[str]) -> Part:
    compare_study(results.study, results.layout, found=(results.groups, results.missing))
    for figure in results.study.settings.figures:
        if not only or figure.name in only:
            draw_figure(results, figure.name)
    return part(results)

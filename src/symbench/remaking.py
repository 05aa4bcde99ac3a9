"""Tables, figures and parts of the report, made anew from evaluations, studies side by side."""

import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from symbench.comparison import compare_study
from symbench.figures.draw import draw_figure
from symbench.figures.results import StudyResults
from symbench.report.build import Part, part


def side_by_side(
    made: Callable[[StudyResults], Part], studies: Sequence[StudyResults]
) -> list[Part]:
    """What is made of each study, in as many processes as there are cores.

    Args:
        made: makes the part of a study; it opens its evaluations once, which takes long.
        studies: whenever a process is free, those of most runs first: a long one that begins last
            would run alone.

    Raises:
        SymBenchError: the first that a process ended in.

    """
    processes = min(len(studies), _cores())
    if processes < 2:
        return [made(results) for results in studies]
    # Forked processes have what was imported.
    context = get_context("fork" if hasattr(os, "fork") else None)
    with ProcessPoolExecutor(processes, context) as pool:
        order = sorted(range(len(studies)), key=lambda place: -len(studies[place].study.runs))
        parts = dict(zip(order, pool.map(made, [studies[place] for place in order]), strict=True))
        return [parts[place] for place in range(len(studies))]


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def remade(results: StudyResults, only: Collection[str] = ()) -> Part:
    """Write the tables of a study, draw its figures, and make its part of the report.

    Args:
        results: of the study.
        only: names of figures; all by default.

    Raises:
        SymBenchError: if results are missing, damaged or of other settings.

    """
    compare_study(results.study, results.layout, found=(results.groups, results.missing))
    for figure in results.study.settings.figures:
        if not only or figure.name in only:
            draw_figure(results, figure.name)
    return part(results)

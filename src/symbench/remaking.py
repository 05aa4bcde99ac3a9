"""Tables and figures of several studies, made anew from their evaluations, a process for each."""

import os
from collections.abc import Collection, Sequence
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.sharedctypes import Synchronized

from symbench.comparison import compare_study
from symbench.figures.draw import draw_figure
from symbench.figures.results import StudyResults


def remake(studies: Sequence[StudyResults], only: Collection[str] = ()) -> None:
    """Write the tables of studies, and draw their figures.

    Evaluations are opened here, once, and processes share them: to open them takes long.

    Args:
        studies: what is made anew.
        only: names of figures; all by default.

    Raises:
        SymBenchError: if results are missing, damaged or of other settings.

    """
    for results in studies:
        for group in results.groups:
            group.open(group.evaluations[0])
    # Only a fork has what was opened.
    forks = min(len(studies), _cores()) if "fork" in get_all_start_methods() else 1
    if forks > 1:
        context = get_context("fork")
        following: Synchronized[int] = context.Value("i", 0)
        processes = [
            context.Process(target=_remake_next, args=(studies, only, following))
            for _ in range(forks)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        if not any(process.exitcode for process in processes):
            return
    # What went wrong in a process goes wrong here as well, where it is seen.
    for results in studies:
        _remake_one(results, only)


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _remake_next(
    studies: Sequence[StudyResults], only: Collection[str], following: "Synchronized[int]"
) -> None:
    """Make one study after the other that no other process has taken; silent where one fails."""
    while True:
        with following.get_lock():
            number = following.value
            following.value += 1
        if number >= len(studies):
            return
        try:
            _remake_one(studies[number], only)
        # Whatever it is, the process above says it.
        except Exception:
            os._exit(1)


def _remake_one(results: StudyResults, only: Collection[str]) -> None:
    found = (results.groups, results.missing)
    compare_study(results.study, results.layout, found=found)
    for figure in results.study.settings.figures:
        if not only or figure.name in only:
            draw_figure(results, figure.name)

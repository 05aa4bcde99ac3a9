"""Timing in turns, so that a comparison holds when the speed of the machine drifts."""

import time
from collections.abc import Callable
from statistics import median


def in_turns(*functions: Callable[[], object], rounds: int = 7) -> list[float]:
    """Median seconds of each function, called in turns after one round that is not counted."""
    seconds: list[list[float]] = [[] for _ in functions]
    for round_number in range(rounds + 1):
        for function, taken in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            if round_number:
                taken.append(time.perf_counter() - start)
    return [median(taken) for taken in seconds]

"""Timing in turns, so that a comparison holds when the speed of the machine drifts."""

import time
from collections.abc import Callable
from statistics import median

import torch

CPU = torch.device("cpu")


def in_turns(
    *functions: Callable[[], object], rounds: int = 7, device: torch.device = CPU
) -> list[float]:
    """Median seconds of each function, called in turns after one round that is not counted.

    Args:
        functions: what is timed; on a GPU by events before and after what it puts on the stream.
        rounds: that count.
        device: that the functions compute on.

    """
    timed = _on_gpu if device.type == "cuda" else _on_processor
    seconds: list[list[float]] = [[] for _ in functions]
    for round_number in range(rounds + 1):
        for function, taken in zip(functions, seconds, strict=True):
            if round_number:
                taken.append(timed(function))
            else:
                function()
    return [median(taken) for taken in seconds]


def _on_processor(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _on_gpu(function: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    function()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3


def bounded(value: float, *, most: float | None = None, least: float | None = None) -> str:
    """What a measured ratio must be, and whether it is."""
    if most is not None:
        return f"at most {most:g}: {'held' if value <= most else 'missed'}"
    return f"at least {least:g}: {'held' if value >= (least or 0) else 'missed'}"

"""Batches that are prepared ahead: a thread makes the next ones while the device works."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")


def prepared(
    prepare: Callable[[Key], Item], keys: Iterable[Key], ahead: int
) -> Generator[Item, None, None]:
    """What is prepared for each of some keys, in their order.

    A generator that is left before its end must be closed, which waits for what is in progress.

    Args:
        prepare: makes an item of a key; of nothing else, since it runs in a thread. What it raises
            is raised where its item would have been.
        keys: such as numbers of steps.
        ahead: items that are prepared before they are asked for; 0 for no thread.

    """
    if not ahead:
        yield from map(prepare, keys)
        return
    left = iter(keys)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as thread:
        waiting: deque[Future[Item]] = deque()
        try:
            waiting.extend(thread.submit(prepare, key) for key in islice(left, ahead))
            while waiting:
                item = waiting.popleft().result()
                waiting.extend(thread.submit(prepare, key) for key in islice(left, 1))
                yield item
        finally:
            for future in waiting:
                future.cancel()

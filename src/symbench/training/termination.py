"""SIGTERM: trainings save their state before they end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(SystemExit):
    """SIGTERM came; the state was saved. Exit code 128 + 15, as the shell would give."""

    def __init__(self) -> None:
        """Carry the exit code."""
        super().__init__(128 + signal.SIGTERM)


class Termination:
    """Whether this process shall end.

    Attributes:
        came: whether SIGTERM came since somebody listens.

    """

    came = False

    @classmethod
    @contextmanager
    def awaited(cls) -> Iterator["Termination"]:
        """Listen for a while, in place of whoever listened before."""
        termination = cls()

        def note(number: int, frame: FrameType | None) -> None:
            termination.came = True

        previous = signal.signal(signal.SIGTERM, note)
        try:
            yield termination
        finally:
            signal.signal(signal.SIGTERM, previous)

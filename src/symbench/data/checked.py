"""What the command that checks data finds in a folder."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Checked:
    """What was found.

    Attributes:
        said: what the data are, a line each.
        problems: what a run would refuse, a sentence each.

    """

    said: list[str]
    problems: list[str]

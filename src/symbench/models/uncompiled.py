"""Models that torch.compile cannot make faster, because it cannot compile their training."""

from typing import ClassVar

from torch import nn

from symbench.errors import ConfigError


class Uncompiled(nn.Module):
    """A module that cannot be compiled for training.

    Class attributes:
        why_uncompiled: the reason, the end of a sentence that begins with the name of the class.
    """

    why_uncompiled: ClassVar[str]


def check_compilable(model: nn.Module) -> None:
    """Raise `ConfigError`, with the reason, if a model cannot be compiled for training."""
    for module in model.modules():
        if isinstance(module, Uncompiled):
            raise ConfigError(
                f"compiled: true, but {type(module).__name__} {module.why_uncompiled}; "
                "leave 'compiled' out."
            )

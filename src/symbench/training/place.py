"""What a training has of its own in a process that others may share."""

from collections.abc import Iterator
from contextlib import contextmanager

from symbench.config.settings import TrainingSettings
from symbench.precision import tf32
from symbench.training.device import Device
from symbench.training.state import random_states, set_random_states


class Place:
    """Generators that layers draw from, the precision of products, and a part of the device."""

    def __init__(self, settings: TrainingSettings, device: Device) -> None:
        """Begin with the generators as they are now."""
        self.settings = settings
        self.device = device
        self._random = random_states()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have all of it in place for a while; what others have is put back after it."""
        others = random_states()
        set_random_states(self._random)
        try:
            with tf32(self.settings.precision == "tf32"), self.device.working():
                yield
        finally:
            self._random = random_states()
            set_random_states(others)

"""What a training has of its own in a process that others may share."""

from collections.abc import Iterator
from contextlib import contextmanager

from symbench.arithmetic import deterministic, tf32
from symbench.config.settings import TrainingSettings
from symbench.training.device import Device
from symbench.training.failures import told_in_a_sentence
from symbench.training.state import random_states, set_random_states


class Place:
    """Generators that layers draw from, the precision of products, and a part of the device."""

    def __init__(self, settings: TrainingSettings, device: Device) -> None:
        """Begin with the generators as they are now.

        Raises:
            TrainingError: if the device cannot be deterministic, and shall be.

        """
        if settings.deterministic:
            device.check_deterministic()
        parts = f" in {settings.accumulate} parts" if settings.accumulate > 1 else ""
        self._needed = f"Training on batches of {settings.batch_size} samples{parts}"
        self._mended_by = "a smaller batch_size or a larger accumulate"
        self.settings = settings
        self.device = device
        self._random = random_states()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have all of it in place for a while; what others have is put back after it."""
        others = random_states()
        set_random_states(self._random)
        try:
            with (
                tf32(self.settings.precision == "tf32"),
                deterministic(self.settings.deterministic),
                self.device.working(),
                told_in_a_sentence(self.device, self._needed, self._mended_by),
            ):
                yield
        finally:
            self._random = random_states()
            set_random_states(others)

"""The learning rate at each step."""

import math

from symbench.config.settings import TrainingSettings


def learning_rate(settings: TrainingSettings, step: int, steps_per_epoch: int) -> float:
    """Constant in a first phase; then linear warm-up, and half a cosine, steps, or constant.

    Args:
        settings: how to train.
        step: number of the step, from 0.
        steps_per_epoch: steps in an epoch.

    """
    first_phase = settings.first_phase_epochs * steps_per_epoch
    if step < first_phase:
        return settings.first_phase_learning_rate or settings.learning_rate
    step -= first_phase
    warm_up = settings.warm_up_epochs * steps_per_epoch
    total = settings.epochs_of(steps_per_epoch) * steps_per_epoch - first_phase
    if step < warm_up:
        return settings.learning_rate * (step + 1) / warm_up
    if settings.schedule == "constant":
        return settings.learning_rate
    progress = (step - warm_up) / max(1, total - warm_up)
    if settings.schedule == "steps":
        return settings.learning_rate * 0.1 ** sum(progress >= share for share in (0.8, 0.9))
    return settings.learning_rate * (1 + math.cos(math.pi * progress)) / 2

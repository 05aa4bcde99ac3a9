"""The path of γ that no data hold: what the optimisers of γ and λ do by themselves.

With Adam a step hardly depends on the size of a gradient, so that γ falls whatever the data say. A
measured γ says something about the data only beside this path.
"""

import copy

from torch import nn

from symbench.config.settings import TrainingSettings
from symbench.data.batch import V
from symbench.models.homotopy import Relaxation
from symbench.training.treatments.constrain import Constrain
from symbench.training.treatments.treatment import Treatment
from symbench.training.updates import Updates


def free_path(
    treatment: Treatment[V], settings: TrainingSettings, steps_per_epoch: int
) -> list[float]:
    """γ after each epoch if there were no loss, by the same updates; the same for every layer.

    Args:
        treatment: attached to the model; it stays as it is.
        settings: of the training.
        steps_per_epoch: of the training.

    Returns:
        One number for each epoch, and none for treatments without dual variables.

    """
    if not isinstance(treatment, Constrain):
        return []
    # Layers know of each other by the norm of all gradients alone.
    count = 1 if settings.clip_gradient_norm is None else len(treatment.layers)
    layers = nn.ModuleList(Relaxation() for _ in range(count))
    alone = copy.copy(treatment)
    alone.attach(layers)
    updates = Updates(layers, alone, settings, steps_per_epoch)
    path = []
    for step in range(updates.epochs * steps_per_epoch):
        updates.begin(step)
        alone.loss_term().backward()
        updates.finish(step)
        if (step + 1) % steps_per_epoch == 0:
            path.append(next(iter(alone.layers.values())).gamma.item())
    return path

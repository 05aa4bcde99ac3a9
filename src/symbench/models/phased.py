"""Models that are trained in two phases."""

from torch import nn


class PhasedModule(nn.Module):
    """A module that leaves a part of its work out in the first phase of training.

    The training loop sets the attribute of every such module in a model before each step, so that
    a potential can leave out the forces while its loss is that of energies alone; see
    `first_phase_epochs` of the training settings and `Split.first_phase_loss`.

    Attributes:
        first_phase: whether training is in its first phase; it says nothing outside training.

    """

    first_phase: bool = False

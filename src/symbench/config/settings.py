"""How to train and how to evaluate: plain settings, shared by the config and the loops."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainingSettings:
    """How to train; the protocol of The Well by default.

    Attributes:
        epochs: passes over the training windows.
        batch_size: samples a step, over all processes.
        learning_rate: peak of the schedule.
        weight_decay: of the optimiser.
        warm_up_epochs: linear warm-up, followed by the schedule.
        schedule: "cosine" to zero, or "constant".
        samples_per_epoch: use a random part of the windows in each epoch; None for all.
        validation_samples: evenly spaced windows that choose the best weights; None for all.
        patience: stop after so many epochs without a better validation loss; None for never.
        bfloat16: automatic mixed precision.
        compiled: whether torch.compile optimises the network.
        accumulate: parts of a batch whose gradients are added before a step, for batches that do
            not fit into memory; layers that see a whole batch (batch norm) see a part.
        save_every: steps between two saved states.
        optimizer: "adamw", or "sgd" without momentum.
        test_every: epochs between two looks at the test split, for the figure of test error
            against epoch; nothing is chosen by them. None for never.
        first_phase_epochs: the first of the epochs, in which another loss of the data counts, such
            as that of energies before forces; constant learning rate.
        first_phase_learning_rate: of that phase; the learning rate of the rest by default.

    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 1e-4
    warm_up_epochs: int = 1
    schedule: Literal["cosine", "constant"] = "cosine"
    samples_per_epoch: int | None = None
    validation_samples: int | None = None
    patience: int | None = None
    bfloat16: bool = False
    compiled: bool = False
    accumulate: int = 1
    save_every: int = 200
    optimizer: Literal["adamw", "sgd"] = "adamw"
    test_every: int | None = None
    first_phase_epochs: int = 0
    first_phase_learning_rate: float | None = None


@dataclass(frozen=True)
class EvaluationSettings:
    """How to evaluate.

    Attributes:
        samples_per_trajectory: evenly spaced one-step windows of each test trajectory; None for
            all.
        batch_size: samples in one call of the model.
        rollout_trajectories: test trajectories that are rolled out; None for all.
        rollout_steps: frames of a rollout.
        rollout_group: a subgroup for the averaged rollouts, where the whole group costs too much;
            None for the whole group.
        chunk: group elements folded into one call of the model.
        elements: elements drawn from a group that is infinite or too large to average over.

    """

    samples_per_trajectory: int | None = None
    batch_size: int = 4
    rollout_trajectories: int | None = None
    rollout_steps: int = 30
    rollout_group: str | None = None
    chunk: int = 1
    elements: int = 8

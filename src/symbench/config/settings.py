"""How to train and how to evaluate: typed settings, shared by the config and the loops."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Strict(BaseModel):
    """A part of the config that refuses unknown keys, and values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class TrainingOptions(Strict):
    """What a model or a task may say about training on top of its study; the protocol of The Well.

    Either `epochs` or `steps` says how long. All other keys have defaults but batch size and
    learning rate, which every run needs from somewhere.
    """

    epochs: int | None = Field(None, ge=1, description="passes over the training samples")
    steps: int | None = Field(
        None,
        ge=1,
        description="steps of the optimiser, rounded to whole epochs; in place of epochs",
    )
    batch_size: int | None = Field(None, ge=1, description="samples a step, over all processes")
    learning_rate: float | None = Field(None, gt=0, description="peak of the schedule")
    weight_decay: float = Field(1e-4, ge=0, description="of the optimiser")
    warm_up_epochs: int = Field(1, ge=0, description="linear warm-up, before the schedule")
    schedule: Literal["cosine", "constant", "steps"] = Field(
        "cosine", description="cosine goes to zero; steps are to a tenth at 80 and at 90 %"
    )
    samples_per_epoch: int | None = Field(
        None, ge=1, description="a random part of the samples in each epoch; null for all"
    )
    validation_samples: int | None = Field(
        None, ge=1, description="evenly spaced samples that choose the best weights; null for all"
    )
    patience: int | None = Field(
        None, ge=1, description="stop after so many epochs without a better validation loss"
    )
    bfloat16: bool = Field(False, description="automatic mixed precision")
    compiled: bool = Field(False, description="whether torch.compile optimises the network")
    accumulate: int = Field(
        1,
        ge=1,
        description="parts of a batch whose gradients are added before a step, for batches that do "
        "not fit into memory; layers that see a whole batch (batch norm) see a part",
    )
    save_every: int = Field(200, ge=1, description="steps between two saved states")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="sgd is without momentum")
    clip_gradient_norm: float | None = Field(
        None, gt=0, description="a larger norm of all gradients is cut to this; null for none"
    )
    test_every: int | None = Field(
        None,
        ge=1,
        description="epochs between two looks at the test split, for the figure of the test loss; "
        "nothing is chosen by them",
    )
    first_phase_epochs: int = Field(
        0,
        ge=0,
        description="the first of the epochs, in which another loss of the data counts, such as "
        "that of energies before forces; constant learning rate",
    )
    first_phase_learning_rate: float | None = Field(
        None, gt=0, description="of that phase; the learning rate of the rest by default"
    )


class TrainingSettings(TrainingOptions):
    """How one run is trained: all options, resolved."""

    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("training needs 'epochs' or 'steps', one of them")
        if self.accumulate > self.batch_size:
            raise ValueError(
                f"accumulate is {self.accumulate}; give at most batch_size, which is "
                f"{self.batch_size}: each part of a batch needs a sample"
            )
        if self.epochs is not None and self.first_phase_epochs > self.epochs:
            raise ValueError(
                f"first_phase_epochs is {self.first_phase_epochs}; give at most epochs, which is "
                f"{self.epochs}"
            )
        return self

    def epochs_of(self, steps_per_epoch: int) -> int:
        """Number of epochs, where an epoch has so many steps."""
        if self.epochs is not None:
            return self.epochs
        assert self.steps is not None
        return max(1, round(self.steps / steps_per_epoch))


class EvaluationSettings(Strict):
    """How one run is evaluated; a task may say parts of it on top of its study."""

    batch_size: int = Field(4, ge=1, description="samples in one call of the model")
    elements: int = Field(
        8, ge=1, description="elements drawn from a group that has more of them, or infinitely many"
    )
    chunk: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto",
        description="group elements in one call of the model, for fields; auto takes as many as "
        "fill the device, and fewer where its memory is too small",
    )
    samples_per_trajectory: int | None = Field(
        None, ge=1, description="evenly spaced one-step samples of each trajectory; null for all"
    )
    examine_average: bool = Field(
        True,
        description="whether the average is called again for its time, equivariance error and "
        "sensitivity, which costs six times more",
    )
    rollout_trajectories: int | None = Field(
        None, ge=0, description="test trajectories that are rolled out; null for all, 0 for none"
    )
    rollout_steps: int = Field(30, ge=1, description="frames of a rollout")
    rollout_group: str | None = Field(
        None, description="a subgroup for averaged rollouts, where the whole group costs too much"
    )


# What makes sense for fields on a grid alone.
FIELD_KEYS = frozenset(
    {"chunk", "samples_per_trajectory", "rollout_trajectories", "rollout_steps", "rollout_group"}
)

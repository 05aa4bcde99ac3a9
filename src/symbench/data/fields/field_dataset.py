"""What data sets of fields that vary in time share."""

from typing import ClassVar

from symbench.data.dataset import Dataset, Kind, Score


class FieldDataset(Dataset):
    """Trajectories of fields on a grid; models predict the next frame."""

    kind: ClassVar[Kind] = "fields"
    has_trajectories: ClassVar[bool] = True
    training_samples: ClassVar[str] = "trajectories.train"

    @property
    def scores(self) -> tuple[Score, ...]:
        """The Well's score, and the mean squared error."""
        return (Score("vrmse"), Score("mse", "field units squared"))

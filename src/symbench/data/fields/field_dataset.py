"""What data sets of fields that vary in time share."""

from symbench.data.dataset import Dataset, Score


class FieldDataset(Dataset):
    """Trajectories of fields on a grid; models predict the next frame."""

    kind = "fields"
    has_trajectories = True
    training_samples = "trajectories.train"

    @property
    def scores(self) -> tuple[Score, ...]:
        """The Well's score, and the mean squared error."""
        return (Score("vrmse"), Score("mse", "field units squared"))

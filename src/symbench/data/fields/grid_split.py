"""Loss, scores and physical values of fields on a grid, whatever they are predicted from."""

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from symbench.data.batch import Batch
from symbench.data.dataset import Split
from symbench.data.fields.metrics import mean_squared_error, target_variance
from symbench.errors import DataError
from symbench.symmetry.grids.fields import Normalizer


class GridSplit(Split[Tensor]):
    """Samples whose targets are normalised fields, shape (sample, channel, *space)."""

    def __init__(self, normalizer: Normalizer, quantities: Sequence[str]) -> None:
        """Take the normalisation of the targets, and the names of their channels."""
        self.normalizer = normalizer
        self.quantities = tuple(quantities)

    def loss(self, prediction: Tensor, batch: Batch[Tensor]) -> Tensor:
        """Mean squared error of normalised fields, the protocol of The Well.

        Raises `DataError` for predictions of another shape than the targets.
        """
        if prediction.shape != batch.targets.shape:
            raise DataError(
                f"The network gives predictions of shape {tuple(prediction.shape)} for targets of "
                f"shape {tuple(batch.targets.shape)} (sample, channel, cells along each axis)."
            )
        return nn.functional.mse_loss(prediction, batch.targets)

    def scores(self, prediction: Tensor, batch: Batch[Tensor]) -> dict[str, Tensor]:
        """VRMSE, and squared errors in physical units, each of shape (sample, channel)."""
        squares = mean_squared_error(prediction, batch.targets)
        return {
            "vrmse": (squares / target_variance(batch.targets)).sqrt(),
            "mse": self._physical(squares),
        }

    def values_of(self, outputs: Tensor, batch: Batch[Tensor]) -> dict[str, Tensor]:
        """Each component in physical units, in double precision, shape (sample, cell)."""
        physical = self.normalizer.denormalize(outputs.double()).flatten(2)
        return dict(zip(self.quantities, physical.unbind(1), strict=True))

    def values_in_parts(
        self, outputs: Tensor, batch: Batch[Tensor], most: int
    ) -> Iterator[dict[str, Tensor]]:
        """`values_of` slabs of the grid, across its first axis."""
        rows = max(1, most // max(1, outputs[:, :, 0].numel()))
        for slab in outputs.split(rows, dim=2):
            yield self.values_of(slab, batch)

    def variance_of_targets(self, batch: Batch[Tensor]) -> dict[str, Tensor]:
        """The denominators of VRMSE squared by component, (sample,); NaN of constant targets."""
        variances = self._physical(target_variance(batch.targets))
        return dict(zip(self.quantities, variances.unbind(1), strict=True))

    def _physical(self, squares: Tensor) -> Tensor:
        """Squares of normalised values, (sample, channel), in physical units."""
        return squares * squares.new_tensor(self.normalizer.std) ** 2

"""Networks of this project; config/studies/own.yaml names them."""

from torch import Tensor, nn


class Convolutions(nn.Module):
    """Three convolutions on a periodic grid in two dimensions."""

    def __init__(
        self,
        dim_in: int,
        dim_out: int,
        n_spatial_dims: int,
        spatial_resolution: tuple[int, ...],
        width: int = 16,
    ) -> None:
        """Make the layers.

        The data give all but `width`, which is a setting of the config: dim_in counts channels
        times input frames, dim_out channels.
        """
        super().__init__()
        if n_spatial_dims != 2:
            raise ValueError(f"a grid with {n_spatial_dims} dimensions; two are needed")
        self.layers = nn.Sequential(
            nn.Conv2d(dim_in, width, 5, padding=2, padding_mode="circular"),
            nn.GELU(),
            nn.Conv2d(width, width, 5, padding=2, padding_mode="circular"),
            nn.GELU(),
            nn.Conv2d(width, dim_out, 5, padding=2, padding_mode="circular"),
        )

    def forward(self, values: Tensor) -> Tensor:
        """The next frame, shape (batch, channel, x, y), from all input frames."""
        prediction: Tensor = self.layers(values)
        return prediction

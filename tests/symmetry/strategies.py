"""Random groups, grids, fields, normalisers and networks for property-based tests."""

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from symbench.symmetry.grids.field import Field, channel_count
from symbench.symmetry.grids.fields import Normalizer
from symbench.symmetry.grids.isometries import GridGroup, named_group
from tests.here import here

LINEAR = ["flip", "shifts(2)", "flip * shifts(2)"]
PLANAR = ["flip_x", "flip_y", "flips", "C2", "C4", "D4", "flips * shifts(2)", "shifts_x(3)"]
SPATIAL = ["flips", "klein4", "C4", "C4v_x", "D4", "D4h_x", "O", "O_h", "inversion"]
ANISOTROPIC = {"flip_x", "flip_y", "flips", "C2", "klein4", "inversion", "flips * shifts(2)"}


@dataclass(frozen=True)
class Case:
    group: GridGroup
    shape: tuple[int, ...]
    fields: tuple[Field, ...]
    normalizer: Normalizer
    steps: int
    seed: int

    @property
    def channels(self) -> int:
        return channel_count(self.fields, len(self.shape))

    def inputs(self, batch: int = 2) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        size = (batch, self.steps * self.channels, *self.shape)
        return here(torch.randn(size, dtype=torch.float64, generator=generator))

    def network(self) -> nn.Module:
        """A network with no symmetry at all: zero padding, biases and a fixed position mask."""
        torch.manual_seed(self.seed)
        return here(Random(self.steps * self.channels, self.channels, self.shape).double())


class Random(nn.Module):
    def __init__(self, inputs: int, outputs: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(shape) - 1]
        self.first = convolution(inputs, 6, 3, padding=1)
        self.position = nn.Parameter(torch.randn(1, 6, *shape))
        self.last = convolution(6, outputs, 3, padding=1)

    def forward(self, values: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(values) + self.position))


fields = st.lists(
    st.builds(Field, st.just("f"), order=st.integers(0, 2), parity=st.sampled_from([1, -1])),
    min_size=1,
    max_size=3,
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    dimension = draw(st.sampled_from([2, 2, 3, 1]))
    name = draw(st.sampled_from((LINEAR, PLANAR, SPATIAL)[dimension - 1]))
    unit = 1
    if "shifts(2)" in name:
        unit = 2
    if "shifts_x(3)" in name:
        unit = 3
    sizes = st.integers(3, 4 if dimension == 3 else 6).map(lambda n: n * unit)
    if name in ANISOTROPIC or name == "shifts_x(3)":
        shape = tuple(draw(sizes) for _ in range(dimension))
    else:
        shape = (draw(sizes),) * dimension
    chosen = tuple(draw(fields))
    channels = channel_count(chosen, dimension)
    values = st.floats(-2, 2)
    normalizer = Normalizer(
        tuple(draw(st.lists(values, min_size=channels, max_size=channels))),
        tuple(2.0 ** draw(values) for _ in range(channels)),
    )
    return Case(
        named_group(name, dimension),
        shape,
        chosen,
        normalizer,
        draw(st.integers(1, 2)),
        draw(st.integers(0, 2**31)),
    )

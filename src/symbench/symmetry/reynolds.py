"""The Reynolds operator: the average of a model over a group,

    Q f (x) = 1/|G| sum_g psi(g)^-1 f(phi(g) x).

Q f is exactly equivariant whatever f is (P1), its convex invariant loss is at most the mean loss
of f over the orbit, sample by sample (P2), and under squared error the gain over that orbit mean
is the variance of the predictions over the orbit (P4), which needs no labels.
Source: Elesedy and Zaidi, arXiv 2102.10333; Foit, Hogg and Villar, arXiv 2511.09573.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from symbench.errors import SymmetryError
from symbench.symmetry.fields import Field, FieldAction, InputAction, Normalizer
from symbench.symmetry.groups import FiniteGroup, Group
from symbench.symmetry.isometries import GridGroup, lowest_dimension, named_group
from symbench.symmetry.labelled_points import LabelledPointGroup

Model = Callable[[Any], Tensor]
Action = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Symmetry:
    """A group, how it acts on the inputs and on the outputs of a model, and whether it is exact.

    Attributes:
        group: the group; actions take its elements: an index in a `FiniteGroup`, an array in the
            groups of `matrix_groups`.
        act_on_input: phi, applied as `act_on_input(element, inputs)`.
        act_on_output: psi, applied as `act_on_output(element, outputs)`.
        exact: whether dynamics and data distribution are both invariant.
        frame: the elements that move each sample to its canonical poses, shape (frame, sample,
            ...), for groups of `matrix_groups`; None where there is no frame. See `frames`.

    """

    group: Group
    act_on_input: Action
    act_on_output: Action
    exact: bool = True
    frame: Callable[[Any], Tensor] | None = None

    def choose(self, elements: Any = None) -> Any:
        """Elements of the group, checked; all of them by default."""
        return self.group.check(self.group.listed() if elements is None else elements)


def field_symmetry(
    group: GridGroup,
    fields: Sequence[Field],
    *,
    constant_fields: Sequence[Field] = (),
    normalizer: Normalizer | None = None,
    constant_normalizer: Normalizer | None = None,
    exact: bool = True,
) -> Symmetry:
    """The symmetry of a map from frames (and constant fields) to the next frame.

    Args:
        group: a group of grid isometries.
        fields: the fields of one frame, in channel order.
        constant_fields: fields that do not change in time, after the frames in the input.
        normalizer: of one frame; None for physical units.
        constant_normalizer: of the constant fields.
        exact: see `Symmetry`.

    """
    frames = FieldAction(group, fields, normalizer)
    constants = FieldAction(group, constant_fields, constant_normalizer)
    on_input = InputAction(frames, constants) if constant_fields else frames
    return Symmetry(group, on_input, frames, exact)


class OrbitMoments(NamedTuple):
    """Mean and variance of the pulled-back predictions over the orbit, both shaped like one."""

    mean: Tensor
    variance: Tensor


def orbit(
    model: Model,
    symmetry: Symmetry,
    values: Any,
    elements: Any = None,
    chunk: int = 1,
) -> Iterator[tuple[Any, Tensor]]:
    """Yield each element with its prediction pulled back, psi(g)^-1 f(phi(g) x).

    Args:
        model: any callable from inputs to a tensor; a module should be in eval mode.
        symmetry: the group and its actions.
        values: one batch of inputs: a tensor of shape (batch, ...), or what the actions take.
        elements: elements of the group, all of them by default.
        chunk: how many elements are folded into the batch of one call of the model, where the
            inputs are tensors. More use more memory; they help where one batch does not fill the
            machine.

    """
    chosen = symmetry.choose(elements)
    for start in range(0, len(chosen), chunk):
        part = chosen[start : start + chunk]
        moved = [symmetry.act_on_input(g, values) for g in part]
        outputs = model(moved[0] if len(moved) == 1 else torch.cat(moved))
        del moved
        for g, output in zip(part, outputs.chunk(len(part)), strict=True):
            yield g, symmetry.act_on_output(symmetry.group.inverse(g), output)


class Averaged(nn.Module):
    """A model averaged over (a part of) a group; same inputs and outputs as the model."""

    def __init__(
        self,
        model: Model,
        symmetry: Symmetry,
        elements: Any = None,
        chunk: int = 1,
    ) -> None:
        """Wrap a model; see `average`."""
        super().__init__()
        self.model = model
        self.symmetry = symmetry
        self.elements = symmetry.choose(elements)
        self.chunk = chunk

    def forward(self, values: Any) -> Tensor:
        """The mean of the pulled-back predictions, accumulated in at least single precision."""
        (mean,) = self.of_first(values, [len(self.elements)])
        return mean

    def of_first(self, values: Any, counts: Sequence[int]) -> Iterator[Tensor]:
        """Yield the means over the first few elements, for ascending numbers of them."""
        total: Tensor | None = None
        outputs = orbit(self.model, self.symmetry, values, self.elements, self.chunk)
        for count, (_, output) in enumerate(outputs, start=1):
            wide = output.to(torch.promote_types(output.dtype, torch.float32))
            total = wide if total is None else total.add_(wide)
            if count in counts:
                yield (total / count).to(output.dtype)

    def moments(self, values: Any) -> OrbitMoments:
        """Mean and variance over the orbit at the price of the mean (Welford's update)."""
        mean = squares = torch.zeros(())
        outputs = orbit(self.model, self.symmetry, values, self.elements, self.chunk)
        for count, (_, output) in enumerate(outputs, start=1):
            wide = output.to(torch.promote_types(output.dtype, torch.float32))
            if count == 1:
                mean, squares = wide.clone(), torch.zeros_like(wide)
            else:
                delta = wide - mean
                mean = mean + delta / count
                squares = squares + delta * (wide - mean)
        return OrbitMoments(mean, squares / len(self.elements))


def average(
    model: Model,
    symmetry: Symmetry,
    *,
    elements: Any = "all",
    seed: int = 0,
    chunk: int | None = None,
) -> Averaged:
    """Average any callable model over a group.

    Args:
        model: the model, unchanged and unaware.
        symmetry: the group and its actions on the model's inputs and outputs.
        elements: "all" (exactly equivariant); the elements of a subgroup (exact for it); or a
            number n: the identity and n - 1 random elements. From a `FiniteGroup` they are drawn
            without replacement, which gives the share 1 - (|G| - n) / (n (|G| - 1)) of the gain
            on average (P5); from other groups independently, which gives 1 - 1/n; where
            labels can be exchanged, all exchanges with each of some rotations.
        seed: draws the subset.
        chunk: elements folded into one batch; 1 by default, the least memory.

    Raises:
        SymmetryError: if elements or chunk do not fit the group.

    """
    chosen = elements
    if isinstance(elements, str):
        if elements != "all":
            raise SymmetryError(f"elements='{elements}': give 'all', a number, or elements.")
        chosen = None
    elif isinstance(elements, int):
        chosen = random_elements(symmetry.group, elements, seed)
    if chunk is not None and chunk < 1:
        raise SymmetryError(f"chunk={chunk}: fold at least one element into a batch.")
    return Averaged(model, symmetry, chosen, chunk or 1)


def random_elements(group: Group, count: int, seed: int = 0) -> Any:
    """The identity and count - 1 random elements; see `average`.

    Raises:
        SymmetryError: if the group has fewer elements.

    """
    if count < 1 or (group.order is not None and count > group.order):
        most = f"1 to {group.order} elements" if group.order else "at least 1 element"
        raise SymmetryError(f"A subset of {group} has {most}.")
    if isinstance(group, FiniteGroup):
        return [0, *sorted(random.Random(seed).sample(range(1, group.order), count - 1))]
    generator = torch.Generator().manual_seed(seed)
    if isinstance(group, LabelledPointGroup):
        return group.cover(count, generator)
    others = group.sample(count - 1, generator)
    return torch.cat([group.identity[None], others])


def symmetrize(
    model: nn.Module,
    group: str | GridGroup,
    fields: Sequence[Field],
    *,
    constant_fields: Sequence[Field] = (),
    normalizer: Normalizer | None = None,
    constant_normalizer: Normalizer | None = None,
    elements: str | int | Sequence[int] = "all",
    seed: int = 0,
    chunk: int | None = None,
) -> nn.Module:
    """Make a trained PDE surrogate exactly equivariant by averaging it over a group.

    Args:
        model: maps (batch, steps·channels + constant channels, *space) to (batch, channels,
            *space), such as any model of The Well's benchmark; put it in eval mode.
        group: a name such as "D4" or "O_h" (see `isometries.named_group`; a name that exists in
            2-D is meant in 2-D), or a group for anything else.
        fields: the fields of a frame, in channel order.
        constant_fields: fields appended to the frames that do not change in time.
        normalizer: the affine map of the channels if the model works on normalised values; the
            symmetrised model then takes and gives normalised values too.
        constant_normalizer: the same for the constant fields.
        elements: all, a random subset, or indices; see `average`.
        seed: draws the subset.
        chunk: elements folded into one batch.

    Returns:
        A module with the model's interface, that can be saved, moved, compiled and exported.

    Raises:
        SymmetryError: if group, fields, normalizer or grid do not fit together.

    Example:
        >>> velocity, pressure = Field("velocity", order=1), Field("pressure")
        >>> model = symmetrize(model, group="D4", fields=[pressure, velocity])

    """
    if isinstance(group, str):
        group = named_group(group, lowest_dimension(group))
    symmetry = field_symmetry(
        group,
        fields,
        constant_fields=constant_fields,
        normalizer=normalizer,
        constant_normalizer=constant_normalizer,
    )
    return average(model, symmetry, elements=elements, seed=seed, chunk=chunk)

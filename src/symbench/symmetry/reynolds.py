"""The Reynolds operator: the average of a model over a group,

    Q f (x) = 1/|G| sum_g psi(g)^-1 f(phi(g) x).

Q f is exactly equivariant whatever f is (P1), its convex invariant loss is at most the mean loss
of f over the orbit, sample by sample (P2), and under squared error the gain over that orbit mean
is the variance of the predictions over the orbit (P4), which needs no labels.
Source: Elesedy and Zaidi, arXiv 2102.10333; Foit, Hogg and Villar, arXiv 2511.09573.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from symbench.errors import SymmetryError
from symbench.symmetry.groups import Group
from symbench.symmetry.symmetry import Element, Elements, Symmetry, V

All = Literal["all"]


class OrbitMoments(NamedTuple):
    """Mean and variance of the pulled-back predictions over the orbit, both shaped like one."""

    mean: Tensor
    variance: Tensor


def orbit(
    model: Callable[[V], Tensor],
    symmetry: Symmetry[V],
    values: V,
    elements: Elements | None = None,
    chunk: int = 1,
) -> Iterator[tuple[Element, Tensor]]:
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
    chosen = chosen_elements(symmetry.group, elements)
    for start in range(0, len(chosen), chunk):
        part = chosen[start : start + chunk]
        moved = [symmetry.act_on_input(g, values) for g in part]
        outputs = model(moved[0] if len(moved) == 1 else _joined(moved))
        del moved
        for g, output in zip(part, outputs.chunk(len(part)), strict=True):
            yield g, symmetry.act_on_output(symmetry.group.inverse(g), output)


def _joined(moved: Sequence[V]) -> V:
    """Batches of tensors as one batch."""
    if not all(isinstance(each, Tensor) for each in moved):
        raise SymmetryError(
            f"Inputs of type {type(moved[0]).__name__} cannot be folded into one batch: chunk=1."
        )
    return cast(V, torch.cat(cast(list[Tensor], moved)))


def chosen_elements(group: Group, elements: Elements | None = None) -> Elements:
    """Elements of a group, checked; all of them by default."""
    return group.check(group.listed() if elements is None else elements)


class Averaged(nn.Module, Generic[V]):
    """A model averaged over (a part of) a group; same inputs and outputs as the model."""

    def __init__(
        self,
        model: Callable[[V], Tensor],
        symmetry: Symmetry[V],
        elements: Elements | None = None,
        chunk: int = 1,
    ) -> None:
        """Wrap a model; see `average`."""
        super().__init__()
        self.model = model
        self.symmetry = symmetry
        self.elements = chosen_elements(symmetry.group, elements)
        self.chunk = chunk

    def forward(self, values: V) -> Tensor:
        """The mean of the pulled-back predictions, accumulated in at least single precision."""
        (mean,) = self.of_first(values, [len(self.elements)])
        return mean

    def of_first(self, values: V, counts: Sequence[int]) -> Iterator[Tensor]:
        """Yield the means over the first few elements, for ascending numbers of them."""
        total: Tensor | None = None
        outputs = orbit(self.model, self.symmetry, values, self.elements, self.chunk)
        for count, (_, output) in enumerate(outputs, start=1):
            wide = output.to(torch.promote_types(output.dtype, torch.float32))
            total = wide if total is None else total.add_(wide)
            if count in counts:
                yield (total / count).to(output.dtype)

    def moments(self, values: V) -> OrbitMoments:
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
    model: Callable[[V], Tensor],
    symmetry: Symmetry[V],
    *,
    elements: Elements | int | All = "all",
    seed: int = 0,
    chunk: int | None = None,
) -> Averaged[V]:
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
    chosen: Elements | None
    if isinstance(elements, str):
        if elements != "all":
            raise SymmetryError(f"elements='{elements}': give 'all', a number, or elements.")
        chosen = None
    elif isinstance(elements, int):
        chosen = symmetry.group.subset(elements, seed)
    else:
        chosen = elements
    if chunk is not None and chunk < 1:
        raise SymmetryError(f"chunk={chunk}: fold at least one element into a batch.")
    return Averaged(model, symmetry, chosen, chunk or 1)

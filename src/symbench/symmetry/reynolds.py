"""The Reynolds operator: the average of a model over a group,

    Q f (x) = 1/|G| sum_g psi(g)^-1 f(phi(g) x).

Q f is exactly equivariant whatever f is (P1), its convex invariant loss is at most the mean loss
of f over the orbit, sample by sample (P2), and under squared error the gain over that orbit mean
is the variance of the predictions over the orbit (P4), which needs no labels.
Source: Elesedy and Zaidi, arXiv 2102.10333; Foit, Hogg and Villar, arXiv 2511.09573.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, Literal, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from symbench.errors import SymmetryError
from symbench.symmetry.argument_names import argument_names
from symbench.symmetry.chunks import Chunk, Chunks, checked_chunk
from symbench.symmetry.groups import FiniteGroup, Group, checked_seed, whole_number
from symbench.symmetry.symmetry import Element, Elements, Symmetry, V, moved_by_all, moved_in_parts

All = Literal["all"]
# What nn.DataParallel and torch.compile put before the names of weights.
WRAPPERS = ("module.", "_orig_mod.")


class OrbitMoments(NamedTuple):
    """Mean and variance of the pulled-back predictions over the orbit, both shaped like one.

    The variance of complex predictions is real: the mean of |f - mean|².
    """

    mean: Tensor
    variance: Tensor


def orbit(
    model: Callable[[V], Tensor],
    symmetry: Symmetry[V],
    values: V,
    elements: Elements | None = None,
    chunk: Chunk = 1,
) -> Iterator[tuple[Element, Tensor]]:
    """Yield each element with its prediction pulled back, psi(g)^-1 f(phi(g) x).

    Args:
        model: any callable from inputs to a tensor; a module should be in eval mode.
        symmetry: the group and its actions.
        values: one batch of inputs: a tensor of shape (batch, ...), or what the actions take.
        elements: elements of the group, all of them by default.
        chunk: how many elements are folded into the batch of one call of the model, where the
            inputs are tensors. More use more memory; they help where one batch does not fill the
            machine: "auto" takes as many as fill it, and fewer where its memory is too small.

    """
    pairs = _with_inverses(symmetry.group, chosen_elements(symmetry.group, elements))
    yield from _orbit(model, symmetry, values, pairs, chunk)


def _with_inverses(group: Group, elements: Elements) -> list[tuple[Element, Element]]:
    return [(element, group.inverse(element)) for element in elements]


def _orbit(
    model: Callable[[V], Tensor],
    symmetry: Symmetry[V],
    values: V,
    pairs: Sequence[tuple[Element, Element]],
    chunk: Chunk,
) -> Iterator[tuple[Element, Tensor]]:
    """The same for elements with their inverses, which a compiler cannot work out."""
    chunks = Chunks(chunk, values, len(pairs))
    rest = pairs

    def pulled_back(count: int) -> Sequence[Tensor]:
        elements, inverses = [g for g, _ in rest[:count]], [back for _, back in rest[:count]]
        return moved_in_parts(
            symmetry.act_on_output,
            inverses,
            one_tensor(model(moved_by_all(symmetry.act_on_input, elements, values))),
        )

    while rest:
        outputs = chunks.run(pulled_back)
        for (element, _), each in zip(rest, outputs, strict=False):
            yield element, each
        rest = rest[len(outputs) :]


def one_tensor(output: object) -> Tensor:
    """What a model gives, which must be one tensor of floating point or complex numbers."""
    if not isinstance(output, Tensor):
        raise SymmetryError(
            f"The model gives a {type(output).__name__}; only one tensor can be averaged: wrap "
            "the model in one that returns the prediction alone."
        )
    if not (output.is_floating_point() or output.is_complex()):
        raise SymmetryError(f"The model gives {output.dtype}, of which there is no average.")
    return output


def chosen_elements(group: Group, elements: Elements | None = None) -> Elements:
    """Elements of a group, checked; all of them by default."""
    return group.check(group.listed() if elements is None else elements)


class Averaged(nn.Module, Generic[V]):
    """A model averaged over (a part of) a group; same inputs and outputs as the model."""

    def __init__(
        self,
        model: Callable[..., Tensor],
        symmetry: Symmetry[V],
        elements: Elements | None = None,
        chunk: Chunk = 1,
    ) -> None:
        """Wrap a model; see `average`."""
        super().__init__()
        self.model = model
        self.training = isinstance(model, nn.Module) and model.training
        self.symmetry = symmetry
        self.elements = chosen_elements(symmetry.group, elements)
        self.chunk = chunk
        self._pairs = _with_inverses(symmetry.group, self.elements)
        self.register_load_state_dict_pre_hook(take_plain_weights)

    def forward(self, values: V | None = None, /, *arguments: object, **named: object) -> Tensor:
        """The mean of the pulled-back predictions, accumulated in at least single precision.

        Further arguments, such as a time, are passed on to the model as they are. The first may be
        given by the name that the model has for it.

        Raises:
            SymmetryError: if the first argument is not given.

        """
        if values is None:
            values, named = self._by_name(named)
        (mean,) = self.of_first(values, [len(self.elements)], *arguments, **named)
        return mean

    def _by_name(self, named: Mapping[str, object]) -> tuple[V, dict[str, object]]:
        """The first argument of the model, and the others; it may be called `values` as well."""
        first = next(iter(argument_names(self.model)), "values")
        for name in (first, "values"):
            if name in named:
                others = {key: value for key, value in named.items() if key != name}
                return cast(V, named[name]), others
        raise SymmetryError(
            f"The averaged model is given {', '.join(named) or 'nothing'}: give what is moved "
            f"first, or as {first}=."
        )

    def of_first(
        self, values: V, counts: Sequence[int], /, *arguments: object, **named: object
    ) -> Iterator[Tensor]:
        """Yield the means over the first few elements, for ascending numbers of them."""
        total: Tensor | None = None
        for count, output in enumerate(self._outputs(values, arguments, named), start=1):
            total = added(total, output)
            if count in counts:
                yield (total / count).to(output.dtype)

    def _outputs(
        self, values: V, arguments: Sequence[object] = (), named: Mapping[str, object] | None = None
    ) -> Iterator[Tensor]:
        """The predictions over the orbit."""
        model, named = self.model, named or {}
        chunk: Chunk = 1 if self.chunk == "auto" and (arguments or named) else self.chunk
        if (arguments or named) and chunk != 1:
            raise SymmetryError(
                f"chunk={self.chunk}: further arguments of the model cannot be folded into one "
                "batch: chunk=1."
            )

        def passing_on(moved: V) -> Tensor:
            return model(moved, *arguments, **named)

        for _, output in _orbit(passing_on, self.symmetry, values, self._pairs, chunk):
            yield output

    def extra_repr(self) -> str:
        """The group and what is averaged over."""
        return f"group={self.symmetry.group}, elements={len(self.elements)}, chunk={self.chunk}"

    def moments(
        self, values: V | None = None, /, *arguments: object, **named: object
    ) -> OrbitMoments:
        """Mean and variance over the orbit at the price of the mean (Welford's update).

        Arguments are those of the model; see `forward`.
        """
        if values is None:
            values, named = self._by_name(named)
        mean = squares = torch.zeros(())
        for count, output in enumerate(self._outputs(values, arguments, named), start=1):
            wide = added(None, output)
            if count == 1:
                mean, squares = wide, torch.zeros_like(wide.real)
            else:
                delta = wide - mean
                mean = mean + delta / count
                squares = squares + (delta * (wide - mean).conj()).real
        return OrbitMoments(mean, squares / len(self.elements))


def added(total: Tensor | None, output: Tensor) -> Tensor:
    """The sum, in at least single precision and in the memory of the total; None is zero."""
    if total is not None:
        return total.add_(output)
    # A copy, because the model may keep what it gave, for its next call or for gradients.
    return output.to(torch.promote_types(output.dtype, torch.float32), copy=True)


def take_plain_weights(
    module: nn.Module, weights: dict[str, Tensor], prefix: str, *_: object
) -> None:
    """Let a state dict of the wrapped model be loaded as if it were one of the wrapper.

    One that was saved under data parallelism or compiled has a prefix of its own.
    """
    plain = module.model.state_dict() if isinstance(module.model, nn.Module) else {}
    if plain and not any(f"{prefix}model.{key}" in weights for key in plain):
        saved = [w for w in WRAPPERS if any(f"{prefix}{w}{key}" in weights for key in plain)]
        start = prefix + (saved[0] if saved else "")
        for key in [key for key in weights if key.startswith(start)]:
            weights[f"{prefix}model.{key.removeprefix(start)}"] = weights.pop(key)


def average(
    model: Callable[..., Tensor],
    symmetry: Symmetry[V],
    *,
    elements: Elements | int | All = "all",
    seed: int = 0,
    chunk: Chunk | None = None,
) -> Averaged[V]:
    """Average any callable model over a group.

    Args:
        model: the model, unchanged and unaware.
        symmetry: the group and its actions on the model's inputs and outputs.
        elements: "all" (exactly equivariant); the elements of a subgroup (exact for it; other
            lists are warned of); or a number n: the identity and n - 1 random elements. From a
            `FiniteGroup` they are drawn without replacement, which gives the share
            1 - (|G| - n) / (n (|G| - 1)) of the gain on average (P5); from other groups
            independently, which gives 1 - 1/n; where labels can be exchanged, all exchanges with
            each of some rotations.
        seed: draws the subset.
        chunk: elements folded into one batch; 1 by default, the least memory. "auto" takes as many
            as fill the device, and fewer where its memory is too small.

    Raises:
        SymmetryError: if the symmetry is none, or elements or chunk do not fit the group.

    """
    if not callable(model) or isinstance(model, type):
        raise SymmetryError(f"The model is {model!r}: give a module or a function, not a class.")
    if not isinstance(symmetry, Symmetry):
        raise SymmetryError(
            f"symmetry={symmetry!r} is no Symmetry: symmetrize averages models of fields over a "
            "group by its name, and symmetrize_points those of points."
        )
    chosen: Elements | None
    if isinstance(elements, str) and elements == "all":
        chosen = None
    elif isinstance(elements, int | str) or np.ndim(elements) == 0:
        if (number := whole_number(elements)) is None:
            raise SymmetryError(f"elements={elements!r}: give 'all', a number, or elements.")
        chosen = symmetry.group.subset(number, checked_seed(seed))
    else:
        chosen = chosen_elements(symmetry.group, elements)
        warn_unless_subgroup(symmetry.group, chosen)
    return Averaged(model, symmetry, chosen, 1 if chunk is None else checked_chunk(chunk))


def warn_unless_subgroup(group: Group, elements: Elements) -> None:
    """Warn of a list of elements of a finite group that is no subgroup."""
    if isinstance(group, FiniteGroup) and not group.is_subgroup(elements):
        warnings.warn(
            f"The {len(elements)} chosen elements are no subgroup of {group}: the average over "
            "them is not equivariant.",
            stacklevel=3,
        )


def warn_of_training(model: object) -> None:
    """Warn of a model in train mode, or a part of one; nothing while a compiler looks on."""
    if torch.compiler.is_compiling() or not isinstance(model, nn.Module):
        return
    if any(part.training for part in model.modules()):
        warnings.warn(
            "The model, or a part of it, is in train mode, where dropout and batch statistics "
            "break the symmetry: call eval() before you predict with it.",
            stacklevel=3,
        )

"""Symmetries of maps between fields on a grid, and the public `symmetrize`."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from symbench.errors import SymmetryError, nearest
from symbench.symmetry.chunks import Chunk
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import FieldAction, InputAction, Normalizer
from symbench.symmetry.grids.isometries import (
    BOUNDARIES,
    GridGroup,
    check_grid,
    lowest_dimension,
    named_group,
    own_group,
)
from symbench.symmetry.groups import FiniteGroup
from symbench.symmetry.reynolds import All, Averaged, average, warn_of_training
from symbench.symmetry.symmetry import Elements, Symmetry


def field_symmetry(
    group: GridGroup,
    fields: Sequence[Field],
    *,
    constant_fields: Sequence[Field] = (),
    output_fields: Sequence[Field] | None = None,
    normalizer: Normalizer | None = None,
    constant_normalizer: Normalizer | None = None,
    output_normalizer: Normalizer | None = None,
    exact: bool = True,
) -> Symmetry[Tensor]:
    """The symmetry of a map from frames (and constant fields) to the next frame.

    Args:
        group: a group of grid isometries.
        fields: the fields of one frame, in channel order.
        constant_fields: fields that do not change in time, after the frames in the input.
        output_fields: the fields that the map gives, those of a frame by default; none of them if
            it gives numbers that no element changes, such as an energy.
        normalizer: of one frame; None for physical units.
        constant_normalizer: of the constant fields; vectors, tensors and axial fields among them
            need it where there is a normalizer.
        output_normalizer: of the output; that of a frame by default.
        exact: see `Symmetry`.

    Raises:
        SymmetryError: if fields and normalizers do not fit together, or something is no `Field`.

    """
    fields, constant_fields = _fields(fields), _fields(constant_fields)
    frames = FieldAction(group, fields, normalizer)
    constants = FieldAction(group, constant_fields, constant_normalizer)
    on_input = InputAction(frames, constants) if constant_fields else frames
    changing = [field.name for field in constant_fields if field.order or field.parity < 0]
    if normalizer and changing and not constant_normalizer and turns(group):
        raise SymmetryError(
            f"The constant field '{changing[0]}' with a normalizer needs a constant_normalizer: "
            "zeros and ones if it is in physical units."
        )
    if output_fields is None:
        on_output = FieldAction(group, fields, output_normalizer or normalizer)
    elif normalizer and output_fields and not output_normalizer:
        raise SymmetryError(
            "output_fields with a normalizer need an output_normalizer: zeros and ones if the "
            "output is in physical units."
        )
    else:
        on_output = FieldAction(group, _fields(output_fields), output_normalizer)
    return Symmetry(group, on_input, on_output if on_output.fields else _unmoved, exact)


def turns(group: GridGroup) -> bool:
    """Whether some element of a group changes directions, which shifts do not."""
    same = tuple(range(group.elements[0].dimension))
    return any(any(each.flips) or each.permutation != same for each in group.elements)


def _unmoved(element: int | Tensor, values: Tensor) -> Tensor:
    return values


def _fields(fields: Sequence[Field]) -> tuple[Field, ...]:
    given = tuple(fields) if isinstance(fields, Sequence) else (fields,)
    for field in given:
        if not isinstance(field, Field):
            raise SymmetryError(
                f"The fields hold {field!r}, which is no Field: write Field('name') for a scalar, "
                "and Field('name', order=1) for all components of a vector."
            )
    return given


# Fields whose usual meaning is axial.
_AXIAL = ("vorticity", "magnetic_field", "helicity")


def _warn_of_names(group: GridGroup, fields: Sequence[Field]) -> None:
    """Warn of scalars that are called like components, and of true fields called like axial ones.

    Where they are what they are called, their averages are wrong, and often zero.
    """
    names = [field.name for field in fields if not field.order]
    parts = [name for name in names if name[-2:] in ("_x", "_y", "_z")]
    stems = Counter(part[:-2] for part in parts)
    alike = [part for part in parts if stems[part[:-2]] > 1]
    alike += ["u", "v"] if {"u", "v"} <= set(names) else []
    if alike and turns(group):
        warnings.warn(
            f"The fields hold the scalars {', '.join(map(repr, alike))}, which {group.name} does "
            "not turn: if they are components, write Field('name', order=1) for all of them.",
            stacklevel=3,
        )
    axial = [field.name for field in fields if field.name.lower() in _AXIAL and field.parity > 0]
    if axial and any(element.determinant < 0 for element in group.elements):
        warnings.warn(
            f"Field '{axial[0]}' has parity +1, and fields of this name change sign in a mirror "
            "where others do not: write parity=-1.",
            stacklevel=3,
        )


class Symmetrized(Averaged[Tensor]):
    """A model of fields averaged over a group of isometries; see `symmetrize`."""

    def _outputs(
        self,
        values: Tensor,
        arguments: Sequence[object] = (),
        named: Mapping[str, object] | None = None,
    ) -> Iterator[Tensor]:
        """The predictions over the orbit, after a check of the inputs."""
        warn_of_training(self.model)
        if not isinstance(values, Tensor):
            raise SymmetryError(f"The input is a {type(values).__name__}: give one tensor.")
        samples, space = values.shape[0], values.shape[2:]
        self._warn_of_single_cells(space)
        for argument in tree_leaves((arguments, named or {})):
            if not isinstance(argument, Tensor):
                continue
            if _on_grid(argument.shape, samples, space):
                raise SymmetryError(
                    f"An argument of shape {tuple(argument.shape)} seems to be a field on the "
                    "grid, which has to be moved: append it to the channels, as constant_fields."
                )
            self._warn_of_vector(argument, samples)
        return super()._outputs(values, arguments, named)

    def _warn_of_single_cells(self, space: Sequence[int]) -> None:
        """Warn of an axis of one cell that the group moves: it may be one of channels."""
        elements = cast(GridGroup, self.symmetry.group).elements
        if torch.compiler.is_compiling() or 1 not in space or len(space) != elements[0].dimension:
            return
        for axis, cells in enumerate(space):
            if cells == 1 and any(e.flips[axis] or e.permutation[axis] != axis for e in elements):
                warnings.warn(
                    f"Axis {'xyz'[axis]} of the grid has one cell and is moved by "
                    f"{self.symmetry.group}: is the input of shape (batch, channel, *space)?",
                    stacklevel=3,
                )

    def _warn_of_vector(self, argument: Tensor, samples: int) -> None:
        """Warn of an argument that may be a vector, which the group would turn."""
        group = cast(GridGroup, self.symmetry.group)
        axes = group.elements[0].dimension
        if torch.compiler.is_compiling() or axes == 1 or argument.shape[-1:] != (axes,):
            return
        # Numbers of samples are no axes of space.
        numbers = argument.shape == (samples,)
        if argument.is_floating_point() and not numbers and turns(group):
            warnings.warn(
                f"An argument of shape {tuple(argument.shape)} is passed on as it is: if it is a "
                "vector, it has to be turned: append it to the channels, as constant_fields.",
                stacklevel=3,
            )


def _on_grid(shape: Sequence[int], samples: int, space: Sequence[int]) -> bool:
    """Whether an array has the cells of a grid as axes, the first of which is not of samples."""
    first = 1 if shape[:1] == (samples,) else 0
    starts = range(first, len(shape) - len(space) + 1)
    return bool(space) and any(shape[start : start + len(space)] == space for start in starts)


def symmetrize(
    model: Callable[..., Tensor],
    group: str | GridGroup | Sequence[object],
    fields: Sequence[Field],
    *,
    constant_fields: Sequence[Field] = (),
    output_fields: Sequence[Field] | None = None,
    normalizer: Normalizer | None = None,
    constant_normalizer: Normalizer | None = None,
    output_normalizer: Normalizer | None = None,
    boundary: str | Sequence[str] | None = None,
    extent: Sequence[float] | None = None,
    dimension: int | None = None,
    elements: Elements | int | str = "all",
    seed: int = 0,
    chunk: Chunk | None = None,
) -> Averaged[Tensor]:
    """Make a trained PDE surrogate exactly equivariant by averaging it over a group.

    For points, graphs and molecules see `symmetrize_points`.

    Args:
        model: maps (batch, steps·channels + constant channels, *space) to (batch, channels,
            *space), such as any model of The Well's benchmark; put it in eval mode. Further
            arguments that no element changes, such as a time, are passed on to it.
        group: a name such as "D4" or "O_h" (see `isometries.named_group`), `package.module:Name`,
            a group, or signed permutation matrices that generate one.
        fields: the fields of a frame, in channel order.
        constant_fields: fields appended to the frames that do not change in time.
        output_fields: what the model gives, if it is not the next frame; see `field_symmetry`.
        normalizer: the affine map of the channels if the model works on normalised values; the
            symmetrised model then takes and gives normalised values too.
        constant_normalizer: the same for the constant fields; see `field_symmetry`.
        output_normalizer: the same for the output, if it is another than that of the frames, as
            for increments.
        boundary: kind of boundary of each axis, or of all: PERIODIC, WALL, OPEN, or such as
            "WALL|OPEN" where two sides differ. Not checked if it is not given.
        extent: physical length of each axis; not checked if it is not given.
        dimension: number of spatial axes, for names of groups; by default that of boundary or
            extent, or else the plane if the name exists there.
        elements: all, a number of random ones, indices, or the name of a subgroup; see `average`.
        seed: draws the subset.
        chunk: elements folded into one batch; see `average`.

    Returns:
        A module with the model's interface, that can be saved, moved, compiled and exported.

    Raises:
        SymmetryError: if group, fields, normalizer, box or grid do not fit together.

    Example:
        >>> velocity, pressure = Field("velocity", order=1), Field("pressure")
        >>> model = symmetrize(model, group="D4", fields=[pressure, velocity])

    """
    if isinstance(fields, Mapping):
        raise SymmetryError(
            f"fields={fields!r} are roles of points: symmetrize_points averages models of points, "
            "graphs and molecules."
        )
    try:
        sides = boundary if isinstance(boundary, str) or boundary is None else list(boundary)
        lengths = None if extent is None else [float(length) for length in extent]
    except (TypeError, ValueError):
        raise SymmetryError(
            f"boundary={boundary!r}, extent={extent!r}: give one of each for each axis."
        ) from None
    boxes = [len(box) for box in (lengths, sides) if isinstance(box, list)]
    if dimension is None:
        dimension = next(iter(boxes), None)
    if isinstance(group, str):
        chosen = named_group(group, lowest_dimension(group) if dimension is None else dimension)
    else:
        name = group.name if isinstance(group, FiniteGroup) else "own group"
        chosen = own_group(group, name, dimension)
    axes = chosen.elements[0].dimension
    sides = [sides] * axes if isinstance(sides, str) else sides or []
    check_grid(chosen, extent=lengths, boundary=[_kinds(str(side)) for side in sides] or None)
    symmetry = field_symmetry(
        chosen,
        fields,
        constant_fields=constant_fields,
        output_fields=output_fields,
        normalizer=normalizer,
        constant_normalizer=constant_normalizer,
        output_normalizer=output_normalizer,
    )
    for given in (fields, constant_fields, output_fields or ()):
        _warn_of_names(chosen, _fields(given))
    part: Elements | int | All = "all"
    if not isinstance(elements, str):
        part = elements
    elif elements != "all":
        part = [chosen.index(element) for element in named_group(elements, axes).elements]
    warn_of_training(model)
    averaged = average(model, symmetry, elements=part, seed=seed, chunk=chunk)
    return Symmetrized(model, symmetry, averaged.elements, averaged.chunk)


def _kinds(side: str) -> str:
    """Kinds of boundary of an axis in capitals; raises `SymmetryError` if one is unknown."""
    kinds = side.upper().split("|")
    for kind in kinds:
        if kind not in BOUNDARIES:
            raise SymmetryError(
                f"Unknown boundary '{side}'; allowed: {', '.join(BOUNDARIES)}, or two of them such "
                f"as 'WALL|OPEN' for the low and the high side."
                f"{nearest(kind, BOUNDARIES)}"
            )
    return "|".join(kinds)

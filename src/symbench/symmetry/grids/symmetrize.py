"""Symmetries of maps between fields on a grid, and the public `symmetrize`."""

from collections.abc import Sequence

from torch import Tensor, nn

from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import FieldAction, InputAction, Normalizer
from symbench.symmetry.grids.isometries import GridGroup, lowest_dimension, named_group
from symbench.symmetry.reynolds import All, average
from symbench.symmetry.symmetry import Elements, Symmetry


def field_symmetry(
    group: GridGroup,
    fields: Sequence[Field],
    *,
    constant_fields: Sequence[Field] = (),
    normalizer: Normalizer | None = None,
    constant_normalizer: Normalizer | None = None,
    exact: bool = True,
) -> Symmetry[Tensor]:
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


def symmetrize(
    model: nn.Module,
    group: str | GridGroup,
    fields: Sequence[Field],
    *,
    constant_fields: Sequence[Field] = (),
    normalizer: Normalizer | None = None,
    constant_normalizer: Normalizer | None = None,
    elements: Elements | int | All = "all",
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

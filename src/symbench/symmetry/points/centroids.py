"""Positions about the centroids of their samples."""

from collections.abc import Mapping

import torch
from torch import Tensor

from symbench.errors import SymmetryError
from symbench.symmetry.points.roles import Nodes, Role


class Centroids:
    """The centroids of samples, from which positions are taken, and to which they are given back.

    They are those of the first input that is a position.

    Attributes:
        of_all: how many nodes lie one after the other and are taken for one sample; 0 elsewhere.

    """

    def __init__(
        self, roles: Mapping[str, Role], tensors: Mapping[str, Tensor], nodes: Nodes | None
    ) -> None:
        """Find the centroids.

        Args:
            roles: roles by name.
            tensors: inputs by name.
            nodes: what is known of the nodes.

        Raises:
            SymmetryError: if no input is a position of nodes, or its samples are of others.

        """
        names = [name for name in tensors if roles[name].kind == "position"]
        if not names:
            raise SymmetryError("centred=True needs an input with the role 'position'.")
        positions, role = tensors[names[0]], roles[names[0]]
        self.samples = nodes.samples if nodes else None
        if isinstance(role.nodes, tuple):
            raise SymmetryError(
                f"centred=True takes the centroid of '{names[0]}' along one axis of nodes, and its "
                f"role has nodes={role.nodes}."
            )
        self.axis = -2 if role.nodes is None else role.nodes
        if positions.ndim < 2:
            raise SymmetryError(
                f"'{names[0]}' of shape {tuple(positions.shape)} has no axis of nodes, whose "
                "centroid centred=True takes."
            )
        if self.samples is not None and self.axis % positions.ndim and role.nodes is not None:
            raise SymmetryError(
                f"Nodes of '{names[0]}' lie along axis {role.nodes}, and those whose samples are "
                "said along the first."
            )
        if self.samples is not None and len(self.samples) != len(positions):
            raise SymmetryError(
                f"'{names[0]}' has {len(positions)} nodes, and samples are said of "
                f"{len(self.samples)}."
            )
        one_sample = self.samples is None and positions.ndim == 2
        self.of_all = len(positions) if one_sample else 0
        if self.samples is None:
            self.centres = positions.mean(dim=self.axis, keepdim=True)
        else:
            sizes = self.samples.bincount()
            # Sums in half precision would overflow, or stand still.
            wide = positions.to(torch.promote_types(positions.dtype, torch.float32))
            sums = wide.new_zeros(len(sizes), *positions.shape[1:])
            sums = sums.index_add(0, self.samples, wide)
            means = sums / sizes.clamp(min=1).reshape(-1, *[1] * (positions.ndim - 1))
            self.centres = means.to(positions)

    def left(self, values: Tensor) -> Tensor:
        """Positions about the centroids."""
        return values - self._of(values)

    def rejoined(self, values: Tensor) -> Tensor:
        """The positions in space again."""
        return values + self._of(values)

    def _of(self, values: Tensor) -> Tensor:
        """The centroid of each position."""
        centres = self.centres
        if self.samples is not None:
            if len(values) == len(self.samples):
                centres = centres[self.samples]
        elif values.ndim == centres.ndim - 1:
            centres = centres.squeeze(self.axis)
        if centres.ndim != values.ndim or any(
            own not in (1, other) for own, other in zip(centres.shape, values.shape, strict=True)
        ):
            raise SymmetryError(
                f"Positions of shape {tuple(values.shape)} do not fit centroids of shape "
                f"{tuple(centres.shape)}: centred=True needs positions of one kind."
            )
        return centres

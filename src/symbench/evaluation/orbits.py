"""Probes of the average: what each element predicts, and how the predictions differ.

The probe of orbits keeps, for each sample and quantity, the Gram matrix of the errors over the
group,

    gram[g, h] = mean over components of (p_g - y)(p_h - y),   p_g = psi(g)^-1 f(phi(g) x),

from which the squared error of the average over any subset S follows: the mean of gram over S x S.
"""

from collections.abc import Iterator, Sequence
from typing import Generic

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from symbench.data.batch import V
from symbench.evaluation.probes import Scorer, Step, append, joined
from symbench.symmetry.groups import FiniteGroup
from symbench.symmetry.reynolds import added
from symbench.symmetry.symmetry import Symmetry

# Groups with more elements have too many subgroups to list.
MOST_ELEMENTS_OF_LATTICE = 48
# Numbers of predictions of all elements that are compared at once, 64 MiB in double precision.
_MOST_AT_ONCE = 2**23


class Orbits(Generic[V]):
    """Errors by element of the group, their Gram matrix, and the variance over the orbit (P4)."""

    def __init__(
        self, scorer: Scorer[V], symmetry: Symmetry[V], elements: Sequence[int] | Tensor
    ) -> None:
        """Look at the predictions of some elements, of which the first is the identity."""
        self.scorer = scorer
        self.split = scorer.split
        self.group = symmetry.group
        self.elements = elements
        self.found: dict[str, list[Tensor]] = {}
        self.scores: dict[str, list[Tensor]] = {}

    def see(self, step: Step[V]) -> None:
        """Compare the predictions of all elements with the targets and with their mean."""
        sums = {quantity: _Sums() for quantity in self.split.quantities}
        compared = (step.batch.targets, *step.orbit)
        most = _MOST_AT_ONCE // len(compared)
        parts = [self.split.values_in_parts(each, step.batch, most) for each in compared]
        for targets, *predictions in zip(*parts, strict=True):
            for quantity, of_quantity in sums.items():
                of_quantity.add([each[quantity] for each in predictions], targets[quantity])
        found: dict[str, list[Tensor]] = {}
        for of_quantity in sums.values():
            append(found, of_quantity.means())
        if variances := self.split.variance_of_targets(step.batch):
            found["variance"] = [variances[quantity] for quantity in self.split.quantities]
        append(self.found, {name: torch.stack(parts, dim=1) for name, parts in found.items()})
        scored = [self.scorer(output, step.batch)[0] for output in step.orbit]
        by_element = {
            name: torch.stack([scores[name] for scores in scored], dim=1) for name in scored[0]
        }
        append(self.scores, by_element)

    def dataset(self) -> xr.Dataset:
        """Error Gram matrices, orbit variances and distances, and scores by element."""
        dataset = xr.Dataset()
        square = {"units": "square of the unit of the channel"}
        for name, parts in self.found.items():
            values = joined(parts)
            # Variances, of targets, are NaN where there is none.
            if name != "variance":
                values = np.nan_to_num(values, nan=np.inf, posinf=np.inf)
            of_gram = ("sample", "channel", "element", "element_b")
            dataset[name] = (of_gram[: values.ndim], values, square)
        for name, parts in self.scores.items():
            values = joined(parts)
            units = {"units": self.scorer.registry[name].unit}
            dimensions = ("sample", "element", "channel")[: values.ndim]
            dataset[f"element_{name}"] = (dimensions, values, units)
        if isinstance(self.group, FiniteGroup) and self._whole:
            chosen = [[e in members for e in self.elements] for members in self.group.subgroups]
            dataset["subgroup_members"] = (("subgroup", "element"), np.array(chosen, np.int8))
        names = self._names()
        return dataset.assign_coords(element=names, element_b=names)

    @property
    def _whole(self) -> bool:
        count = len(self.elements)
        return count == self.group.order and count <= MOST_ELEMENTS_OF_LATTICE

    def _names(self) -> list[str]:
        if isinstance(self.group, FiniteGroup):
            return [str(self.group.elements[int(element)]) for element in self.elements]
        kind = "element" if len(self.elements) == self.group.order else "random"
        return ["identity", *(f"{kind} {n}" for n in range(1, len(self.elements)))]


class _Sums:
    """Sums over the components of one quantity, which come in parts.

    In double precision: a network that is nearly equivariant differs by less than the round-off
    of what it predicts.
    """

    def __init__(self) -> None:
        self.components = 0
        self.sums: dict[str, Tensor] = {}

    def add(self, predictions: Sequence[Tensor], targets: Tensor) -> None:
        """Add components of the predictions of all elements, and of the targets."""
        stacked = torch.stack([*predictions], dim=1).double()
        # In place, because a copy would be as large as all predictions of the part.
        errors = stacked.sub_(targets.double()[:, None])
        gram = torch.einsum("ngx,nhx->ngh", errors, errors)
        spread = errors.sub_(errors.mean(dim=1, keepdim=True))
        parts = {
            "error_gram": gram,
            "orbit_variance": spread.square().sum(dim=(1, 2)) / len(predictions),
            "orbit_distance": spread[:, 0].square().sum(dim=1),
        }
        self.components += targets.shape[1]
        for name, part in parts.items():
            self.sums[name] = self.sums[name] + part if name in self.sums else part

    def means(self) -> dict[str, Tensor]:
        """Means over all components, by name."""
        return {name: total / self.components for name, total in self.sums.items()}


class PartialAverages(Generic[V]):
    """Scores of the averages over the first 1, 2, 4, ... and all elements."""

    def __init__(self, scorer: Scorer[V], elements: int) -> None:
        """Average over so many elements at most."""
        self.scorer = scorer
        self.counts = sorted({elements, *(2**k for k in range(elements.bit_length()))})
        self.found: dict[str, list[Tensor]] = {}

    def see(self, step: Step[V]) -> None:
        """Score each partial average."""
        averages = means_of_first(step.orbit, self.counts)
        scored = [self.scorer(output, step.batch)[0] for output in averages]
        append(
            self.found,
            {name: torch.stack([scores[name] for scores in scored], dim=1) for name in scored[0]},
        )

    def dataset(self) -> xr.Dataset:
        """Each score with dimensions (elements, sample) or (elements, sample, channel)."""
        dataset = xr.Dataset(coords={"elements": self.counts})
        for name, parts in self.found.items():
            values = joined(parts).swapaxes(0, 1)
            dimensions = ("elements", "sample", "channel")[: values.ndim]
            units = {"units": self.scorer.registry[name].unit}
            dataset[f"{name}_by_elements"] = (dimensions, values, units)
        return dataset


def means_of_first(outputs: Sequence[Tensor], counts: Sequence[int]) -> Iterator[Tensor]:
    """Yield the means of the first few outputs, for ascending numbers of them.

    As `Averaged` makes them: in single precision, where the outputs have no more.
    """
    total: Tensor | None = None
    for count, output in enumerate(outputs, start=1):
        total = added(total, output)
        if count in counts:
            yield (total / count).to(output.dtype)

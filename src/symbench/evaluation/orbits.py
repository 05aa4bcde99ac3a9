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
from symbench.symmetry.symmetry import Symmetry

# Groups with more elements have too many subgroups to list.
MOST_ELEMENTS_OF_LATTICE = 48


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
        values = [self.split.values_of(output, step.batch) for output in step.orbit]
        targets = self.split.values_of(step.batch.targets, step.batch)
        found: dict[str, list[Tensor]] = {}
        for quantity in self.split.quantities:
            predictions = torch.stack([each[quantity] for each in values], dim=1).double()
            # In place, because a copy would be as large as all predictions of the batch.
            errors = predictions.sub_(targets[quantity].double()[:, None])
            gram = torch.einsum("ngx,nhx->ngh", errors, errors) / errors.shape[-1]
            spread = errors.sub_(errors.mean(dim=1, keepdim=True))
            of_quantity = {
                "error_gram": gram,
                "orbit_variance": spread.square().mean(dim=(1, 2)),
                "orbit_distance": spread[:, 0].square().mean(dim=1),
            }
            append(found, of_quantity)
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
    """Yield the means of the first few outputs, for ascending numbers of them."""
    total = torch.zeros_like(outputs[0], dtype=torch.float64)
    for count, output in enumerate(outputs, start=1):
        total += output
        if count in counts:
            yield (total / count).to(output.dtype)

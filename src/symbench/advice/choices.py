"""Sets of elements to average over, with the change of the squared error that each brings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from symbench.advice.angles import angles_of
from symbench.config.schema import Population
from symbench.evaluation.orbits import MOST_ELEMENTS_OF_LATTICE
from symbench.evaluation.violation import names_of_subgroups
from symbench.statistics import COVERAGE, Array, Estimate, mean, ratio, relative_change
from symbench.symmetry.audit import ElementAudit, Verdict
from symbench.symmetry.grids.isometry import GridIsometry
from symbench.symmetry.groups import FiniteGroup, Group

POPULATION: Population = "this network"
# So many elements of a set without a name are listed.
_LISTED = 4


@dataclass(frozen=True)
class Choice:
    """A set of elements to average over.

    Attributes:
        name: of the subgroup, or its elements.
        named: whether `symmetrize` knows that name.
        members: indices of the elements.
        audit: the worst that the audit says of its elements.
        predicted: relative change of the squared error that the orbit variance foretells.
        measured: the one that labels tell.
        excess: how much the error of the model on moved data exceeds that on the data, relative;
            zero where the law of the data is invariant.
        seconds: for one sample.

    """

    name: str
    named: bool
    members: tuple[int, ...]
    audit: Literal["holds", "undecided", "broken"]
    predicted: Estimate
    measured: Estimate
    excess: Estimate
    seconds: float

    def told(self, coverage: float = COVERAGE) -> str:
        """The measured change with its interval."""
        low, high = self.measured.interval(POPULATION, coverage)
        return f"{self.measured.value:+.1%} [{low:+.1%}, {high:+.1%}]"

    def row(self) -> dict[str, object]:
        """A row of the table of choices."""
        low, high = self.measured.interval(POPULATION)
        return {
            "name": self.name,
            "elements": len(self.members),
            "audit": self.audit,
            "predicted": self.predicted.value,
            "measured": self.measured.value,
            "low": low,
            "high": high,
            "seconds": self.seconds,
        }


class OrbitErrors:
    """Gram matrices of the errors over the orbit, by block of samples; see `evaluation.orbits`."""

    def __init__(self, averaged: xr.Dataset, group: Group, audits: Sequence[ElementAudit]) -> None:
        """Take them from the evaluation of the average, and what the audit says.

        Audits are one for each element, where the group is finite; else they are of elements that
        stand for all. Squared errors of quantities with units are measured by the scale of each;
        quantities that are constant are left out.
        """
        self.group = group
        self.names = [str(name) for name in averaged.element.values]
        self.audits = tuple(audits)
        self.by_element = [audit.element for audit in audits] == self.names
        gram = (averaged.error_gram / averaged.scale).mean("channel")
        by_sample = gram.transpose("sample", "element", "element_b").values
        number = np.unique(averaged.block.values, return_inverse=True)[1]
        self.sizes = np.bincount(number)
        self.grams = np.stack([by_sample[number == n].mean(axis=0) for n in range(len(self.sizes))])

    @property
    def blocks(self) -> int:
        """Independent blocks of samples."""
        return len(self.grams)

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.names)

    @property
    def plain(self) -> float:
        """Mean squared error of the model."""
        return self._mean(self.grams[:, 0, 0]).value

    @property
    def broken(self) -> int:
        """How many elements the audit found broken."""
        return sum(audit.verdict == Verdict.BROKEN for audit in self.audits)

    def elements(self) -> pd.DataFrame:
        """The table of elements; see `Advice`."""
        gram = np.average(self.grams, axis=0, weights=self.sizes)
        diagonal = np.diag(gram)
        plain = diagonal[0] or np.nan
        own = self.audits if self.by_element else ()
        angles = angles_of(self.group)
        apart = np.maximum(diagonal + diagonal[0] - gram[0] - gram[:, 0], 0)
        return pd.DataFrame(
            {
                "element": self.names,
                "angle": angles if len(angles) == self.order else np.nan,
                "audit": [a.verdict.value for a in own] or self._audit(range(self.order)),
                "p_value": [a.p_value for a in own] or np.nan,
                "violation": np.sqrt(apart / plain),
                "change": diagonal / plain - 1,
            }
        )

    def choices(self, seconds: float) -> list[Choice]:
        """Subgroups of a finite group, or the first 2, 4, ... elements of others.

        Args:
            seconds: of one sample averaged over all elements.

        """
        named: Mapping[frozenset[int], str] = {}
        group, whole = self.group, tuple(range(self.order))
        parts = [tuple(range(2**k)) for k in range(self.order.bit_length())] + [whole]
        if isinstance(group, FiniteGroup) and group.order == self.order:
            if isinstance(group.elements[0], GridIsometry):
                named = names_of_subgroups(group)
            few = self.order <= MOST_ELEMENTS_OF_LATTICE
            known = group.subgroups if few else sorted([*named, frozenset(whole)], key=len)
            parts = [tuple(sorted(members)) for members in known]
        return [
            self._choice(part, named.get(frozenset(part)), seconds * len(part) / self.order)
            for part in dict.fromkeys(parts)
            if len(part) > 1
        ]

    def _choice(self, part: tuple[int, ...], name: str | None, seconds: float) -> Choice:
        grams = self.grams[:, part][:, :, part]
        averaged = grams.mean(axis=(1, 2))
        orbit_mean = np.einsum("bgg->bg", grams).mean(axis=1)
        plain = self._mean(self.grams[:, 0, 0])
        shown = [f"({self.names[index]})" for index in part[:_LISTED]]
        return Choice(
            name or ", ".join([*shown, "..."] if len(part) > _LISTED else shown),
            name is not None,
            part,
            self._audit(part),
            ratio(self._mean(averaged - orbit_mean), plain),
            relative_change(self._mean(averaged), plain),
            relative_change(self._mean(orbit_mean), plain),
            seconds,
        )

    def _mean(self, values: Array) -> Estimate:
        """Mean over samples of what each block has, shape (block,)."""
        return mean(values[None], [0], sizes=self.sizes)

    def _audit(self, part: Sequence[int]) -> Literal["holds", "undecided", "broken"]:
        of_part = [self.audits[index] for index in part] if self.by_element else self.audits
        verdicts = {audit.verdict for audit in of_part}
        if Verdict.BROKEN in verdicts:
            return "broken"
        return "undecided" if Verdict.UNDECIDED in verdicts or not verdicts else "holds"

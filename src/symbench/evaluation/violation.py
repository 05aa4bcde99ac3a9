"""How far networks are from equivariant: with intervals, and by irreps of a finite group."""

from collections.abc import Mapping
from functools import cache

import numpy as np

from symbench.config.schema import Selection
from symbench.data.fields.check_data import POINT_GROUPS
from symbench.evaluation.results import RunGroup, grid_group
from symbench.statistics import Blocks, Estimate, certain
from symbench.symmetry.grids.isometries import GridGroup, named_group
from symbench.symmetry.irreps import Irrep, irreps, parts

# Groups with more elements have too many irreps to list.
MOST_ELEMENTS = 48


def violation(group: RunGroup, evaluation: str) -> Estimate | None:
    """The equivariance error of networks as an evaluation uses them; None if it was not measured.

    An average over a whole finite group violates nothing (P1).
    """
    chosen = {"evaluation": evaluation, "metric": "equivariance_error"}
    found = group.estimate(Selection.model_validate(chosen))
    if found is None and evaluation == "average" and whole_group(group) is not None:
        return certain(0.0, len(group.seeds), 0)
    return found


def whole_group(group: RunGroup) -> GridGroup | None:
    """The finite group of isometries, all elements of which were averaged over; None of others."""
    if "average" not in group.evaluations or "element" not in group.open("average").coords:
        return None
    names = [str(name) for name in group.open("average").element.values]
    found = grid_group(group.runs[0].task.settings.group, names[0])
    return found if found and names == [str(each) for each in found.elements] else None


def errors_by_irrep(group: RunGroup) -> list[tuple[Irrep, Blocks]]:
    """Squared errors over the orbit by irrep; empty without a group.

    They sum to the mean over the orbit. That of the trivial irrep is the error of the average, and
    the others together are the orbit variance: a target, moved back, is the same for all elements.
    In units of the scale of each quantity, mean over quantities.
    """
    whole = whole_group(group)
    dataset = group.open("average") if whole else None
    if whole is None or dataset is None or whole.order > MOST_ELEMENTS:
        return []
    if "error_gram" not in dataset:
        return []
    gram = (dataset.error_gram / dataset.scale).mean("channel")
    gram = gram.transpose("seed", "sample", "element", "element_b")
    of = irreps(whole)
    with np.errstate(invalid="ignore"):
        values = np.nan_to_num(parts(gram.values, of), nan=np.inf, posinf=np.inf, neginf=np.inf)
    first = gram.isel(element=0, element_b=0, drop=True)
    return [
        (irrep, group.by_block(first.copy(data=values[..., number])))
        for number, irrep in enumerate(of)
    ]


def subgroups_left(irrep: Irrep, group: GridGroup) -> str:
    """Names of the largest subgroups whose averages leave something of an irrep, but the whole."""
    largest: dict[frozenset[int], str] = {}
    named = names_of_subgroups(group)
    for members in sorted(named, key=len, reverse=True):
        contained = any(members <= other for other in largest)
        if len(members) < group.order and irrep.is_left_by(sorted(members)) and not contained:
            largest[members] = named[members]
    return ", ".join(largest.values())


@cache
def names_of_subgroups(group: GridGroup) -> Mapping[frozenset[int], str]:
    """Names of those subgroups that have one, by indices of their elements."""
    dimension = group.elements[0].dimension
    found = {frozenset(range(group.order)): group.name}
    for name in POINT_GROUPS[dimension]:
        members = named_group(name, dimension).elements
        if set(members) <= set(group.elements):
            found.setdefault(frozenset(map(group.index, members)), name)
    return found

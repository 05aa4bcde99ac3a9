"""The answer: what each way of imposing a symmetry changed beside the plain network, at what cost.

A network is a model on a task, over its seeds. Beside it, plainly trained and evaluated, stands the
same model with a treatment at training, an average or frame at evaluation, or both.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from symbench.config.sweeps import is_of_another_length
from symbench.errors import SymBenchError
from symbench.evaluation.results import RunGroup
from symbench.figures.finding import UNCHANGED
from symbench.figures.results import PLAINLY, StudyResults, score
from symbench.report.reference import reference_networks
from symbench.report.ways import EVALUATED, Cell, Network, Way
from symbench.statistics import COVERAGE, Estimate, relative_change


@dataclass(frozen=True)
class Record:
    """How a way fared over networks.

    Attributes:
        way: how the symmetry was imposed.
        networks: number of networks for which it was tried.
        paid: number of networks for which it paid.
        harmed: number of networks for which it harmed.
        gain: median of the gains.
        training: median of the costs of training.
        inference: median of the costs of inference.

    """

    way: Way
    networks: int
    paid: int
    harmed: int
    gain: float
    training: float
    inference: float


@dataclass(frozen=True)
class Answer:
    """The matrix of all networks and ways, and what follows from it.

    Attributes:
        networks: of this run.
        references: networks of reference tables on the same tasks; nothing follows from them.

    """

    networks: tuple[Network, ...]
    references: tuple[Network, ...] = ()

    @cached_property
    def ways(self) -> tuple[Way, ...]:
        """All ways that were tried, in the order of the networks."""
        return tuple(dict.fromkeys(cell.way for each in self.networks for cell in each.cells))

    @property
    def studies(self) -> tuple[str, ...]:
        """Names of the studies."""
        return tuple(dict.fromkeys(each.study for each in self.networks))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of data."""
        return tuple(dict.fromkeys(each.kind for each in self.networks))

    @property
    def reference_names(self) -> tuple[str, ...]:
        """Names of the reference tables."""
        return tuple(dict.fromkeys(each.reference for each in self.references))

    def of(self, *, exact: bool) -> list[Network]:
        """The networks of tasks whose symmetry holds, or is broken."""
        return [network for network in self.networks if network.exact == exact]

    def beside(self, *, exact: bool) -> list[Network]:
        """The same of reference tables."""
        return [network for network in self.references if network.exact == exact]

    def records(self, *, exact: bool) -> list[Record]:
        """How each way fared where the symmetry holds, or where it is broken; the best first."""
        found = []
        for way in self.ways:
            cells = [
                cell for network in self.of(exact=exact) if (cell := network.cell(way)) is not None
            ]
            if cells:
                verdicts = [cell.verdict for cell in cells]
                found.append(
                    Record(
                        way,
                        len(cells),
                        verdicts.count("pays"),
                        verdicts.count("harms"),
                        _median([cell.gain for cell in cells]),
                        _median([cell.training for cell in cells]),
                        _median([cell.inference for cell in cells]),
                    )
                )
        # One more network, of which nothing is known: one says less than many.
        return sorted(
            found, key=lambda each: ((each.harmed - each.paid) / (each.networks + 1), -each.gain)
        )

    @property
    def advice(self) -> list[str]:
        """What we advise, in sentences made from the matrix."""
        sentences = []
        for exact in (True, False):
            records = self.records(exact=exact)
            if records:
                where = "the symmetry holds" if exact else "the symmetry is broken"
                sentences.append(_advised(where, records))
        return sentences


def answer(studies: Sequence[StudyResults]) -> Answer:
    """The answer of all studies; of networks without a plain evaluation there is none.

    There is none either of studies with damaged evaluations: their sections name these.
    """
    found: list[Network] = []
    references: list[Network] = []
    for results in studies:
        with suppress(SymBenchError):
            found += list(answered_networks(results))
            references += list(reference_networks(results))
    return Answer(tuple(found), tuple(references))


def answered_networks(results: StudyResults) -> Iterator[Network]:
    """Networks of a study that have a plain evaluation and another one beside it.

    A network that was trained for several lengths of time is one, of the length of its task.

    Raises:
        DataError: if an evaluation is damaged.

    """
    groups = {(group.task, group.model, group.treatment): group for group in results.groups}
    for (task, model, treatment), plain in groups.items():
        if treatment != PLAINLY or is_of_another_length(plain.runs[0].task):
            continue
        if (reference := plain.estimate(score())) is None:
            continue
        tried = [
            (group, Way(group.treatment, evaluation))
            for (its_task, its_model, _), group in groups.items()
            if (its_task, its_model) == (task, model)
            for evaluation in group.evaluations
            if evaluation in EVALUATED
        ]
        tried = [(group, way) for group, way in tried if way != Way(PLAINLY, "plain")]
        coverage = 1 - (1 - COVERAGE) / max(len(tried), 1)
        found = (_cell(results, group, plain, way, reference, coverage) for group, way in tried)
        cells = tuple(cell for cell in found if cell is not None)
        if cells:
            described = plain.runs[0].task
            yield Network(
                results.study.name,
                task,
                described.dataset.kind,
                described.settings.group,
                plain.exact,
                model,
                plain.score.name,
                reference.value,
                len(plain.seeds),
                cells,
            )


def _cell(
    results: StudyResults,
    group: RunGroup,
    plain: RunGroup,
    way: Way,
    reference: Estimate,
    coverage: float,
) -> Cell | None:
    estimate = group.estimate(score(way.evaluation))
    if estimate is None:
        return None
    change = relative_change(estimate, reference)
    # With one seed, what is known of averaging is about this network alone.
    same = group is plain and len(group.seeds) == 1
    interval = change.interval("this network" if same else "networks trained so", coverage)
    sign = 1 if group.score.better == "higher" else -1
    return Cell(
        way,
        change.value,
        *interval,
        sign * change.value,
        _verdict(change.value, *interval, sign),
        group.seconds_of_training / plain.seconds_of_training,
        results.value(group, way.evaluation, "seconds_per_sample")
        / results.value(plain, "plain", "seconds_per_sample"),
    )


def _verdict(value: float, low: float, high: float, sign: int) -> str:
    if not np.isfinite([value, low, high]).all():
        return "open"
    if max(abs(low), abs(high)) < UNCHANGED:
        return "nothing"
    if low <= 0 <= high or abs(value) < UNCHANGED:
        return "open"
    return "pays" if sign * value > 0 else "harms"


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else float("nan")


def _advised(where: str, records: Sequence[Record]) -> str:
    best = records[0]
    if best.paid <= best.harmed:
        return (
            f"Where {where}, nothing that was tried paid more often than it harmed: leave the "
            "network as it is."
        )
    care = " Ask validation data first: symbench advise." if best.harmed else ""
    better = f"{'better' if best.gain >= 0 else 'worse'} by {abs(best.gain):.1%}"
    found = better if np.isfinite(best.gain) else "not finite"
    rest = best.networks - best.paid - best.harmed
    open_for = f"; for {rest} it changed nothing or is not decided" if rest else ""
    return (
        f"Where {where}: {best.way}. It paid for {best.paid} of {best.networks} networks and "
        f"harmed {best.harmed or 'none'}{open_for}. In the median the score was {found}, "
        f"with {_times(best.training)} the time of training and "
        f"{_times(best.inference)} that of inference.{care}"
    )


def _times(cost: float) -> str:
    return "an unknown multiple of" if np.isnan(cost) else f"{cost:.2g} times"

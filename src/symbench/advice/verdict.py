"""The answer in one sentence: which elements to average a model over, if any, and why."""

from typing import Literal

import numpy as np

from symbench.advice.choices import POPULATION, Choice, OrbitErrors
from symbench.errors import SymBenchError
from symbench.statistics import COVERAGE

Answer = Literal["average", "do not average", "nothing to gain", "not decided"]
# Predictions that differ by less than this part of the squared error differ by round-off.
ROUND_OFF = 1e-6


def verdict(
    errors: OrbitErrors, choices: list[Choice], group: str
) -> tuple[Answer, str, Choice | None]:
    """What to do, why, and with which elements."""
    if errors.plain == 0:
        return "nothing to gain", "Nothing to gain: the model makes no error here.", None
    if not np.isfinite(errors.plain):
        raise SymBenchError("All fields are constant: no error can be told from another.")
    answer, best = foretold(choices)
    if answer == "nothing to gain":
        return (
            answer,
            f"Nothing to gain: the model is equivariant under {group} already, to round-off.",
            None,
        )
    whole = max(choices, key=lambda choice: len(choice.members))
    if errors.blocks < 2:
        return (
            "not decided",
            f"Not decided: one trajectory gives no interval. Averaging over {whole.name} changes "
            f"its squared error by {whole.measured.value:+.1%}.",
            None,
        )
    if whole.audit != "broken":
        assert best is not None
        return _of_part(errors, choices, best)
    found = (
        "the audit finds that the data do not have this symmetry (it is broken for "
        f"{errors.broken} of {len(errors.audits)} audited elements)"
    )
    refused = (
        f"Do not average over {group}: {found}. On these samples it would change the squared error "
        f"by {whole.told()}."
    )
    # Of what the audit leaves nothing may be gained.
    if best is None or -best.predicted.value < ROUND_OFF:
        part: tuple[Answer, str, Choice | None] = ("do not average", refused, None)
    else:
        of_part, sentence, chosen = _of_part(errors, choices, best)
        answer = "average" if of_part == "average" else "do not average"
        part = (answer, f"{refused} {sentence}", chosen)
    coverage = 1 - (1 - COVERAGE) / len(choices)
    gains = whole.measured.interval(POPULATION, coverage)[1] < 0
    of_advised = part[2].measured.value if part[0] == "average" and part[2] else 0.0
    if not gains or of_advised <= whole.measured.value:
        return part
    return (
        "average",
        f"Average over {whole.name} on data like these samples, though {found}: "
        f"{_changes(whole, coverage)}, which labels tell, and no theory.",
        whole,
    )


def _of_part(
    errors: OrbitErrors, choices: list[Choice], best: Choice
) -> tuple[Answer, str, Choice | None]:
    """The same for the sets that the audit does not refuse, of which one is the best foretold."""
    low, high = best.measured.interval(POPULATION)
    if high < 0:
        return "average", f"Average over {best.name}: {_changes(best)}.{_doubt(best)}", best
    usable = [choice for choice in choices if choice.audit != "broken"]
    coverage = 1 - (1 - COVERAGE) / len(usable)
    others = [each for each in usable if each.measured.interval(POPULATION, coverage)[1] < 0]
    if others:
        other = _by_foretold_gain(others)
        return (
            "average",
            f"Average over {other.name}: {_changes(other, coverage)}, an interval that holds for "
            f"all {len(usable)} sets together; over {best.name} it would be {best.told()}."
            f"{_doubt(other)}",
            other,
        )
    if low > 0:
        return "do not average", f"Do not average over {best.name}: {_changes(best)}.", best
    needed = best.measured.needed(POPULATION, [0.0])
    would = f"; about {needed:.0f} would" if np.isfinite(needed) else ""
    return (
        "not decided",
        f"Not decided: averaging over {best.name} changes the squared error by {best.told()}: "
        f"{errors.blocks} blocks of samples do not tell it from no change{would}. The variance "
        f"over the orbit foretells {best.predicted.value:+.1%}.",
        best,
    )


def foretold(choices: list[Choice]) -> tuple[Answer, Choice | None]:
    """What to do as far as it is known without labels, and with which elements.

    Where the audit holds the variance over the orbit is the gain (P4), so that every set of which
    the predictions differ gains; sets that it cannot decide about are left open.
    """
    if all(-choice.predicted.value < ROUND_OFF for choice in choices):
        return "nothing to gain", None
    usable = [choice for choice in choices if choice.audit != "broken"]
    if not usable:
        return "do not average", None
    sure = [choice for choice in usable if choice.audit == "holds"]
    return "average" if sure else "not decided", _by_foretold_gain(sure or usable)


def _by_foretold_gain(choices: list[Choice]) -> Choice:
    """The set of which most is foretold; of those that are as good, the smallest with a name."""
    most = min(choice.predicted.value for choice in choices)
    as_good = [choice for choice in choices if choice.predicted.value <= 0.99 * most]
    return min(as_good, key=lambda choice: (len(choice.members), not choice.named))


def _changes(choice: Choice, coverage: float = COVERAGE) -> str:
    return (
        f"it changes the squared error by {choice.told(coverage)} at {len(choice.members)} times "
        "the cost of a prediction"
    )


def _doubt(choice: Choice) -> str:
    """What the audit, or the labels, leave open about a set that is advised."""
    if choice.audit != "holds":
        return " The audit has too few samples to decide whether the data have this symmetry."
    low, high = choice.excess.interval(POPULATION)
    if low > 0 or high < 0:
        return (
            f" The variance over the orbit foretells {choice.predicted.value:+.1%}: the law of the "
            "data is not quite invariant."
        )
    return ""

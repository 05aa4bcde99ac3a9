"""Claims as the report shows them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from symbench.config.schema import Claim
from symbench.figures.results import StudyResults
from symbench.numbers import interval
from symbench.report.agreement import agreement, read_claims
from symbench.statistics import NOT_RUN


@dataclass(frozen=True)
class Outcome:
    """What was found for a claim, or for one of its cases.

    Attributes:
        case: task, model and so on; empty for the claim as a whole.
        value: with its interval and unit, in words.
        counts: of seeds and samples, in words.
        verdict: such as "not run".
        needed: why it is inconclusive, or how much more would decide it, in words.
        style: the verdict as a class of the style sheet.

    """

    case: str
    value: str
    counts: str
    verdict: str
    needed: str = ""

    @property
    def style(self) -> str:
        """The verdict as a class of the style sheet."""
        return self.verdict.replace(" ", "-")


@dataclass(frozen=True)
class Judged:
    """A claim with what was found.

    Attributes:
        claim: of the config.
        whole: what was found for it.
        cases: what was found for each of its cases.
        reference: what the reference tables say, and whether this run agrees; empty without any.

    """

    claim: Claim
    whole: Outcome
    cases: tuple[Outcome, ...]
    reference: str = ""


def judged_claims(results: StudyResults) -> list[Judged]:
    """Each claim of the config with its overall row and its cases."""
    rows = results.claims.to_dict("records")
    references = _references(results)
    found = []
    for claim in results.study.settings.claims:
        outcomes = [_outcome(row, claim.unit) for row in rows if row["claim"] == claim.name]
        whole = [outcome for outcome in outcomes if not outcome.case]
        cases = [outcome for outcome in outcomes if outcome.case]
        nothing = Outcome("", "no data", "", NOT_RUN)
        reference = references.get(claim.name, "")
        found.append(Judged(claim, whole[0] if whole else nothing, tuple(cases), reference))
    return found


def _references(results: StudyResults) -> dict[str, str]:
    """What the reference tables say of each claim as a whole, in words."""
    name = results.study.name
    if not (results.layout.reference / name / "claims.csv").is_file():
        return {}
    theirs = read_claims(results.layout.reference)
    compared = agreement(results.claims, theirs[theirs.study == name])
    return {
        str(row["claim"]): f"reference: {row['theirs']}, {row['their verdict']}; "
        f"this run {row['agrees']}"
        for row in compared[compared.case == ""].to_dict("records")
    }


def _outcome(row: Mapping[object, object], unit: str) -> Outcome:
    counts = {name: int(_number(row[f"{name}s"])) for name in ("seed", "sample")}
    told = [f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count]
    value = interval(*(_number(row[key]) for key in ("value", "low", "high")))
    needed = [needed_units(_number(row[f"{name}s_needed"]), name) for name in counts]
    if row["verdict"] == NOT_RUN:
        value, unit = "no data", ""
    return Outcome(
        str(row["case"]),
        f"{value} {unit}".strip(),
        ", ".join(told),
        str(row["verdict"]),
        str(row["note"] or "") or "".join(needed),
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def needed_units(count: float, unit: str) -> str:
    """How many seeds or samples would decide a claim, in words; empty where that is not known."""
    if math.isnan(count):
        return ""
    if math.isinf(count):
        return f"no number of {unit}s alone would decide it"
    return f"about {count:.0f} {unit}s would decide it"

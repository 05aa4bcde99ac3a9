"""Hold advice against what averaging did to all evaluated networks of a run; write docs/advice.md.

python -m benchmarks.advice --results results/laptop

Files of evaluations and audits are enough: no network is called.
"""

import argparse
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks.pages import markdown
from symbench.advice.choices import POPULATION, Choice, OrbitErrors
from symbench.advice.verdict import ROUND_OFF, Answer, foretold, verdict
from symbench.config.read import read_configuration
from symbench.config.run import Task
from symbench.errors import SymBenchError
from symbench.evaluation.results import grid_group
from symbench.layout import Layout
from symbench.symmetry.audit import ElementAudit, Verdict
from symbench.symmetry.points.matrix_groups import OrthogonalGroup

ANSWERS: Sequence[Answer] = ("average", "do not average", "nothing to gain", "not decided")
TRUTHS = ("helps", "harms", "neither", "not decided")
RIGHT = {"average": "helps", "do not average": "harms", "nothing to gain": "neither"}
# Fewer blocks make no two halves that tell anything.
FEWEST_BLOCKS = 8


@dataclass(frozen=True)
class Judged:
    """One set of elements of one network.

    Attributes:
        network: study, task, model, treatment and seed.
        name: of the set.
        answer: of the advice.
        predicted: relative change of the squared error that it foretells.
        measured: the change, in words.
        truth: what averaging did, as far as the test samples tell.

    """

    network: str
    name: str
    answer: Answer
    predicted: float
    measured: str
    truth: str


def truth(choice: Choice) -> str:
    """What averaging over a set did to the squared error on these samples."""
    low, high = choice.measured.interval(POPULATION)
    if -choice.predicted.value < ROUND_OFF:
        return "neither"
    if high < 0:
        return "helps"
    return "harms" if low > 0 else "not decided"


def audits_of(path: Path) -> list[ElementAudit]:
    """The audit of a task, read."""
    return [
        ElementAudit(
            str(row["element"]),
            row["dynamics_error"],
            row["asymmetry"],
            row["p_value"],
            Verdict(row["verdict"]),
        )
        for row in pd.read_csv(path).to_dict("records")
    ]


@dataclass(frozen=True)
class Evaluated:
    """One network of a folder of results: its task, the evaluation of its average, the audit."""

    network: str
    task: Task
    averaged: xr.Dataset
    audits: list[ElementAudit]

    def errors(self, blocks: slice = slice(None)) -> OrbitErrors:
        """Errors over the orbit, on all blocks of samples or on some."""
        # Of infinite groups no more is asked than that they are.
        known = grid_group(self.task.settings.group, str(self.averaged.element.values[0]))
        chosen = np.isin(self.averaged.block.values, self.blocks[blocks])
        part = self.averaged.isel(sample=chosen)
        return OrbitErrors(part, known or OrthogonalGroup(3), self.audits)

    @property
    def blocks(self) -> np.ndarray:
        """Names of the independent blocks of samples."""
        return np.unique(self.averaged.block.values)

    def judged(self, answer: Answer, choice: Choice, predicted: float | None = None) -> Judged:
        """An answer on a set, whose change is known; foretold by the set itself by default."""
        change = choice.predicted.value if predicted is None else predicted
        return Judged(self.network, choice.name, answer, change, choice.told(), truth(choice))


def evaluated(folder: Path) -> Iterator[Evaluated]:
    """All networks in a folder of results whose averages were evaluated."""
    layout = Layout(Path("data"), folder)
    studies = [path.parent.name for path in sorted(folder.glob("*/evaluations"))]
    kind = "sizes" if Path(f"config/sizes/{folder.name}.yaml").is_file() else "overlays"
    configuration = read_configuration([Path(f"config/{kind}/{folder.name}.yaml")], studies)
    for study in studies:
        for path in sorted((folder / study / "evaluations").glob("*/*/*/average/seed*.nc")):
            parts = path.relative_to(folder / study).with_suffix("").parts
            name, model, treatment, seed = (*parts[1:4], parts[5])
            averaged = xr.load_dataset(path, engine="h5netcdf")
            task = configuration.study(study).tasks.get(name)
            if task is not None and "error_gram" in averaged:
                network = f"{study}/{name}/{model}/{treatment}/{seed}"
                yield Evaluated(network, task, averaged, audits_of(layout.audit(study, name)))


def judged(one: Evaluated) -> Iterator[tuple[str, Judged]]:
    """Ways of asking for advice on a network, and what came out."""
    choices = one.errors().choices(0.0)
    whole = _largest(choices)
    yield "whole", one.judged(foretold([whole])[0], whole)
    answer, chosen = foretold(choices)
    if chosen is not None:
        yield "part", one.judged(answer, chosen)
    if len(one.blocks) < FEWEST_BLOCKS:
        return
    shown, hidden = one.errors(slice(0, None, 2)), one.errors(slice(1, None, 2))
    options = shown.choices(0.0)
    answer, _, advised = verdict(shown, options, one.task.settings.group)
    if answer != "average" or advised is None:
        advised = _largest(options)
    (same,) = (choice for choice in hidden.choices(0.0) if choice.members == advised.members)
    yield "labels", one.judged(answer, same, advised.predicted.value)


def _largest(choices: Sequence[Choice]) -> Choice:
    return max(choices, key=lambda choice: len(choice.members))


def counts(found: Sequence[Judged]) -> pd.DataFrame:
    """How many sets had each answer and each truth."""
    return pd.DataFrame(
        [
            {
                "advice": answer,
                **{
                    each: sum(one.answer == answer and one.truth == each for one in found)
                    for each in TRUTHS
                },
            }
            for answer in ANSWERS
        ]
    )


def score(found: Sequence[Judged]) -> str:
    """How many of the decided ones were right, in words."""
    decided = [one for one in found if one.answer in RIGHT and one.truth != "not decided"]
    right = sum(RIGHT[one.answer] == one.truth for one in decided)
    return f"{len(found)} networks; of {len(decided)} where both are decided {right} agree."


def differ(found: Sequence[Judged]) -> str:
    """Those in which advice and truth are both decided and differ, as a table."""
    rows = [
        {
            "network": one.network,
            "over": one.name,
            "advice": one.answer,
            "foretold": f"{one.predicted:+.1%}",
            "measured": one.measured,
        }
        for one in found
        if one.answer in RIGHT and one.truth not in ("not decided", RIGHT[one.answer])
    ]
    if not rows:
        return "Advice and truth differ for none."
    return f"Advice and truth differ for:\n\n{markdown(pd.DataFrame(rows))}"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, nargs="+", default=[Path("results/laptop")])
    parser.add_argument("--output", type=Path, default=Path("docs/advice.md"))
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    found: dict[str, list[Judged]] = {"whole": [], "part": [], "labels": []}
    commits: set[str] = set()
    for folder in chosen.results:
        for evaluation in evaluated(folder):
            commits.add(str(evaluation.averaged.attrs.get("commit", "not known")))
            for way, one in judged(evaluation):
                found[way].append(one)
    if not found["whole"]:
        raise SymBenchError(f"{chosen.results[0]} has no evaluations of averages.")
    sizes = ", ".join(dict.fromkeys(folder.name for folder in chosen.results))
    text = f"""# How often advice was right

Made by `python -m benchmarks.advice` from all networks of the size `{sizes}` that were averaged
(evaluated at commits {", ".join(sorted(commits))}); do not edit. The truth is the change of the
squared error on test samples with its 95 % interval over independent blocks, of each network alone:
averaging helps, harms, or neither where predictions over the orbit are equal to round-off; where
the interval holds 0 the truth is not decided.

## Without labels, over the whole group

The advice sees predictions and the audit of the data: it averages where the audit holds, does not
where an element is broken, and leaves open what the audit does.
{score(found["whole"])}

{markdown(counts(found["whole"]))}

{differ(found["whole"])}

## Without labels, over the set that is advised

Of the sets of elements that the audit leaves, the one of which most is foretold; a network is
missing where the audit leaves none. {score(found["part"])}

{markdown(counts(found["part"]))}

{differ(found["part"])}

## With labels

Every other block of test samples is shown to the advice with its labels, as validation data are in
`symbench advise`; the truth is that of the other half, for the set that is advised, or for the
whole group where none is. A network is missing with fewer than {FEWEST_BLOCKS} blocks.
{score(found["labels"])}

{markdown(counts(found["labels"]))}

{differ(found["labels"])}
"""
    chosen.output.write_text(text)


if __name__ == "__main__":
    main()

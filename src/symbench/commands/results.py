"""Commands about runs and results: their cost, their places, whether they are whole."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
import yaml

from symbench.commands.app import (
    ConfigOption,
    SetOption,
    StudiesOption,
    app,
    read,
)
from symbench.config.schema import Population
from symbench.costs import read_costs
from symbench.downloads import Download, missing_downloads, refuse_beyond
from symbench.errors import SymBenchError, choose
from symbench.files import refuse_existing
from symbench.strict_yaml import Dumper


@app.command()
def plan(
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
    benchmarks: Annotated[
        list[Path] | None,
        typer.Option(help="Folders of benchmarks; by default that of the size, where it is."),
    ] = None,
    nodes: Annotated[list[int] | None, typer.Option(help="Nodes of a simulated run.")] = None,
    ask_hub: Annotated[bool, typer.Option(help="Ask the Hub for sizes of downloads.")] = False,
) -> None:
    """Say what a configuration would cost, before anything is submitted."""
    from symbench import plan as planning

    configuration = read(config, overrides, study)
    own = configuration.layout.benchmarks
    folders = benchmarks or ([own] if own.is_dir() else [])
    jobs = planning.jobs(configuration, read_costs(folders))
    print(planning.summary(jobs).to_string(index=False, float_format="{:.2f}".format))
    missing = sum(not job.recorded for job in jobs)
    if missing:
        print(f"\n{missing} of {len(jobs)} jobs have no benchmark: they count with their limits.")
    print("\nnodes      hours   idle   hours of the critical path")
    for count in nodes or [1, 2, 4, 8, 16, 32]:
        run = planning.simulate(jobs, count)
        hours, critical = run.seconds / planning.HOUR, run.critical_seconds / planning.HOUR
        print(f"{count:5d} {hours:10.2f} {run.idle_share:6.0%} {critical:10.2f}")
    print("\ncritical path: " + " > ".join(run.critical_path))
    size = planning.folder_size(configuration.layout.data)
    print(f"\ndisk: {size / 1e9:.2f} GB of data are there already")
    if ask_hub:
        print("\n".join(["", *_lines(missing_downloads(configuration))]))


@app.command()
def progress(
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
    cores: Annotated[
        int | None, typer.Option(min=1, help="That the jobs share; all of this machine by default.")
    ] = None,
) -> None:
    """Say how far a run is, and about how long the rest takes: in another terminal, at any time."""
    from symbench.progress import progress as said

    print(said(read(config, overrides, study), cores or os.cpu_count() or 1))


@app.command()
def downloads(
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
    limit_gb: Annotated[
        float | None, typer.Option(min=0, help="In place of the config's limit_gb.")
    ] = None,
) -> None:
    """Say what would be downloaded, and refuse more than the limit."""
    configuration = read(config, overrides, study)
    found = missing_downloads(configuration)
    print("\n".join(_lines(found)))
    refuse_beyond(configuration.limit_gb if limit_gb is None else limit_gb, found)


def _lines(found: list[Download]) -> list[str]:
    """A line for each download, and one for all."""
    lines = [
        f"download of {each.name}: "
        + ("of unknown size" if each.size is None else f"{each.size / 1e9:.3f} GB")
        for each in found
    ]
    total = sum(each.size or 0 for each in found)
    return [*lines, f"downloads in all: {total / 1e9:.2f} GB"]


@app.command()
def where(
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
    folder: Annotated[bool, typer.Option("--folder", help="The folder of results alone.")] = False,
    tuning: Annotated[bool, typer.Option("--tuning", help="Trials, and what to do next.")] = False,
) -> None:
    """Say where the results of a configuration are."""
    configuration = read(config, overrides, study)
    layout = configuration.layout
    if tuning:
        from symbench.tuning import instruction

        print(instruction(configuration))
    else:
        print(layout.results if folder else f"Report: {layout.report}")


@app.command()
def pin(
    output: Annotated[Path, typer.Option(help="File to write, for CONFIG.")],
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
) -> None:
    """Ask the Hub for the commits of all data and weights, and write them as an overlay."""
    from symbench.pins import MARK, pins

    configuration = read(config, overrides, study)
    given = {file.resolve() for file in configuration.files}
    refuse_existing(output, None if output.resolve() in given else MARK)
    pinned = yaml.dump(pins(configuration), Dumper=Dumper, sort_keys=False)
    output.write_text(f"{MARK}\n{pinned}")
    print(f"{output}: {pinned.count('revision')} revisions")


@app.command()
def schema(output: Annotated[Path, typer.Option(help="File to write.")]) -> None:
    """Write the JSON schema of size files and overlays, for editors."""
    from symbench.config.schema_file import MARK, schema_text

    refuse_existing(output, MARK)
    output.write_text(schema_text(), encoding="utf-8")


@app.command()
def reference(
    output: Annotated[Path, typer.Option(help="Folder to write to.")],
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
) -> None:
    """Keep the small tables of a run, for users to compare theirs with."""
    from symbench.figures.results import StudyResults
    from symbench.report.reference_tables import keep

    configuration = read(config, overrides, study)
    for described in configuration.studies.values():
        keep(StudyResults(described, configuration.layout), output / configuration.name)


@app.command("compare-with")
def compare_with(
    other: Annotated[Path, typer.Argument(help="Results of another run, or reference tables.")],
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
    output: Annotated[Path | None, typer.Option(help="A CSV file to write.")] = None,
) -> None:
    """Compare a run with another one, claim by claim; exit code 1 if one differs."""
    from symbench.report.agreement import AGREES, APART, agreement, judged_alone, read_claims

    if output:
        refuse_existing(output)
    configuration = read(config, overrides, study)
    ours, theirs = (
        claims[claims.study.isin(list(configuration.studies))]
        for claims in (read_claims(configuration.layout.results), read_claims(other))
    )
    found = agreement(ours, theirs)
    if found.empty:
        raise SymBenchError(f"{other} and {configuration.layout.results} share no claim.")
    if output:
        output.write_text(found.to_csv(index=False))
    unlike = found[(found.agrees != AGREES) | found.opposed]
    if len(unlike):
        print(unlike.drop(columns="opposed").to_string(index=False))
    counts = found.agrees.value_counts()
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"{len(found)} claims and cases: {told}; {found.opposed.sum()} verdicts are opposed")
    for whose, alone in ("this run", (ours, theirs)), ("the other", (theirs, ours)):
        if count := judged_alone(*alone):
            print(f"Not compared: {count} claims and cases that {whose} alone has judged.")
    if (found.agrees == APART).any() or found.opposed.any():
        sys.exit(1)


@app.command()
def archive(
    output: Annotated[Path, typer.Argument(help="The .tar.gz file to write.")],
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
) -> None:
    """Pack the results of a run without its weights: all that figures and the report need."""
    from symbench.archive import write_archive

    write_archive(read(config, overrides, study), output)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")


@app.command()
def figures(
    results: Annotated[
        Path | None,
        typer.Option(
            help="An archive, or a folder of reference tables; by default the results of the "
            "configuration."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="New folder for what is made of it.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only figures of this name; all by default.")
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
) -> None:
    """Make tables, figures and the report from results alone: nothing is trained."""
    from symbench.archive import open_archive
    from symbench.figures.results import StudyResults
    from symbench.remaking import remade, side_by_side
    from symbench.report.build import Part, build
    from symbench.report.reference_tables import configuration_of, made_of_tables

    if (results is None) != (output is None):
        raise SymBenchError("--results and --output belong together.")
    made: Callable[..., Part] = remade
    if results is not None and output is not None:
        if config or overrides:
            raise SymBenchError("--results brings its own config: leave --config and --set away.")
        if results.is_dir():
            configuration = configuration_of(results, output, study or ())
            made = partial(made_of_tables, tables=results)
        else:
            configuration = open_archive(results, output)
    else:
        configuration = read(config, overrides, study)
    chosen = [configuration.study(name) for name in study or configuration.studies]
    named = {figure.name for described in chosen for figure in described.settings.figures}
    for name in only or []:
        choose(name, named, "figure")
    studies = [StudyResults(described, configuration.layout) for described in chosen]
    parts = side_by_side(partial(made, only=only or ()), studies)
    build(configuration, configuration.layout.report, parts)
    print(configuration.layout.report)


@app.command()
def judge(
    scores: Annotated[
        Path,
        typer.Argument(help="CSV: method, seed, sample, and score, or prediction and truth; .npz."),
    ],
    baseline: Annotated[str, typer.Option(help="The method that others are held against.")],
    higher_is_better: Annotated[
        bool, typer.Option("--higher-is-better", help="Scores are no errors.")
    ] = False,
    of_these_networks: Annotated[
        bool,
        typer.Option("--of-these-networks", help="Samples are drawn, and not networks as well."),
    ] = False,
    output: Annotated[Path | None, typer.Option(help="A CSV file to write.")] = None,
) -> None:
    """Judge scores of your own methods: intervals, ranks and verdicts, as those of the claims."""
    from symbench.own_scores import judge_scores, read_scores, what_is_open

    if output:
        refuse_existing(output)
    population: Population = "this network" if of_these_networks else "networks trained so"
    better: Literal["lower", "higher"] = "higher" if higher_is_better else "lower"
    found = judge_scores(read_scores(scores), baseline, population, better)
    if output:
        output.write_text(found.to_csv(index=False))
    print(found.to_string(index=False, na_rep="-", float_format="{:.4g}".format))
    for sentence in what_is_open(found, baseline, population):
        print(sentence)


@app.command("book")
def write_book(
    output: Annotated[Path, typer.Argument(help="The Markdown file to write.")],
    tables: Annotated[Path, typer.Option(help="Folder of reference tables.")] = Path(
        "results/reference"
    ),
) -> None:
    """Write each claim once, with the evidence of its largest run among the reference tables."""
    from symbench.report.book import TITLE, book

    refuse_existing(output, TITLE)
    output.write_text(book(tables), encoding="utf-8")


@app.command("check-results")
def check_results(
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
    remove_damaged: Annotated[
        bool,
        typer.Option(
            "--remove-damaged", help="As `make repair` does first; prints manifests that are gone."
        ),
    ] = False,
) -> None:
    """Check that a run left every artifact that its config promises, as it was written."""
    from symbench import artifacts
    from symbench.data.manifest import NAME

    configuration = read(config, overrides, study)
    damaged = artifacts.damaged_artifacts(configuration)
    outdated = artifacts.outdated_artifacts(configuration)
    if remove_damaged:
        found = [*damaged, *outdated]
        # Before anything goes: what is printed here once, the next call would not know.
        if kept := artifacts.behind_links(configuration, found):
            raise SymBenchError(
                f"{len(kept)} artifacts are behind links, where only their owner removes anything: "
                f"{kept[0]} is {kept[0].resolve()}; nothing was removed."
            )
        removed = artifacts.remove_artifacts(configuration, found)
        for path in removed:
            if path.name == NAME:
                print(path)
        print(f"{len(removed)} artifacts removed", file=sys.stderr)
        for path in found:
            if os.path.lexists(path):
                print(f"{path} is left: it is a folder or behind a link", file=sys.stderr)
        return
    for paths, what in (
        (damaged, "are damaged or lost"),
        (outdated, "were made with other settings or other code"),
    ):
        if paths:
            raise SymBenchError(
                f"{len(paths)} artifacts {what}: {paths[0]}; --remove-damaged removes them."
            )
    expected = artifacts.expected(configuration)
    missing = [str(path) for path in expected if not path.is_file() or not path.stat().st_size]
    if missing:
        raise SymBenchError(
            f"{len(missing)} of {len(expected)} artifacts are missing: {missing[0]}"
        )
    print(f"{len(expected)} passed, 0 failed")

"""The commands behind the rules of the workflow; each can be run by hand in the same way."""

import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml

from symbench.config import study as studies
from symbench.errors import SymBenchError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

ConfigOption = Annotated[
    list[Path], typer.Option("--config", help="A size file, then files that override parts of it.")
]
StudyOption = Annotated[str, typer.Option(help="Name of the study.")]
TaskOption = Annotated[str, typer.Option(help="Name of the task in the study.")]
ModelOption = Annotated[str, typer.Option(help="Name of the model in the study.")]
TreatmentOption = Annotated[str, typer.Option(help="How the symmetry is imposed at training.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the cell.")]
ThreadsOption = Annotated[int, typer.Option(help="Threads of the CPU.")]
DataOption = Annotated[Path, typer.Option(help="Folder of the task's data.")]


def main() -> None:
    """Run a command; an error that a user can mend is one sentence and exit code 1."""
    try:
        app()
    except SymBenchError as error:
        print(f"symbench: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.errno is None:
            raise
        print(f"symbench: {error.strerror}: {error.filename or 'while writing'}", file=sys.stderr)
        sys.exit(1)


@app.command()
def fetch(
    config: ConfigOption,
    study: StudyOption,
    task: TaskOption,
    output: DataOption,
    threads: ThreadsOption = 1,
) -> None:
    """Simulate or download the data of a task."""
    from symbench import stages

    stages.fetch(studies.read_configuration(config).study(study), task, output, threads)


@app.command()
def audit(
    config: ConfigOption,
    study: StudyOption,
    task: TaskOption,
    data: DataOption,
    output: Annotated[Path, typer.Option(help="Table to write.")],
) -> None:
    """Decide whether the symmetry of a task holds; refuse one that does not."""
    from symbench import stages

    stages.audit(studies.read_configuration(config).study(study), task, data, output)


@app.command()
def train(
    config: ConfigOption,
    study: StudyOption,
    task: TaskOption,
    model: ModelOption,
    treatment: TreatmentOption,
    seed: SeedOption,
    data: DataOption,
    output: Annotated[Path, typer.Option(help="Folder for weights, history and state.")],
    threads: ThreadsOption = 1,
) -> None:
    """Train a model, or take its published weights."""
    from symbench import stages

    described = studies.read_configuration(config).study(study)
    cell = described.check(studies.Cell(study, task, model, treatment, seed))
    stages.train(described, cell, data, output, threads)


@app.command()
def evaluate(
    config: ConfigOption,
    study: StudyOption,
    task: TaskOption,
    model: ModelOption,
    treatment: TreatmentOption,
    seed: SeedOption,
    data: DataOption,
    weights: Annotated[Path, typer.Option(help="Weights of the model.")],
    output: Annotated[Path, typer.Option(help="Folder for <evaluation>/seed<k>.nc.")],
    threads: ThreadsOption = 1,
) -> None:
    """Evaluate a trained model in all ways that the study asks for."""
    from symbench import stages

    described = studies.read_configuration(config).study(study)
    cell = described.check(studies.Cell(study, task, model, treatment, seed))
    stages.evaluate(described, cell, data, weights, output, threads)


@app.command()
def compare(
    config: ConfigOption,
    study: StudyOption,
    evaluations: Annotated[Path, typer.Option(help="Folder of the study's evaluations.")],
    metrics: Annotated[Path, typer.Option(help="Table of metrics to write.")],
    claims: Annotated[Path, typer.Option(help="Table of claims to write.")],
) -> None:
    """Compare the cells of a study and judge its claims."""
    from symbench.comparison import compare_study

    compare_study(studies.read_configuration(config).study(study), evaluations, metrics, claims)


@app.command()
def figure(
    name: Annotated[str, typer.Argument(help="Name of the figure in the study.")],
    config: ConfigOption,
    study: StudyOption,
    results: Annotated[Path, typer.Option(help="Folder of the study's results.")],
    output: Annotated[Path, typer.Option(help="Path without suffix: .png and .pdf are written.")],
) -> None:
    """Draw one figure."""
    from symbench.figures.draw import draw

    draw(name, studies.read_configuration(config).study(study), results, output)


@app.command()
def report(
    config: ConfigOption,
    results: Annotated[Path, typer.Option(help="Folder of the results of a size.")],
    output: Annotated[Path, typer.Option(help="Page to write.")],
    study: Annotated[list[str], typer.Option(help="Studies to report on.")],
) -> None:
    """Write the report: one self-contained page."""
    from symbench.report.build import build

    build(studies.read_configuration(config, study), results, output)


@app.command()
def plan(
    config: ConfigOption,
    study: Annotated[list[str] | None, typer.Option(help="Studies; all by default.")] = None,
    benchmarks: Annotated[
        list[Path] | None,
        typer.Option(help="Folders of benchmarks; by default that of the size, where it is."),
    ] = None,
    nodes: Annotated[list[int] | None, typer.Option(help="Nodes of a simulated run.")] = None,
    ask_hub: Annotated[bool, typer.Option(help="Ask the Hub for sizes of downloads.")] = False,
) -> None:
    """Say what a configuration would cost, before anything is submitted."""
    from symbench import plan as planning

    configuration = studies.read_configuration(config, study)
    recorded = Path(configuration.results, configuration.size, "benchmarks")
    folders = benchmarks or ([recorded] if recorded.is_dir() else [])
    jobs = planning.jobs(configuration, planning.read_benchmarks(folders))
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
    data = Path(configuration.data, configuration.size)
    print(f"\ndisk: {planning.folder_size(data) / 1e9:.2f} GB of data are there already")
    if ask_hub:
        from symbench import stages

        sizes = {
            name: stages.build_task(chosen, name).download_size()
            for name, chosen in configuration.tasks.items()
            if chosen.task(name).family == "well"
        }
        for name, size in sizes.items():
            print(f"download of {name}: {size / 1e9:.2f} GB")
        print(f"download in all: {sum(sizes.values()) / 1e9:.2f} GB")


@app.command()
def pin(
    config: ConfigOption,
    output: Annotated[Path, typer.Option(help="File to write, for CONFIG.")],
    study: Annotated[list[str] | None, typer.Option(help="Studies; all by default.")] = None,
) -> None:
    """Ask the Hub for the commits of all data and weights, and write them as an overlay."""
    from symbench.pins import pins

    pinned = yaml.safe_dump(pins(studies.read_configuration(config, study)), sort_keys=False)
    output.write_text(f"# Written by `symbench pin`: what the Hub had on that day.\n{pinned}")
    print(f"{output}: {pinned.count('revision')} revisions")


@app.command()
def schema(output: Annotated[Path, typer.Option(help="File to write.")]) -> None:
    """Write the JSON schema of size files, as derived from the types."""
    text = yaml.safe_dump(studies.schema(), sort_keys=False, width=100)
    output.write_text(
        "# Written by `make schema` from symbench.config.study; do not edit.\n" + text
    )


@app.command()
def reference(
    config: ConfigOption,
    output: Annotated[Path, typer.Option(help="Folder to write to.")],
    study: Annotated[list[str] | None, typer.Option(help="Only these studies.")] = None,
) -> None:
    """Keep the small tables of a run, for users to compare theirs with."""
    from symbench.comparison import reference_tables

    configuration = studies.read_configuration(config, study)
    for name, described in configuration.studies.items():
        results = Path(configuration.results) / configuration.size / name
        reference_tables(described, results, output / configuration.size / name)


@app.command("check-results")
def check_results(
    config: ConfigOption,
    study: Annotated[list[str] | None, typer.Option(help="Studies; all by default.")] = None,
    remove_damaged: Annotated[
        bool,
        typer.Option(
            "--remove-damaged", help="As `make repair` does first; prints manifests that are gone."
        ),
    ] = False,
) -> None:
    """Check that a run left every artifact that its config promises, as it was written."""
    from symbench import artifacts

    configuration = studies.read_configuration(config, study)
    damaged = artifacts.damaged_artifacts(configuration)
    if remove_damaged:
        for manifest in artifacts.remove_artifacts(damaged):
            print(manifest)
        print(f"{len(damaged)} damaged artifacts removed", file=sys.stderr)
        return
    if damaged:
        raise SymBenchError(
            f"{len(damaged)} artifacts are damaged: {damaged[0]}; --remove-damaged removes them."
        )
    expected = artifacts.expected(configuration)
    missing = [str(path) for path in expected if not path.is_file() or not path.stat().st_size]
    if missing:
        raise SymBenchError(
            f"{len(missing)} of {len(expected)} artifacts are missing: {missing[0]}"
        )
    print(f"{len(expected)} passed, 0 failed")

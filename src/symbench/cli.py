"""The commands behind the rules of the workflow; each can be run by hand in the same way."""

import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml

from symbench.config.read import Configuration, read_configuration
from symbench.config.study import Study
from symbench.costs import read_costs, recorded
from symbench.data.dataset import SPLITS
from symbench.errors import SymBenchError, choose
from symbench.files import remove
from symbench.layout import IMAGES, TABLES, Layout

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

ConfigOption = Annotated[
    list[Path] | None, typer.Option("--config", help="A size file, or overlays; laptop by default.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="One key on top, as studies.ace.training.epochs=3."),
]
StudyOption = Annotated[str, typer.Option(help="Name of the study.")]
StudiesOption = Annotated[
    list[str] | None, typer.Option("--study", help="Only these studies; all by default.")
]
TaskOption = Annotated[str, typer.Option(help="Name of the task in the study.")]
ModelOption = Annotated[str, typer.Option(help="Name of the model in the study.")]
TreatmentOption = Annotated[str, typer.Option(help="How the symmetry is imposed at training.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the run.")]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Threads of the CPU.")]


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


def _read(
    config: list[Path] | None, overrides: list[str] | None, studies: list[str] | None = None
) -> Configuration:
    return read_configuration(config or [], studies, overrides=overrides or [])


@app.command()
def fetch(
    study: Annotated[str | None, typer.Option(help="Name of the study.")] = None,
    task: Annotated[str | None, typer.Option(help="Name of the task in the study.")] = None,
    data: Annotated[
        str | None, typer.Option(help="In place of both: <data set>/<fingerprint>, as in its path.")
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
    threads: ThreadsOption = 1,
) -> None:
    """Simulate or download the data of a task."""
    from symbench import stages

    configuration = _read(config, overrides, [study] if study else None)
    if data is not None and study is None and task is None:
        known = {"/".join(key): found for key, found in configuration.data.items()}
        chosen = known[choose(data, known, "folder of data")]
    elif study is not None and task is not None and data is None:
        chosen = configuration.study(study).task(task)
    else:
        raise SymBenchError("fetch needs --study and --task, or --data in place of both.")
    names = chosen.dataset_folder, chosen.data_fingerprint
    with recorded(configuration.layout.benchmark("fetch", *names)):
        stages.fetch(configuration, chosen, threads)


@app.command("check-data")
def check_data(
    folder: Annotated[
        Path, typer.Argument(help="Holds train/, valid/ and test/, or data/, or files *.xyz.")
    ],
    stats: Annotated[bool, typer.Option("--stats", help="Make stats.yaml.")] = False,
    parity: Annotated[
        list[str] | None, typer.Option(help="An axial field, as --parity vorticity=-1.")
    ] = None,
    may_differ: Annotated[
        list[str] | None, typer.Option(help="What files may differ in: box or time_step.")
    ] = None,
) -> None:
    """Check data of your own before anything is run: fields in The Well's schema, extended XYZ."""
    from symbench.data.fields.check_data import check_folder
    from symbench.data.fields.well import MAY_DIFFER
    from symbench.data.molecules.check_configurations import (
        check_configurations,
        configuration_files,
    )

    signs = dict(_sign(each) for each in parity or [])
    for name in may_differ or []:
        choose(name, MAY_DIFFER, "difference between files")
    if configurations := configuration_files(folder):
        checked = check_configurations(configurations)
    else:
        checked = check_folder(folder, signs, may_differ or [], statistics=stats)
    for line in checked.said:
        print(line)
    for problem in checked.problems:
        print(f"symbench: {problem}", file=sys.stderr)
    if checked.problems:
        sys.exit(1)


def _sign(text: str) -> tuple[str, int]:
    """A field and its parity, from the command line."""
    name, _, sign = text.rpartition("=")
    if not name or sign not in ("1", "+1", "-1"):
        raise SymBenchError(f"--parity is '{text}'; give it as NAME=-1, or NAME=1.")
    return name, int(sign)


@app.command()
def audit(
    study: StudyOption,
    task: TaskOption,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Decide whether the symmetry of a task holds, and check the settings of its runs."""
    from symbench import stages

    configuration = _read(config, overrides, [study])
    with recorded(configuration.layout.benchmark("audit", study, task)):
        stages.audit(configuration, configuration.study(study).task(task))


@app.command()
def train(
    study: StudyOption,
    task: TaskOption,
    model: ModelOption,
    treatment: TreatmentOption,
    seed: SeedOption,
    config: ConfigOption = None,
    overrides: SetOption = None,
    threads: ThreadsOption = 1,
) -> None:
    """Train a model, or take its published weights."""
    from symbench import stages

    configuration = _read(config, overrides, [study])
    run = configuration.study(study).run(task, model, treatment, seed)
    with recorded(configuration.layout.benchmark("train", study, *run.key, f"seed{seed}")):
        stages.train(configuration, run, threads)


@app.command("tune-check")
def tune_check(
    study: StudyOption,
    task: TaskOption,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Check what will be tried for the arms of a task, and write it down."""
    from symbench.tuning import check_trials

    configuration = _read(config, overrides, [study])
    with recorded(configuration.layout.benchmark("tune_check", study, task)):
        check_trials(configuration, configuration.study(study).task(task))


@app.command("tune-trial")
def tune_trial(
    study: StudyOption,
    task: TaskOption,
    model: ModelOption,
    treatment: TreatmentOption,
    trial: Annotated[int, typer.Option(help="Number of the trial, from 0.")],
    seed: SeedOption,
    config: ConfigOption = None,
    overrides: SetOption = None,
    threads: ThreadsOption = 1,
) -> None:
    """Train a model with settings that are tried."""
    from symbench.tuning import run_trial, trial_of

    configuration = _read(config, overrides, [study])
    chosen = trial_of(configuration.study(study), (task, model, treatment), trial, seed)
    names = (study, task, model, treatment, str(trial), str(seed))
    with recorded(configuration.layout.benchmark("tune_trial", *names)):
        run_trial(configuration, chosen, threads)


@app.command()
def tune(study: StudyOption, config: ConfigOption = None, overrides: SetOption = None) -> None:
    """Choose settings for each arm by the validation losses of its trials."""
    from symbench.tuning import choose_settings

    configuration = _read(config, overrides, [study])
    with recorded(configuration.layout.benchmark("tune", study)):
        choose_settings(configuration, configuration.study(study))


@app.command()
def evaluate(
    study: StudyOption,
    task: TaskOption,
    model: ModelOption,
    treatment: TreatmentOption,
    seed: SeedOption,
    config: ConfigOption = None,
    overrides: SetOption = None,
    threads: ThreadsOption = 1,
) -> None:
    """Evaluate a trained model in all ways that the study asks for."""
    from symbench import stages

    configuration = _read(config, overrides, [study])
    run = configuration.study(study).run(task, model, treatment, seed)
    with recorded(configuration.layout.benchmark("evaluate", study, *run.key, f"seed{seed}")):
        stages.evaluate(configuration, run, threads)


@app.command()
def compare(study: StudyOption, config: ConfigOption = None, overrides: SetOption = None) -> None:
    """Compare the runs of a study and judge its claims, from what is there."""
    from symbench.comparison import compare_study

    configuration = _read(config, overrides, [study])
    with recorded(configuration.layout.benchmark("compare", study)):
        compare_study(configuration.study(study), configuration.layout)


@app.command()
def table(
    name: Annotated[str, typer.Argument(help="Name of the table in the study.")],
    study: StudyOption,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Make a table that figures draw, and that does not come from evaluations."""
    from symbench import stages

    configuration = _read(config, overrides, [study])
    with recorded(configuration.layout.benchmark("table", study, name)):
        stages.table(configuration, configuration.study(study), name)


@app.command()
def figure(
    name: Annotated[str, typer.Argument(help="Name of the figure in the study.")],
    study: StudyOption,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Draw one figure, and write the table that it shows."""
    from symbench.figures.draw import draw_figure

    configuration = _read(config, overrides, [study])
    with recorded(configuration.layout.benchmark("figure", study, name)):
        draw_figure(configuration.study(study), name, configuration.layout)


@app.command()
def report(
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Make tables and figures from what is there first.")
    ] = False,
) -> None:
    """Write the report, one self-contained page, from what is there."""
    from symbench.report.build import build

    configuration = _read(config, overrides, study)
    if not compare:
        with recorded(configuration.layout.benchmark("report", "report")):
            build(configuration, configuration.layout.report)
        return
    from symbench.artifacts import unfinished

    for described in configuration.studies.values():
        _compare_what_is_there(described, configuration.layout)
    build(configuration, configuration.layout.report)
    # What tells of a part of the runs has no provenance, so the workflow makes it anew.
    for described in unfinished(configuration):
        for table in TABLES:
            remove(configuration.layout.table_provenance(described.name, table))


def _compare_what_is_there(study: Study, layout: Layout) -> None:
    """Tables and figures of a study of which some runs failed; none of an earlier run is left."""
    from symbench.comparison import compare_study
    from symbench.figures.draw import draw_figure

    try:
        compare_study(study, layout, partly=True)
    except SymBenchError as error:
        print(f"symbench: {study.name}: {error}", file=sys.stderr)
        for table in TABLES:
            remove(layout.table(study.name, table))
            remove(layout.table_provenance(study.name, table))
    for figure in study.settings.figures:
        try:
            draw_figure(study, figure.name, layout)
        except SymBenchError as error:
            print(f"symbench: {study.name}: {figure.name}: {error}", file=sys.stderr)
            for suffix in IMAGES:
                remove(layout.figure(study.name, figure.name, suffix))


@app.command()
def advise(
    model: Annotated[
        str, typer.Option(help="package.module:Name of your model, or a model of the study.")
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder of your data, in The Well's schema.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Safetensors, or a state dict that torch saved.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="By default the largest that the grid can carry.")
    ] = None,
    argument: Annotated[
        list[str] | None, typer.Option(help="An argument of your model, as width=16.")
    ] = None,
    input_steps: Annotated[int, typer.Option(min=1, help="Frames that your model sees.")] = 4,
    physical: Annotated[
        bool, typer.Option("--physical", help="Your model takes values in physical units.")
    ] = False,
    parity: Annotated[
        list[str] | None, typer.Option(help="An axial field, as --parity vorticity=-1.")
    ] = None,
    may_differ: Annotated[
        list[str] | None, typer.Option(help="What files may differ in: box or time_step.")
    ] = None,
    study: Annotated[str | None, typer.Option(help="Study of a trained run.")] = None,
    task: Annotated[str | None, typer.Option(help="Task of a trained run.")] = None,
    treatment: Annotated[str, typer.Option(help="Treatment of a trained run.")] = "none",
    seed: Annotated[int, typer.Option(help="Seed of a trained run.")] = 0,
    split: Annotated[str, typer.Option(help="valid, or test to judge afterwards.")] = "valid",
    output: Annotated[Path, typer.Option(help="Folder for the page and its tables.")] = Path(
        "advice"
    ),
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Say whether to average a trained model over a group: your own, or that of a run."""
    from symbench.advice import advise as advice
    from symbench.advice.own_model import own_model
    from symbench.advice.page import write_page
    from symbench.data.fields.grid_data import FieldData

    choose(split, SPLITS, "split")
    if (data is None) == (study is None):
        raise SymBenchError("advise needs --data, or --study and --task of a trained run.")
    if data is not None:
        signs = dict(_sign(each) for each in parity or [])
        arguments = dict(map(_argument, argument or []))
        differ = may_differ or []
        opened = FieldData(data, input_steps=input_steps, parity=signs, may_differ=differ)
        found = advice.advise(
            own_model(model, arguments, weights, opened),
            data,
            group,
            split=split,
            input_steps=input_steps,
            parity=signs,
            may_differ=differ,
            physical=physical,
        )
    else:
        from symbench import stages

        configuration = _read(config, overrides, [str(study)])
        run = configuration.study(str(study)).run(str(task), model, treatment, seed)
        trained, of_run, _ = stages.trained_model(configuration, run)
        found = advice.advise_on(
            trained, of_run, run.task.dataset, group or run.task.settings.group, split=split
        )
    print(found.sentence)
    print(write_page(found, output))


def _argument(text: str) -> tuple[str, object]:
    """An argument of a model, from the command line; its value as in YAML."""
    name, _, value = text.partition("=")
    if not name.isidentifier():
        raise SymBenchError(f"--argument is '{text}'; give it as NAME=VALUE.")
    return name, yaml.safe_load(value)


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

    configuration = _read(config, overrides, study)
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
        sizes = planning.download_sizes(configuration)
        for name, size in sizes.items():
            print(f"download of {name}: {size / 1e9:.2f} GB")
        print(f"download in all: {sum(sizes.values()) / 1e9:.2f} GB")


@app.command()
def where(
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
    folder: Annotated[bool, typer.Option("--folder", help="The folder of results alone.")] = False,
    tuning: Annotated[bool, typer.Option("--tuning", help="Trials, and what to do next.")] = False,
) -> None:
    """Say where the results of a configuration are."""
    configuration = _read(config, overrides, study)
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
    from symbench.pins import pins

    pinned = yaml.safe_dump(pins(_read(config, overrides, study)), sort_keys=False)
    output.write_text(f"# Written by `symbench pin`: what the Hub had on that day.\n{pinned}")
    print(f"{output}: {pinned.count('revision')} revisions")


@app.command()
def schema(output: Annotated[Path, typer.Option(help="File to write.")]) -> None:
    """Write the JSON schema of size files and overlays, for editors."""
    from symbench.config.schema_file import schema_text

    output.write_text(schema_text(), encoding="utf-8")


@app.command()
def reference(
    output: Annotated[Path, typer.Option(help="Folder to write to.")],
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
) -> None:
    """Keep the small tables of a run, for users to compare theirs with."""
    from symbench.comparison import reference_tables

    configuration = _read(config, overrides, study)
    for name, described in configuration.studies.items():
        reference_tables(described, configuration.layout, output / configuration.name / name)


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

    configuration = _read(config, overrides, study)
    damaged = artifacts.damaged_artifacts(configuration)
    outdated = artifacts.outdated_artifacts(configuration)
    if remove_damaged:
        for manifest in artifacts.remove_artifacts(configuration, [*damaged, *outdated]):
            print(manifest)
        print(f"{len(damaged) + len(outdated)} artifacts removed", file=sys.stderr)
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

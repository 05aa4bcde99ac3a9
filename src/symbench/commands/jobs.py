"""The commands behind the rules of the workflow; each can be run by hand in the same way."""

import sys
from typing import Annotated

import typer

from symbench.commands.app import (
    ConfigOption,
    ModelOption,
    SeedOption,
    SetOption,
    StudiesOption,
    StudyOption,
    TaskOption,
    ThreadsOption,
    TreatmentOption,
    app,
    read,
)
from symbench.config.study import Study
from symbench.costs import recorded
from symbench.errors import SymBenchError, choose
from symbench.files import remove
from symbench.layout import IMAGES, SEEDS, TABLES, Layout


@app.command()
def fetch(
    study: StudiesOption = None,
    task: Annotated[str | None, typer.Option(help="Name of the task in the one study.")] = None,
    data: Annotated[
        str | None,
        typer.Option(help="In place of it: <data set>/<fingerprint>, as in its path."),
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
    threads: ThreadsOption = 1,
) -> None:
    """Simulate or download the data of a task."""
    from symbench.stages.data import fetch_data

    configuration = read(config, overrides, study)
    if data is not None and task is None:
        known = {"/".join(key): found for key, found in configuration.data.items()}
        chosen = known[choose(data, known, "folder of data")]
    elif study is not None and len(study) == 1 and task is not None and data is None:
        chosen = configuration.study(study[0]).task(task)
    else:
        raise SymBenchError("fetch needs --study and --task, or --data; --task is of one study.")
    names = chosen.dataset_folder, chosen.data_fingerprint
    with recorded(configuration.layout.benchmark("fetch", *names)):
        fetch_data(configuration, chosen, threads)


@app.command("fetch-weights")
def fetch_weights(
    weights: Annotated[str, typer.Argument(help="Their fingerprint, as in their path.")],
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
) -> None:
    """Download published weights from the Hub."""
    from symbench.stages.data import fetch_published

    configuration = read(config, overrides, study)
    with recorded(configuration.layout.benchmark("fetch_weights", weights)):
        fetch_published(configuration, weights)


@app.command()
def audit(
    study: StudyOption,
    task: TaskOption,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Decide whether the symmetry of a task holds, and check the settings of its runs."""
    from symbench.stages.audit import audit_task

    configuration = read(config, overrides, [study])
    with recorded(configuration.layout.benchmark("audit", study, task)):
        audit_task(configuration, configuration.study(study).task(task))


@app.command()
def train(
    study: StudyOption,
    task: TaskOption,
    model: ModelOption,
    treatment: TreatmentOption,
    seed: Annotated[list[int], typer.Option(help="Seed of the run; several are trained at once.")],
    config: ConfigOption = None,
    overrides: SetOption = None,
    threads: ThreadsOption = 1,
) -> None:
    """Train a model, or take its published weights."""
    from symbench.stages.train import train_runs

    configuration = read(config, overrides, [study])
    runs = [configuration.study(study).run(task, model, treatment, each) for each in seed]
    job = f"seed{seed[0]}" if len(seed) == 1 else SEEDS
    with recorded(configuration.layout.benchmark("train", study, task, model, treatment, job)):
        train_runs(configuration, runs, threads)


@app.command("tune-check")
def tune_check(
    study: StudyOption,
    task: TaskOption,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Check what will be tried for the arms of a task, and write it down."""
    from symbench.tuning import check_trials

    configuration = read(config, overrides, [study])
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

    configuration = read(config, overrides, [study])
    chosen = trial_of(configuration.study(study), (task, model, treatment), trial, seed)
    names = (study, task, model, treatment, str(trial), str(seed))
    with recorded(configuration.layout.benchmark("tune_trial", *names)):
        run_trial(configuration, chosen, threads)


@app.command()
def tune(study: StudyOption, config: ConfigOption = None, overrides: SetOption = None) -> None:
    """Choose settings for each arm by the validation losses of its trials."""
    from symbench.tuning import choose_settings

    configuration = read(config, overrides, [study])
    with recorded(configuration.layout.benchmark("tune", study)):
        choose_settings(configuration, configuration.study(study))


@app.command()
def times(
    study: StudyOption,
    config: ConfigOption = None,
    overrides: SetOption = None,
    threads: ThreadsOption = 1,
) -> None:
    """Time the predictions of all networks of a study, alone on this machine."""
    from symbench.times import measure_times

    configuration = read(config, overrides, [study])
    with recorded(configuration.layout.benchmark("times", study)):
        measure_times(configuration, configuration.study(study), threads)


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
    from symbench.stages.evaluate import evaluate_run

    configuration = read(config, overrides, [study])
    run = configuration.study(study).run(task, model, treatment, seed)
    with recorded(configuration.layout.benchmark("evaluate", study, *run.key, f"seed{seed}")):
        evaluate_run(configuration, run, threads)


@app.command()
def compare(study: StudyOption, config: ConfigOption = None, overrides: SetOption = None) -> None:
    """Compare the runs of a study and judge its claims, from what is there."""
    from symbench.comparison import compare_study

    configuration = read(config, overrides, [study])
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
    from symbench.stages.evaluate import make_table

    configuration = read(config, overrides, [study])
    with recorded(configuration.layout.benchmark("table", study, name)):
        make_table(configuration, configuration.study(study), name)


@app.command()
def figure(
    name: Annotated[str, typer.Argument(help="Name of the figure in the study.")],
    study: StudyOption,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Draw one figure, and write the table that it shows."""
    from symbench.figures.draw import draw_figure
    from symbench.figures.results import StudyResults

    configuration = read(config, overrides, [study])
    with recorded(configuration.layout.benchmark("figure", study, name)):
        draw_figure(StudyResults(configuration.study(study), configuration.layout), name)


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
    from symbench.figures.results import StudyResults
    from symbench.remaking import side_by_side
    from symbench.report.build import build, part

    configuration = read(config, overrides, study)
    layout = configuration.layout
    if not compare:
        studies = [StudyResults(each, layout) for each in configuration.studies.values()]
        with recorded(layout.benchmark("report", "report")):
            build(configuration, layout.report, side_by_side(part, studies))
        return
    from symbench.artifacts import unfinished

    for described in configuration.studies.values():
        _compare_what_is_there(described, layout)
    build(configuration, layout.report)
    # What tells of a part of the runs has no provenance, so the workflow makes it anew.
    for described in unfinished(configuration):
        for table in TABLES:
            remove(layout.table_provenance(described.name, table))


def _compare_what_is_there(study: Study, layout: Layout) -> None:
    """Tables and figures of a study of which some runs failed; none of an earlier run is left."""
    from symbench.comparison import compare_study
    from symbench.figures.draw import draw_figure
    from symbench.figures.results import StudyResults

    try:
        compare_study(study, layout, partly=True)
    except SymBenchError as error:
        print(f"symbench: {study.name}: {error}", file=sys.stderr)
        for table in TABLES:
            remove(layout.table(study.name, table))
            remove(layout.table_provenance(study.name, table))
    results = StudyResults(study, layout)
    for figure in study.settings.figures:
        try:
            draw_figure(results, figure.name)
        except SymBenchError as error:
            print(f"symbench: {study.name}: {figure.name}: {error}", file=sys.stderr)
            for suffix in IMAGES:
                remove(layout.figure(study.name, figure.name, suffix))

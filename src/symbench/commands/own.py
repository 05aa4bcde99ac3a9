"""Commands for data and networks of the user's own: checks and advice."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import typer
import yaml

from symbench.commands.app import (
    ConfigOption,
    SetOption,
    app,
    read,
)
from symbench.data.dataset import SPLITS
from symbench.data.fields.well import MAY_DIFFER
from symbench.errors import SymBenchError, choose
from symbench.strict_yaml import Loader

V = TypeVar("V")

ParityOption = Annotated[
    list[str] | None, typer.Option(help="An axial field, as --parity vorticity=-1.")
]
MayDifferOption = Annotated[
    list[str] | None, typer.Option(help="What files may differ in: box or time_step.")
]


@app.command("init")
def make_own_project(
    folder: Annotated[Path, typer.Argument(help="Of the project; it is made.")],
) -> None:
    """Lay out a project: a study, a task, a network, profiles, a Snakefile."""
    from symbench.project import make_project

    for path in make_project(folder):
        print(path)
    print(f"Next: cd {folder} && snakemake --cores 2", file=sys.stderr)


@app.command("check-data")
def check_data(
    folder: Annotated[
        Path, typer.Argument(help="Holds train/, valid/ and test/, or data/, or files *.xyz.")
    ],
    stats: Annotated[bool, typer.Option("--stats", help="Make stats.yaml.")] = False,
    parity: ParityOption = None,
    may_differ: MayDifferOption = None,
    energy_key: Annotated[
        str | None, typer.Option(help="Name of the energy in the comments of extended XYZ.")
    ] = None,
    forces_key: Annotated[
        str | None, typer.Option(help="Name of the column of the forces in extended XYZ.")
    ] = None,
) -> None:
    """Check data of your own before anything is run: fields in The Well's schema, extended XYZ."""
    from symbench.data.fields.check_data import check_folder
    from symbench.data.fields.well_folder import data_root, holds_data
    from symbench.data.molecules.check_configurations import (
        check_configurations,
        configuration_files,
    )
    from symbench.data.molecules.extended_xyz import Keys

    signs = _each_once("--parity", map(_sign, parity or []))
    for name in may_differ or []:
        choose(name, MAY_DIFFER, "difference between files")
    if configurations := configuration_files(folder):
        if holds_data(data_root(folder)):
            raise SymBenchError(
                f"{folder} holds {configurations[0].name} beside splits of fields: give the file "
                "alone, or move it away."
            )
        of_fields = {"--stats": stats or None, "--parity": parity, "--may-differ": may_differ}
        _refuse(of_fields, configurations[0].name)
        checked = check_configurations(configurations, Keys(energy_key, forces_key))
    else:
        _refuse({"--energy-key": energy_key, "--forces-key": forces_key}, "fields")
        checked = check_folder(folder, signs, may_differ or [], statistics=stats)
    for line in checked.said:
        print(line)
    for problem in checked.problems:
        print(f"symbench: {problem}", file=sys.stderr)
    if checked.problems:
        sys.exit(1)


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
    parity: ParityOption = None,
    may_differ: MayDifferOption = None,
    study: Annotated[str | None, typer.Option(help="Study of a trained run.")] = None,
    task: Annotated[str | None, typer.Option(help="Task of a trained run.")] = None,
    treatment: Annotated[
        str | None, typer.Option(help="Treatment of a trained run; none by default.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of a trained run; 0 by default.")] = None,
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
    from symbench.advice.page import refuse_foreign_pages, write_page
    from symbench.data.fields.grid_data import FieldData

    choose(split, SPLITS, "split")
    for name in may_differ or []:
        choose(name, MAY_DIFFER, "difference between files")
    if (data is None) == (study is None):
        raise SymBenchError("advise needs --data, or --study and --task of a trained run.")
    refuse_foreign_pages(output)
    if data is not None:
        _refuse({"--task": task, "--treatment": treatment, "--seed": seed}, "--data")
        signs = _each_once("--parity", map(_sign, parity or []))
        arguments = _each_once("--argument", map(_argument, argument or []))
        differ = may_differ or []
        opened = FieldData(data, input_steps=input_steps, parity=signs, may_differ=differ)
        own = own_model(model, arguments, weights, opened)
        found = advice.advise_on_fields(own, opened, group, split=split, physical=physical)
    else:
        from symbench.stages.networks import trained_model

        of_own = {"--weights": weights, "--argument": argument, "--physical": physical or None}
        _refuse({**of_own, "--parity": parity, "--may-differ": may_differ}, "--study")
        configuration = read(config, overrides, [str(study)])
        run = configuration.study(str(study)).run(str(task), model, treatment or "none", seed or 0)
        trained, of_run, _ = trained_model(configuration, run)
        found = advice.advise_on(
            trained, of_run, run.task.dataset, group or run.task.settings.group, split=split
        )
    for caution in found.cautions:
        print(f"symbench: {caution}", file=sys.stderr)
    print(found.sentence)
    print(found.training)
    print(write_page(found, output))


def _sign(text: str) -> tuple[str, int]:
    """A field and its parity, from the command line."""
    name, _, sign = text.rpartition("=")
    if not name or sign not in ("1", "+1", "-1"):
        raise SymBenchError(f"--parity is '{text}'; give it as NAME=-1, or NAME=1.")
    return name, int(sign)


def _each_once(option: str, given: Iterable[tuple[str, V]]) -> dict[str, V]:
    """Values by name; raises `SymBenchError` if an option gives a name twice."""
    values: dict[str, V] = {}
    for name, value in given:
        if name in values:
            raise SymBenchError(f"{option} gives {name} twice: give it once.")
        values[name] = value
    return values


def _refuse(options: Mapping[str, object], beside: str) -> None:
    """Raise `SymBenchError` if an option is given that means nothing beside another."""
    if given := [name for name, value in options.items() if value is not None]:
        raise SymBenchError(f"{given[0]} means nothing beside {beside}: leave it out.")


def _argument(text: str) -> tuple[str, object]:
    """An argument of a model, from the command line; its value as in YAML."""
    name, sign, value = text.partition("=")
    try:
        if name.isidentifier() and sign:
            return name, yaml.load(value, Loader=Loader)
    except yaml.YAMLError:
        pass
    raise SymBenchError(f"--argument is '{text}'; give it as NAME=VALUE.")

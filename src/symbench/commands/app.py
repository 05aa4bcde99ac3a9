"""What all commands share: the application, options, and the config that they name."""

from pathlib import Path
from typing import Annotated

import typer

from symbench.config.read import Configuration, read_configuration

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

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


def read(
    config: list[Path] | None, overrides: list[str] | None, studies: list[str] | None = None
) -> Configuration:
    """The configuration that the options name; raises `ConfigError` for a mistake in it."""
    return read_configuration(config or [], studies, overrides=overrides or [])

"""Commands that say what there is: names that a config may use, and the version."""

import ast
from importlib.metadata import version as installed
from typing import Annotated, get_args

import typer

from symbench.commands.app import ConfigOption, SetOption, StudiesOption, app, read
from symbench.config import registry
from symbench.config.code import parsed
from symbench.errors import choose

CODE: tuple[registry.Kind, ...] = get_args(registry.Kind)
OF_STUDIES = ("studies", "tasks", "claims", "metrics")


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Benchmark ways of imposing a symmetry on learned models."""
    if version:
        print(f"symbench {installed('symbench')}")
        raise typer.Exit


@app.command("list")
def list_names(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join((*CODE, *OF_STUDIES))}.")],
    config: ConfigOption = None,
    overrides: SetOption = None,
    study: StudiesOption = None,
) -> None:
    """List what a config may name, with what it is; tasks, claims and metrics are of a config."""
    choose(kind, (*CODE, *OF_STUDIES), "kind of name")
    lines: dict[str, str] = {}
    for code in CODE:
        if code == kind:
            lines = {name: _summary(code, name) for name in registry.names(code)}
    if kind in OF_STUDIES:
        from symbench.evaluation.scores import metrics_of, own_metric

        for name, described in read(config, overrides, study).studies.items():
            if kind == "studies":
                lines[name] = described.settings.title
            elif kind == "claims":
                claims = described.settings.claims
                lines |= {f"{name}/{claim.name}": claim.statement for claim in claims}
            for task in described.tasks.values():
                settings = task.settings
                symmetry = f"{settings.group}, {'exact' if settings.exact else 'broken'}"
                if kind == "tasks":
                    lines[f"{name}/{task.name}"] = f"{settings.dataset}, {symmetry}"
                elif kind == "metrics":
                    own = tuple(map(own_metric, settings.metrics))
                    for metric in metrics_of(task.dataset, own).values():
                        told = f"{metric.unit}, {metric.better} is better"
                        known = lines.get(metric.name, "").split("; ")
                        # Tasks have units of their own.
                        lines[metric.name] = "; ".join(dict.fromkeys([*filter(None, known), told]))
    width = max(map(len, lines), default=0)
    for name, told in lines.items():
        print(f"{name:{width}}  {told}".rstrip())


def _summary(kind: registry.Kind, name: str) -> str:
    """The first line of what the code behind a name says of itself, which is not imported."""
    module, member = registry.path_of(kind, name).split(":")
    source = parsed(module)
    for node in source.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == member:
            return _first_line(node).removeprefix(f"`{name}`: ")
    return _first_line(source)


def _first_line(node: ast.ClassDef | ast.FunctionDef | ast.Module) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]

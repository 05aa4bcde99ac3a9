"""The site builds without a warning, and what its pages say can be typed in."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer.main

from symbench.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "src/symbench/template/README.md",
]
COMMAND = re.compile(r"^(?: {4}|\t)?(symbench [^|#`]+?)(?: {2,}#.*)?$", re.MULTILINE)
INLINE = re.compile(r"`(symbench [a-z][^`]*)`")
TARGET = re.compile(r"(?:^ {4}|`)make ([a-z-]+)", re.MULTILINE)


def said(page: Path) -> str:
    """The text of a page, with lines that go on joined."""
    return page.read_text(encoding="utf-8").replace("\\\n", " ")


def test_the_site_builds_without_a_warning(tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={"NO_MKDOCS_2_WARNING": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    index = (tmp_path / "index.html").read_text()
    # It opens without a network.
    assert not re.search(r'(?:src|href)="https?:[^"]*\.(?:js|css|woff2?)"', index)
    assert "symmetrize_points" in (tmp_path / "api.html").read_text()
    assert "check-data" in (tmp_path / "commands.html").read_text()
    for page in ("choosing", "groups", "config", "security"):
        assert (tmp_path / f"{page}.html").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_exist(page):
    group = typer.main.get_command(app)
    for text in {*COMMAND.findall(said(page)), *INLINE.findall(said(page))}:
        words = shlex.split(text.replace("…", ""))[1:]
        name = next((word for word in words if not word.startswith("-")), None)
        if name is None or name.isupper():
            continue
        context = group.make_context("symbench", [], resilient_parsing=True)
        command = group.get_command(context, name)
        assert command is not None, f"{page.name}: there is no command in '{text}'"
        options = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)}
        given = [word for word in words if re.match(r"--[a-z]", word)]
        unknown = {word.partition("=")[0] for word in given} - options - {"--help", "--version"}
        assert not unknown, f"{page.name}: {unknown} in '{text}'"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_targets_of_make_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGET.findall(said(page))) <= targets


def test_the_first_steps_run():
    text = said(ROOT / "docs/first_steps.md")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    printed: list[float] = []
    exec(code, {"print": printed.append})
    assert printed[0] < 1e-5


def test_patterns_see_commands():
    """So that the tests above could fail."""
    page = ROOT / "README.md"
    assert any(text.startswith("symbench init") for text in COMMAND.findall(said(page)))
    assert "reproduce" in TARGET.findall(said(page))
    assert isinstance(typer.main.get_command(app), click.Group | typer.core.TyperGroup)

"""One finished run that many tests copy, and our commands without a start of Python for each."""

import fcntl
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from symbench import cli
from tests.workflow.checkout import Checkout


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Checkout:
    """A checkout after a run, made once for all processes of the tests; to be copied, not changed.

    Plain `snakemake --cores 1`, as the README says it: with the default profile.
    """
    shared = tmp_path_factory.getbasetemp()
    if shared.name.startswith("popen-"):
        shared = shared.parent
    folder = shared / "finished"
    with (shared / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            checkout = Checkout.make(shared / "in work; touch 'hacked'")
            result = checkout.snakemake()
            assert result.returncode == 0, result.stdout + result.stderr
            (checkout.folder / "said").write_text(result.stdout + result.stderr)
            # Nobody finds it under this name before it is done; that it moved is part of the tests.
            checkout.folder.rename(folder)
    return Checkout(folder)


@pytest.fixture
def checkout(finished, tmp_path) -> Checkout:
    """A copy of a finished run, for a test that changes it."""
    return finished.copy(tmp_path / "copy")


@pytest.fixture(scope="session")
def unfinished(tmp_path_factory) -> Checkout:
    """A checkout before any run; to be planned with, not run."""
    return Checkout.make(tmp_path_factory.mktemp("unfinished") / "checkout")


@pytest.fixture
def command(monkeypatch, capsys) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """One of our commands, started in a folder within the process of the tests."""

    def call(folder: Path, *words: object) -> "subprocess.CompletedProcess[str]":
        monkeypatch.chdir(folder)
        monkeypatch.setattr("sys.argv", ["symbench", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, ended.value.code or 0, said.out, said.err)

    return call


@pytest.fixture
def symbench(checkout, command) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A command in the copy of a finished run, within the process of the tests."""
    return partial(command, checkout.folder)

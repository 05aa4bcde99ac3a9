"""A project outside of the repository, with the rules of an installed wheel."""

import os
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from symbench.errors import EXTRAS, ConfigError
from symbench.project import config_folder, make_project, shipped, snakefile

ROOT = Path(__file__).parents[2]
SHORT = [
    "studies.own.seeds=[0]",
    "studies.own.training.epochs=1",
    "studies.own.training.samples_per_epoch=16",
    "studies.own.evaluation.samples_per_trajectory=1",
]
MODULE = """
import symbench.project

module benchmark:
    snakefile: symbench.project.snakefile()

use rule * from benchmark as benchmark_*

rule copy:
    default_target: True
    input: "results/laptop/own/claims.csv"
    output: "claims_of_the_module.csv"
    shell: "cp {input} {output}"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The folder of an installation, with nothing of the checkout beside it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command = [*build, "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    (file,) = folder.glob("symbench-*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(site: Path, folder: Path, *words: object) -> str:
    """What a command prints; `symbench` and `snakemake` see the installation first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": str(site), "PATH": path}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_project_runs_with_the_rules_of_the_wheel(wheel, tmp_path):
    made = run(wheel, tmp_path, "symbench", "init", "my project").splitlines()
    folder = tmp_path / "my project"
    assert {str(path.relative_to(tmp_path)) for path in folder.rglob("*") if path.is_file()} == set(
        made
    )
    where = "from symbench.project import snakefile; print(snakefile())"
    assert run(wheel, folder, sys.executable, "-c", where).startswith(str(wheel))
    snakemake = ["snakemake", "--cores", "2", "--config", f"set={';'.join(SHORT)}"]
    run(wheel, folder, *snakemake)
    assert (folder / "results" / "laptop" / "report.html").is_file()
    assert "Nothing to be done" in run(wheel, folder, *snakemake, "--dry-run")
    # The same rules as a module of another workflow, whose results are there.
    (folder / "Snakefile").write_text(MODULE)
    run(wheel, folder, *snakemake)
    claims = folder / "results" / "laptop" / "own" / "claims.csv"
    assert (folder / "claims_of_the_module.csv").read_bytes() == claims.read_bytes()


def test_rules_and_configs_of_a_checkout_are_its_own(tmp_path):
    assert shipped() == ROOT
    assert Path(snakefile()).is_file()
    assert config_folder(ROOT) == ROOT / "config"
    assert config_folder(tmp_path) == ROOT / "config"


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds something already"):
        make_project(tmp_path)
    with pytest.raises(ConfigError, match="holds something already"):
        make_project(tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "empty").mkdir()
    assert tmp_path / "empty" / "Snakefile" in make_project(tmp_path / "empty")


def test_extras_bring_what_they_are_said_to():
    """But for jax, which comes with exponax, and qm9pack, which no test installs."""
    required = [Requirement(line) for line in requires("symbench") or ()]
    homes = packages_distributions()
    for module, extra in EXTRAS.items():
        if module in ("jax", "qm9pack"):
            continue
        of_extra = {
            canonicalize_name(each.name)
            for each in required
            if each.marker and each.marker.evaluate({"extra": extra})
        }
        assert {canonicalize_name(name) for name in homes[module]} & of_extra, module


def test_an_extra_that_is_missing_is_named(tmp_path):
    """As in an installation of the package alone: whatever an extra brings cannot be imported."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "for name in ('huggingface_hub', 'jax', 'pooch', 'pennylane', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "symbench", "fetch", "--study", "group_averaging"]
    command += ["--task", "gray_scott", "--config", "config/sizes/smoke.yaml"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'symbench[workflow]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    code = "import symbench; symbench.symmetrize, symbench.symmetrize_points, symbench.advise"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)

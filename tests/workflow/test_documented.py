"""Every command line of README.md and docs/ runs: here, in another test, or it is said why not."""

import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest

from symbench.config.read import read_configuration
from symbench.project import make_project
from tests.figures import studies

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAM = r"(?:apptainer|cd|docker|git|kubectl|make|pip|python|sbatch|snakemake|source|symbench)"
LINE = re.compile(rf"^(?: {{4}})?({PROGRAM} [^`|]*?)(?: {{2,}}#.*)?$")

PROJECT = (
    "symbench figures --only gain",
    "symbench archive laptop.tar.gz",
    "symbench figures --results laptop.tar.gz --output there",
)
CHECKOUT = (
    "symbench progress",
    "symbench compare-with results/reference/laptop",
    "symbench plan --config config/sizes/paper.yaml",
    "symbench judge scores.csv --baseline plain",
    "symbench check-data FOLDER",
    "symbench init my_project",
    "symbench check-results --config config/sizes/paper.yaml --remove-damaged",
)
# What other tests run, as it stands or with fewer epochs.
ELSEWHERE = {
    "cd my_project": "workflow/test_project.py",
    "cd my_project && snakemake --cores 2": "workflow/test_project.py",
    "pip install dist/symbench-*.whl": "workflow/test_project.py",
    "snakemake --cores 2": "workflow/conftest.py",
    "snakemake --dry-run --config size=paper": "workflow/test_commands.py",
    "snakemake --cores 2 --configfile oscillators.yaml": "workflow/test_extending.py",
    "make reproduce CONFIG=oscillators.yaml": "workflow/test_extending.py",
    "make times": "workflow/test_times.py",
    "symbench figures --results results/reference/laptop --output there": (
        "report/test_reference_tables.py"
    ),
    "symbench advise --data my_flow --model my_network:Network --weights my_network.pt": (
        "workflow/test_tutorial.py"
    ),
    "symbench advise --data my_flow --model my_network:Network --weights my_network.pt "
    "--input-steps 2": "workflow/test_tutorial.py",
    "symbench check-data my_flow": "workflow/test_tutorial.py",
    "python my_network.py": "workflow/test_tutorial.py",
    "symbench fetch --config config/sizes/smoke.yaml --study group_averaging "
    "--task decaying_turbulence": "workflow/test_tutorial.py",
}
# What needs more than a test has.
NETWORK, CLUSTER, HOURS = "a network", "a cluster or containers", "minutes to hours"
CANNOT = {
    'pip install "dist/symbench-0.1.0-py3-none-any.whl[workflow]"': NETWORK,
    "make download SIZE=paper LIMIT_GB=500": NETWORK,
    "symbench pin --config config/sizes/paper.yaml --output pins.yaml": NETWORK,
    "make container ENGINE=docker": CLUSTER,
    "make apptainer": CLUSTER,
    "make reproduce SIZE=paper PROFILE=slurm": CLUSTER,
    "make reproduce SIZE=paper PROFILE=kubernetes": CLUSTER,
    'make reproduce PROFILE=slurm OPTIONS="--software-deployment-method apptainer"': CLUSTER,
    "snakemake --workflow-profile profiles/slurm --config size=paper": CLUSTER,
    "snakemake --workflow-profile profiles/slurm --config size=paper --until fetch -- all "
    "MANIFESTS": CLUSTER,
    "make repair SIZE=paper": CLUSTER,
    "make reproduce": HOURS,
    "make test": HOURS,
    "make report": HOURS,
    "make reproduce SIZE=smoke CORES=2": HOURS,
    "make reproduce STUDIES=sign_equivariant": HOURS,
    "make reproduce CONFIG=config/overlays/ace_nbody.yaml": HOURS,
    "make reference CONFIG=config/overlays/link_prediction.yaml": HOURS,
    "make reference CONFIG=config/overlays/ace_broken.yaml": HOURS,
    "snakemake --cores 2 --configfile config/overlays/ace_nbody.yaml": HOURS,
    "snakemake --cores 2 --configfile config/overlays/ace_broken.yaml": HOURS,
    "snakemake --cores 2 --config size=smoke 'set=studies.ace.training.epochs=3'": HOURS,
    "snakemake --cores 2 --config size=smoke "
    "'set=studies.ace.training.epochs=3;studies.ace.seeds=[0, 1]'": HOURS,
}


def commands(page: Path) -> list[str]:
    """Command lines of a page: indented, or in a fence of a shell."""
    found, fence = [], None
    for line in page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line.startswith("```"):
            fence = line.removeprefix("```") if fence is None else None
        elif (fence in ("bash", "sh")) or (fence is None and line.startswith("    ")):
            found += [" ".join(match.split()) for match in LINE.findall(line)]
    return found


def test_every_command_line_is_run_or_it_is_said_why_not():
    written = {text for page in PAGES for text in commands(page)}
    known = {*PROJECT, *CHECKOUT, *ELSEWHERE, *CANNOT}
    assert written - known == set()
    assert known - written == set()
    assert all((ROOT / "tests" / name).is_file() for name in ELSEWHERE.values())


def test_command_lines_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "    make lint    # all\n\n```bash\nsymbench list\n```\n\n```python\nmake = 3\n```\n"
        "make sense\n"
    )
    assert commands(page) == ["make lint", "symbench list"]


def test_commands_about_results_run_in_a_project(tmp_path, command, monkeypatch):
    """With made-up evaluations: nothing is trained."""
    project = tmp_path / "my_project"
    make_project(project)
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(project)
    study = read_configuration([], []).study("own")
    made = studies.results(study, tmp_path / "made", compare=False).layout.results
    shutil.move(made / "own", project / "results" / "laptop" / "own")
    for text in PROJECT:
        done = command(project, *shlex.split(text)[1:])
        assert done.returncode == 0, (text, done.stderr)
    assert (project / "results" / "laptop" / "own" / "figures" / "gain.png").is_file()
    assert (project / "there" / "results" / "own" / "figures" / "frontier.pdf").is_file()


@pytest.fixture
def checkout_before(tmp_path) -> Path:
    """The configs and references of the repository, what a run would find, and files of a user."""
    folder = tmp_path / "checkout"
    (folder / "results").mkdir(parents=True)
    (folder / "config").symlink_to(ROOT / "config")
    (folder / "results" / "reference").symlink_to(ROOT / "results" / "reference")
    for claims in (ROOT / "results" / "reference" / "laptop").glob("*/claims.csv"):
        run = folder / "results" / "laptop" / claims.parent.name
        run.mkdir(parents=True)
        shutil.copyfile(claims, run / claims.name)
    rows = [
        {"method": method, "seed": seed, "sample": sample, "score": score + seed + sample % 3}
        for method, score in (("plain", 2.0), ("averaged", 1.0))
        for seed in range(3)
        for sample in range(8)
    ]
    pd.DataFrame(rows).to_csv(folder / "scores.csv", index=False)
    (folder / "FOLDER").mkdir()
    atoms = (
        "2\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-1.0\n"
        "H 0 0 0 0 0 0.1\nF 0 0 0.9 0 0 -0.1\n"
    )
    (folder / "FOLDER" / "train.xyz").write_text(atoms * 3)
    return folder


def test_commands_run_in_a_checkout(checkout_before, command):
    said = {}
    for text in CHECKOUT:
        done = command(checkout_before, *shlex.split(text)[1:])
        assert done.returncode == 0, (text, done.stderr)
        said[text.split()[1]] = done.stdout
    assert re.search(r"\d+ claims and cases: \d+ agrees", said["compare-with"])
    assert "critical path" in said["plan"]
    assert said["progress"].startswith("train 0 of ")
    assert "better" in said["judge"]
    assert (checkout_before / "my_project" / "Snakefile").is_file()

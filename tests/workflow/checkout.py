"""A small checkout of the project: two studies of seconds, with the code of the package beside."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
STUDIES = ("first", "second")
# Folders whose names a shell would misread, for every run here.
DATA = "the data; touch hacked"
RESULTS = "results'; touch hacked"
STUDY = {
    "title": "A study of a test",
    "paper": "None.",
    "question": "Is it done again?",
    "reference_metrics": ["mse"],
    "seeds": [0],
    "evaluations": ["plain"],
    "tasks": {
        "particles": {
            "dataset": "charged_particles",
            "group": "O(3)",
            "exact": False,
            "parameters": {
                "dimension": 3,
                "trajectories": {"train": 40, "valid": 8, "test": 14},
                "input_step": 50,
                "target_step": 80,
            },
        }
    },
    "models": {
        "gnn": {"architecture": "particle_graph_network", "settings": {"hidden": 8, "layers": 1}},
        "wide": {"architecture": "particle_graph_network", "settings": {"hidden": 9, "layers": 1}},
    },
    "training": {"epochs": 1, "batch_size": 10, "learning_rate": 0.001},
    "evaluation": {"batch_size": 20, "elements": 2},
    "runs": [{"tasks": ["particles"], "models": ["gnn"]}],
    "claims": [
        {
            "name": "small_error",
            "statement": "The error is small",
            "origin": "ours",
            "source": "[PROPOSED] by a test",
            "paper_value": "not known",
            "measure": "value",
            "of": {"metric": "mse"},
            "where": {"model": "gnn"},
            "expect": {"below": 1000},
            "unit": "squared length",
        }
    ],
    "figures": [{"name": "validation_loss", "caption": "Validation loss."}],
}
# The second study describes a task of the same name otherwise, and draws nothing.
SECOND = {
    **STUDY,
    "title": "Another study",
    "tasks": {
        "particles": {
            **STUDY["tasks"]["particles"],
            "parameters": {
                **STUDY["tasks"]["particles"]["parameters"],
                "trajectories": {"train": 7, "valid": 8, "test": 14},
            },
        }
    },
    "figures": [],
}


class Checkout:
    """A folder with the workflow, a config and the code, and the commands as a user starts them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def make(cls, folder: Path) -> "Checkout":
        """A new one."""
        for name in ("workflow", "profiles", "src"):
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg*")
            )
        shutil.copy(ROOT / "Snakefile", folder)
        shutil.copy(ROOT / "Makefile", folder)
        made = cls(folder)
        made.write("config/studies/first.yaml", STUDY)
        made.write("config/studies/second.yaml", SECOND)
        size = {"data": DATA, "results": RESULTS, "studies": {name: {} for name in STUDIES}}
        for name in ("laptop", "other"):
            made.write(f"config/sizes/{name}.yaml", {"size": name, **size})
        for name in ("requirements.lock", "pyproject.toml"):
            (folder / name).touch()
        (folder / ".venv").mkdir()
        (folder / ".venv" / "bin").symlink_to(BIN)
        made.install()
        return made

    def install(self) -> None:
        """What `make` calls is the environment of the tests, as if it had been made here."""
        (self.folder / ".venv" / "installed").write_text(f"{self.folder}\n")

    def copy(self, folder: Path) -> "Checkout":
        """As `cp -a` does it."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", self.folder, folder], check=True)
        return Checkout(folder)

    def write(self, name: str, content: object) -> Path:
        """A file of the config."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    def edit(self, name: str, *replaced: tuple[str, str]) -> None:
        """Replace text in a file, where it must stand."""
        path = self.folder / name
        text = path.read_text()
        for before, after in replaced:
            assert before in text, (name, before)
            text = text.replace(before, after, 1)
        path.write_text(text)

    def run(self, *words, cwd=None, **environment) -> subprocess.CompletedProcess[str]:
        """A command of the environment, with the code of this checkout."""
        return subprocess.run(
            [str(BIN / words[0]) if (BIN / words[0]).exists() else words[0], *map(str, words[1:])],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=cwd or self.folder,
            env=self.environment | environment,
            check=False,
        )

    @property
    def environment(self) -> dict[str, str]:
        """That of the tests, with this checkout's code and without a network."""
        return {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder / "src"),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        }

    def snakemake(self, *words, **options) -> subprocess.CompletedProcess[str]:
        """The workflow."""
        return self.run("snakemake", "--cores", "1", *words, **options)

    def symbench(self, *words, **options) -> subprocess.CompletedProcess[str]:
        """One of our commands."""
        return self.run("symbench", *words, **options)

    def planned(self, *words, **options) -> set[str]:
        """What a dry run says that it would do: each job as its rule and its wildcards."""
        return jobs(self.snakemake("--dry-run", *words, **options))

    def results(self, name: str = "") -> Path:
        """A path below the results."""
        return self.folder / RESULTS / "laptop" / name

    def data(self, train: int) -> Path:
        """The folder of the data with so many trajectories to train on."""
        (found,) = (
            path.parent
            for path in (self.folder / DATA).glob("*/*/manifest.json")
            if yaml.safe_load(path.read_text())["parameters"]["trajectories"]["train"] == train
        )
        return found

    def trained(self, study: str = "first", model: str = "gnn", seed: int = 0) -> Path:
        """The folder of a training."""
        return self.results(f"{study}/models/particles/{model}/none/seed{seed}")

    def evaluated(self, study: str = "first", model: str = "gnn", seed: int = 0) -> Path:
        """The file of an evaluation."""
        return self.results(f"{study}/evaluations/particles/{model}/none/plain/seed{seed}.nc")


def jobs(result: subprocess.CompletedProcess[str]) -> set[str]:
    """Jobs of a dry run, such as "train first/particles/gnn/none/0"."""
    assert result.returncode == 0, result.stdout + result.stderr
    said = result.stdout + result.stderr
    found = set()
    for block in re.split(r"\n(?=(?:local)?rule \w+:\n)", said)[1:]:
        rule = re.match(r"(?:local)?rule (\w+):", block).group(1)
        wildcards = re.search(r"^    wildcards: (.*)$", block, flags=re.MULTILINE)
        names = re.findall(r"\w+=([^,\n]*)", wildcards.group(1)) if wildcards else []
        rule = re.sub(r"evaluate_\d+_.*", "evaluate", rule)
        found.add(" ".join([rule, "/".join(names)]).strip())
    return found - {"all"}


def sentence(result: subprocess.CompletedProcess[str]) -> str:
    """The one sentence on standard error of a command that failed."""
    assert result.returncode == 1, result.stdout + result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("symbench:")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]

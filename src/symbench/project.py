"""Projects outside of this repository: where the rules that come with the package are, and a start.

A wheel holds rules, configs and profiles in its folder `shipped`; a checkout has them at its top.
"""

import shutil
from pathlib import Path

from symbench.errors import ConfigError

_PACKAGE = Path(__file__).parent
_TEMPLATE = _PACKAGE / "template"
# Of a project: others are copied by those who need them.
_PROFILES = ("default", "slurm")


def shipped() -> Path:
    """The folder that holds `workflow`, `config` and `profiles` of the package.

    Raises:
        ConfigError: if the package was installed without them.

    """
    for folder in (_PACKAGE / "shipped", _PACKAGE.parents[1]):
        if (folder / "workflow" / "Snakefile").is_file():
            return folder
    raise ConfigError("This installation has no rules: install symbench from a wheel or checkout.")


def snakefile() -> str:
    """The rules, for `include` or `module` in a Snakefile of one's own."""
    return str(shipped() / "workflow" / "Snakefile")


def config_folder(beside: Path) -> Path:
    """The folder `config` beside a Snakefile, or the one of the package where there is none."""
    own = beside / "config"
    return own if (own / "sizes").is_dir() else shipped() / "config"


def make_project(folder: Path) -> list[Path]:
    """Lay out a project: a study, a task, a network, profiles, and the Snakefile that runs them.

    Args:
        folder: is made; it may be there, if it is empty.

    Returns:
        The files that were made, sorted.

    Raises:
        ConfigError: if the folder holds anything.

    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{folder} holds something already: a project begins in a new folder, "
            "and nothing of yours is written over."
        )
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(_TEMPLATE, folder, dirs_exist_ok=True, ignore=ignore)
    for name in _PROFILES:
        shutil.copytree(shipped() / "profiles" / name, folder / "profiles" / name)
    return sorted(path for path in folder.rglob("*") if path.is_file())

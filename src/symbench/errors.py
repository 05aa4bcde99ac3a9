"""Errors that a user can act on: each message is one sentence that says what is wrong and where."""

import difflib
from collections.abc import Iterable

# Packages that come with an extra, and with which.
EXTRAS = {
    **dict.fromkeys(("pennylane", "pyscf"), "quantum"),
    **dict.fromkeys(("qm9pack",), "data"),
    **dict.fromkeys(
        (
            "ase",
            "e3nn",
            "exponax",
            "h5netcdf",
            "huggingface_hub",
            "jax",
            "matplotlib",
            "neuralop",
            "PIL",
            "pooch",
            "seaborn",
            "snakemake",
            "the_well",
            "torch_geometric",
            "torchvision",
        ),
        "workflow",
    ),
}


class SymBenchError(Exception):
    """Base of all errors whose message alone tells the user what to mend."""


class ConfigError(SymBenchError):
    """A key or value of the configuration is not allowed."""


class DataError(SymBenchError):
    """A data file is missing, truncated, foreign, or holds values that no model can use."""


class CheckpointError(SymBenchError):
    """Weights do not fit the model, or cannot be read safely."""


class SymmetryError(SymBenchError):
    """A group, an element or an action does not fit the data or the grid."""


class AuditError(SymmetryError):
    """A symmetry that was declared exact fails its audit."""


class TrainingError(SymBenchError):
    """Training cannot go on, for instance because the loss is not finite."""


class DivergedError(TrainingError):
    """The loss became infinite or no number, though the data are finite."""


class DeviceMemoryError(SymBenchError):
    """A device has too little memory for what it shall do."""


def choose(name: str, allowed: Iterable[str], what: str) -> str:
    """Return `name` if it is among `allowed`, else raise a `ConfigError` that names the nearest."""
    options = sorted(allowed)
    if name in options:
        return name
    raise ConfigError(
        f"Unknown {what} '{name}'; allowed: {', '.join(options)}.{nearest(name, options)}"
    )


def nearest(name: str, options: Iterable[str]) -> str:
    """A question that names the most similar of some options; empty if none is similar."""
    found = difflib.get_close_matches(name, list(options), n=1)
    return f" Did you mean '{found[0]}'?" if found else ""


def lacking_extra(error: BaseException) -> str:
    """What to install where an import failed for want of an extra; empty for any other error."""
    name = (getattr(error, "name", None) or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or name not in EXTRAS:
        return ""
    return f"it needs {name}: pip install 'symbench[{EXTRAS[name]}]'"

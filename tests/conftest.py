"""The device of the tests, and small simulated data that many of them share."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from symbench import devices
from symbench.data.dataset import Dataset
from symbench.data.manifest import write_manifest
from symbench.data.raw_files import RawFiles
from symbench.devices import DEVICE, chosen_device
from tests.pretended_card import CARD, pretended_card

torch.set_num_threads(1)
# On the processor, unless `make test DEVICE=cuda` says otherwise. With DEVICE=pretended, numbers of
# the processor say that they lie on a GPU: tests and package are held to it where there is none.
PRETENDED = os.environ.get(DEVICE) == "pretended"
if PRETENDED:
    os.environ[DEVICE] = "cpu"
os.environ.setdefault(DEVICE, "cpu")
if os.environ[DEVICE] == "cuda" and torch.cuda.is_available():
    # Many processes of the tests share a GPU, for which the jobs of a run would wait.
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "0")))
    os.environ[DEVICE] = f"cuda:{worker % torch.cuda.device_count()}"
# How long an example takes says nothing on a machine that other tests share.
settings.register_profile("symbench", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("symbench"), max_examples=2000)
settings.load_profile("symbench")

SMALL = {
    "resolution": 16,
    "trajectories": {"train": 6, "valid": 1, "test": 2},
    "frames": 12,
    "frame_interval": 0.2,
    "steps_per_frame": 4,
}


@pytest.fixture(scope="session", autouse=PRETENDED)
def pretended() -> Iterator[None]:
    """A card that is none, for all tests."""
    with pytest.MonkeyPatch.context() as patch, pretended_card():
        patch.setattr(devices, "_device", lambda *_: CARD)
        yield


@pytest.fixture
def device() -> torch.device:
    """Where the package computes, and with it the networks of tests."""
    return chosen_device()


def fetched(dataset: Dataset, directory: Path, *folders: Path) -> Path:
    """A folder with the data of a data set and their manifest, as the workflow leaves it."""
    directory.mkdir(parents=True, exist_ok=True)
    manifest = dataset.fetch(directory, RawFiles(folders))
    write_manifest(directory, manifest, type(dataset).__name__, "fingerprint of a test")
    return directory


@pytest.fixture(scope="session")
def turbulence(tmp_path_factory) -> Path:
    """A folder with data of decaying turbulence."""
    from symbench.data.fields.decaying_turbulence import DecayingTurbulence

    directory = tmp_path_factory.mktemp("decaying_turbulence")
    return fetched(DecayingTurbulence(**SMALL), directory)


@pytest.fixture(scope="session")
def kolmogorov(tmp_path_factory) -> Path:
    """A folder with data of Kolmogorov flow, after it has forgotten its start."""
    from symbench.data.fields.kolmogorov_flow import KolmogorovFlow

    directory = tmp_path_factory.mktemp("kolmogorov_flow")
    settings = {
        **SMALL,
        "trajectories": {"train": 16, "valid": 1, "test": 2},
        "frame_interval": 0.5,
        "steps_per_frame": 10,
        "warm_up": 40,
    }
    return fetched(KolmogorovFlow(**settings), directory)

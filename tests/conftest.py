"""Small simulated data that many tests share."""

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)

SMALL = {
    "resolution": 16,
    "trajectories": {"train": 6, "valid": 1, "test": 2},
    "frames": 12,
    "frame_interval": 0.2,
    "steps_per_frame": 4,
}


@pytest.fixture(scope="session")
def turbulence(tmp_path_factory) -> Path:
    """A folder with data of decaying turbulence."""
    from symbench.data.fields.decaying_turbulence import DecayingTurbulence

    directory = tmp_path_factory.mktemp("decaying_turbulence")
    DecayingTurbulence(**SMALL).fetch(directory)
    return directory


@pytest.fixture(scope="session")
def kolmogorov(tmp_path_factory) -> Path:
    """A folder with data of Kolmogorov flow, after it has forgotten its start."""
    from symbench.data.fields.kolmogorov_flow import KolmogorovFlow

    directory = tmp_path_factory.mktemp("kolmogorov_flow")
    KolmogorovFlow(
        **{
            **SMALL,
            "trajectories": {"train": 16, "valid": 1, "test": 2},
            "frame_interval": 0.5,
            "steps_per_frame": 10,
            "warm_up": 40,
        }
    ).fetch(directory)
    return directory

"""Batches of windows against WellDataset and DataLoader, and the allocator's share of a step."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from the_well.data.datasets import WellDataset
from the_well.data.normalization import ZScoreNormalization
from torch.utils.data import DataLoader

from benchmarks.timing import in_turns
from symbench.data.fields.grid_data import FieldData
from symbench.data.fields.well_format import read_header
from symbench.data.fields.well_writer import write_file, write_statistics
from symbench.memory import keep_freed_memory
from symbench.models.fields.the_well import fno
from symbench.symmetry.grids.field import Field

BATCH = 16


def rows() -> Iterator[dict[str, object]]:
    """Samples per second of one epoch in random order, from data that fits in memory."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        write_noise(directory, 64)
        split = FieldData(directory).split("train")
        theirs = WellDataset(
            path=str(directory / "train"),
            normalization_path=str(directory / "stats.yaml"),
            n_steps_input=4,
            n_steps_output=1,
            use_normalization=True,
            normalization_type=ZScoreNormalization,
        )
        loader = DataLoader(theirs, batch_size=BATCH, shuffle=True, num_workers=0)

        def ours() -> None:
            order = np.random.default_rng(0).permutation(len(split.samples))
            for rows_of_batch in np.array_split(split.samples[order], len(order) // BATCH):
                split.batch(rows_of_batch)

        def peer() -> None:
            for _ in loader:
                pass

        ours_seconds, peer_seconds = in_turns(ours, peer, rounds=3)
    count = len(split.samples)
    yield {
        "data": "16 trajectories, 64x64, 3 channels",
        "symbench (samples/s)": count / ours_seconds,
        "WellDataset + DataLoader (samples/s)": count / peer_seconds,
        "ratio": peer_seconds / ours_seconds,
    }


def write_noise(directory: Path, resolution: int, trajectories: int = 16) -> None:
    """Write a data set of noise: so many trajectories to train on, one to validate by."""
    for split, count in (("train", trajectories), ("valid", 1)):
        shape = (count, 34, 3, resolution, resolution)
        write_file(
            directory / split / "noise.hdf5",
            dataset="noise",
            fields=[Field("pressure"), Field("velocity", 1)],
            values=np.random.default_rng(0).normal(size=shape).astype(np.float32),
            extent=1.0,
            time=np.arange(34.0),
            parameters={},
        )
    header = read_header(directory / "train" / "noise.hdf5")
    write_statistics(directory / "stats.yaml", [header])


def allocator_rows() -> Iterator[dict[str, object]]:
    """One training step of an FNO with and without keeping freed memory."""
    model = fno(
        modes=12,
        hidden_channels=16,
        dim_in=12,
        dim_out=3,
        n_spatial_dims=2,
        spatial_resolution=(64, 64),
    )
    optimizer = torch.optim.AdamW(model.parameters())
    inputs = torch.randn(16, 12, 64, 64)

    def step() -> None:
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()

    (before,) = in_turns(step, rounds=3)
    keep_freed_memory()
    (after,) = in_turns(step, rounds=3)
    yield {
        "step": "FNO, batch 16",
        "as is (ms)": 1e3 * before,
        "freed memory kept (ms)": 1e3 * after,
        "saved": 1 - after / before,
    }

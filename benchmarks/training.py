"""Training by our loop against the bare step: the same network, its batch on the device."""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import nn
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.loading import write_noise
from benchmarks.steerable import BATCH, particles
from benchmarks.timing import bounded, in_turns
from symbench.config.settings import TrainingSettings
from symbench.data.batch import V
from symbench.data.dataset import Data
from symbench.data.fields.grid_data import FieldData
from symbench.models.fields import the_well
from symbench.models.points.segnn import SEGNNParticles
from symbench.training.loop import Trained, Trainer
from symbench.training.together import train_together
from symbench.training.treatments.treatment import Treatment

# The Well's own sizes for a GPU, small ones for the processor.
WIDTHS = {"cuda": (16, 128, 48, 42), "cpu": (12, 16, 8, 8)}
GRIDS = {"cuda": {64: 64, 256: 8}, "cpu": {64: 4}}
STEPS = {"cuda": 60, "cpu": 6}
EPOCHS = 4


def networks(device: torch.device) -> dict[str, Callable[..., nn.Module]]:
    """Those of The Well, by name, in a size that suits a device."""
    modes, hidden, classic, convnext = WIDTHS[device.type]
    return {
        "fno": lambda **a: the_well.fno(modes=modes, hidden_channels=hidden, **a),
        "unet_classic": lambda **a: the_well.unet_classic(init_features=classic, **a),
        "unet_convnext": lambda **a: the_well.unet_convnext(init_features=convnext, **a),
    }


def rows(device: torch.device) -> Iterator[dict[str, object]]:
    """Throughput of training as a share of that of the bare step, for networks of fields."""
    for resolution, batch in GRIDS[device.type].items():
        with tempfile.TemporaryDirectory() as folder:
            # A trajectory has 30 samples.
            write_noise(Path(folder), resolution, -(-batch * STEPS[device.type] // 30))
            data = FieldData(Path(folder))
            for name, build in networks(device).items():
                row = {"network": name, "batch": f"{batch} of {resolution}x{resolution}"}
                build = partial(build, **data.model_arguments())
                yield row | _compared(build, data, "D4", batch, device)


def particle_rows(device: torch.device) -> Iterator[dict[str, object]]:
    """The same for SEGNN on charged particles; on a GPU also against the time that it works."""
    with particles(BATCH * STEPS[device.type]) as data:
        row: dict[str, object] = {"network": "segnn", "batch": BATCH}
        yield row | _compared(partial(SEGNNParticles, 3), data, "O(3)", BATCH, device)


def _compared(
    build: Callable[[], nn.Module], data: Data[V], group: str, batch: int, device: torch.device
) -> dict[str, object]:
    steps = STEPS[device.type]
    bare = _bare_step(build, data, batch, device)
    (before,) = in_turns(lambda: [bare() for _ in range(steps)], rounds=3, device=device)
    trained = _seconds_of_epochs(build, data, group, batch, steps)
    (after,) = in_turns(lambda: [bare() for _ in range(steps)], rounds=3, device=device)
    step = (before + after) / 2 / steps
    found: dict[str, object] = {
        "bare step (ms)": 1e3 * step,
        "step of training (ms)": 1e3 * trained / steps,
        "throughput, training / bare": step * steps / trained,
    }
    if device.type == "cuda":
        found["bound"] = bounded(step * steps / trained, least=0.95)
        if isinstance(build(), SEGNNParticles):
            busy = _busy_seconds(bare)
            found |= {
                "busy (ms)": 1e3 * busy,
                "step of training / busy": trained / steps / busy,
                "bound of the step": bounded(trained / steps / busy, most=1.5),
            }
    return found


def _made(build: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return build().train()


def _bare_step(
    build: Callable[[], nn.Module], data: Data[V], batch: int, device: torch.device
) -> Callable[[], None]:
    """A step of the optimiser on one batch that lies on the device; nothing is read from it."""
    model = _made(build).to(device)
    split = data.split("train")
    fixed = split.batch(split.samples[:batch]).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=device.type == "cuda" or None)

    def step() -> None:
        optimizer.zero_grad()
        split.loss(model(fixed.inputs), fixed).backward()
        optimizer.step()

    return step


def _seconds_of_epochs(
    build: Callable[[], nn.Module], data: Data[V], group: str, batch: int, steps: int
) -> float:
    """Median time of an epoch of so many steps, after the first; one sample is validated."""
    settings = TrainingSettings(
        epochs=EPOCHS,
        batch_size=batch,
        learning_rate=1e-4,
        samples_per_epoch=batch * steps,
        validation_samples=1,
        save_every=10**6,
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            _made(build),
            data.split("train"),
            data.split("valid"),
            Treatment(data.symmetry(group)),
            settings,
            seed=0,
            state_path=Path(folder, "state.pt"),
        )
        (trained,) = train_together([trainer])
    assert isinstance(trained, Trained)
    history = trained.history
    assert trainer.batches.steps_per_epoch == steps, "there are too few samples for an epoch"
    return float(median(np.array(history.seconds)[1:]))


def _busy_seconds(step: Callable[[], None], repeated: int = 10) -> float:
    """How long the kernels of a step run, which follow each other on one stream."""
    step()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        for _ in range(repeated):
            step()
        torch.cuda.synchronize()
    microseconds = sum(
        event.time_range.elapsed_us()
        for event in profiled.events()
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation
    )
    return microseconds / repeated / 1e6

"""Measure what the audit of the law of fields finds, how often it is wrong, and what it costs.

python -m benchmarks.audits
"""

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.pages import markdown
from symbench.data.fields.decaying_turbulence import DecayingTurbulence
from symbench.symmetry.audit import ElementAudit, audit_distribution, judge
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import FieldAction
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.randomisation import FALSE_ALARM

SAMPLES = (10, 14, 20, 32, 64, 128)
REPETITIONS = 12
EXACT = 600
FOUND = 0.8
POOL = 256

PRESSURE, VELOCITY, VORTICITY = Field("pressure"), Field("velocity", 1), Field("vorticity", 0, -1)


@dataclass(frozen=True)
class Violation:
    """A wrong declaration, or data without a symmetry.

    Attributes:
        name: for the table.
        group: that is declared.
        fields: that are declared.
        change: of frames (trajectory, time, channel, x, y) with pressure, velocity and vorticity,
            to those that are audited.

    """

    name: str
    group: str
    fields: Sequence[Field]
    change: Callable[[Tensor], Tensor]


def _swapped(frames: Tensor) -> Tensor:
    return frames[:, :, [0, 2, 1]]


def _wrong_sign(frames: Tensor) -> Tensor:
    return frames[:, :, :3] * torch.tensor([1.0, 1.0, -1.0])[:, None, None]


def _weaker(frames: Tensor) -> Tensor:
    return frames[:, :, :3] * torch.tensor([1.0, 1.0, 0.9])[:, None, None]


def _wind(frames: Tensor) -> Tensor:
    strength = 0.2 * frames[:, :, 1:3].square().mean().sqrt()
    return frames[:, :, :3] + strength * torch.tensor([0.0, 1.0, 0.0])[:, None, None]


def _ramp(frames: Tensor) -> Tensor:
    """Pressure with odd numbers of cells and a small slope from bottom to top."""
    pressure = frames[:, :, :1, :-1, :-1]
    slope = torch.linspace(-0.5, 0.5, pressure.shape[-1])
    return pressure / pressure.square().mean().sqrt() + slope


def _stronger_above(frames: Tensor) -> Tensor:
    return frames[:, :, :3] * torch.linspace(0.8, 1.2, frames.shape[-1])


PLAIN, BOTH = (PRESSURE, VELOCITY), (VELOCITY, VORTICITY)
VIOLATIONS = (
    Violation(
        "vorticity declared a true scalar, beside the velocity",
        "D4",
        (VELOCITY, Field("vorticity")),
        lambda frames: frames[:, :, 1:],
    ),
    Violation(
        "vorticity declared a true scalar, alone",
        "D4",
        (Field("vorticity"),),
        lambda frames: frames[:, :, 3:],
    ),
    Violation("components of the velocity swapped", "D4", PLAIN, _swapped),
    Violation("wrong sign of one component", "D4", PLAIN, _wrong_sign),
    Violation(
        "velocity declared axial",
        "D4",
        (PRESSURE, Field("velocity", 1, -1)),
        lambda frames: frames[:, :, :3],
    ),
    Violation("one component weaker by 10 %", "D4", PLAIN, _weaker),
    Violation("wind along x, a fifth of the velocity's RMS", "D4", PLAIN, _wind),
    Violation("a ramp as high as the RMS, 15 cells", "flip_y", (PRESSURE,), _ramp),
    Violation("all stronger above than below, by half", "flip_y", PLAIN, _stronger_above),
)


def turbulence() -> Tensor:
    """Pressure, velocity and vorticity of decaying turbulence at three times, 16² cells."""
    source = DecayingTurbulence(
        resolution=16,
        trajectories={"train": POOL, "valid": 1, "test": 1},
        frames=3,
        frame_interval=0.6,
        steps_per_frame=12,
    )
    frames = torch.tensor(source.solve(source.audit_starts(POOL), 3))
    waves = torch.fft.fftfreq(16, 1 / 16, dtype=torch.float64) * 1j
    spectrum = torch.fft.fft2(frames[:, :, 1:])
    curl = torch.fft.ifft2(waves[:, None] * spectrum[:, :, 1] - waves * spectrum[:, :, 0]).real
    return torch.cat([frames, curl[:, :, None]], dim=2).float()


def audited(
    frames: Tensor, group: str, fields: Sequence[Field], seed: int = 0
) -> list[ElementAudit]:
    """The audit of the law alone."""
    chosen = named_group(group, 2)
    return judge(chosen, None, audit_distribution(frames, chosen, fields, seed))


def power_rows(pool: Tensor) -> Iterator[dict[str, object]]:
    """Percent of audits that refuse a violation, by number of trajectories."""
    rng = np.random.default_rng(0)
    for violation in VIOLATIONS:
        row: dict[str, object] = {"violation": violation.name, "group": violation.group}
        enough = f"more than {SAMPLES[-1]}"
        for samples in reversed(SAMPLES):
            found = []
            for repetition in range(REPETITIONS):
                chosen = torch.from_numpy(rng.choice(POOL, samples, replace=False))
                frames = violation.change(pool[chosen])
                audits = audited(frames, violation.group, violation.fields, repetition)
                found.append(not all(audit.passed for audit in audits))
            row[f"n = {samples}"] = f"{100 * np.mean(found):.0f}"
            below = enough.startswith("more") and samples != SAMPLES[-1]
            if np.mean(found) >= FOUND and not below:
                enough = str(samples)
        names = [f"n = {samples}" for samples in SAMPLES]
        first = {key: row[key] for key in ("violation", "group")}
        yield {**first, **{key: row[key] for key in names}, "found with 80 % from": enough}


def false_alarm_rows(pool: Tensor) -> Iterator[dict[str, object]]:
    """Percent of audits that refuse, or leave undecided, a symmetry that holds exactly."""
    group = named_group("D4", 2)
    action = FieldAction(group, BOTH)
    rng = np.random.default_rng(1)
    generator = torch.Generator().manual_seed(1)

    def flow(samples: int) -> Tensor:
        """Turbulence, each trajectory moved by a random element."""
        chosen = pool[torch.from_numpy(rng.choice(POOL, samples, replace=False))][:, :2, 1:]
        elements = rng.integers(group.order, size=samples)
        moved = [action(int(g), one) for g, one in zip(elements, chosen, strict=True)]
        return torch.stack(moved)

    def noise(samples: int) -> Tensor:
        """White noise, of a strength that differs much from trajectory to trajectory."""
        strength = torch.randn(samples, 1, 1, 1, 1, generator=generator).exp()
        return strength * torch.randn(samples, 1, 3, 8, 8, generator=generator)

    for name, draw in (("turbulence, moved at random", flow), ("noise of uneven strength", noise)):
        for samples in (14, 24):
            audits = [audited(draw(samples), "D4", BOTH, seed) for seed in range(EXACT // 2)]
            refused = [not all(audit.passed for audit in audit_) for audit_ in audits]
            unsure = [any(audit.needed for audit in audit_) for audit_ in audits]
            yield {
                "data": name,
                "trajectories": samples,
                "audits": len(audits),
                "refused (%)": f"{100 * np.mean(refused):.2f}",
                "undecided (%)": f"{100 * np.mean(unsure):.1f}",
            }


def cost_rows() -> Iterator[dict[str, object]]:
    """Seconds of audits of D4 on one thread, and the largest memory of the process so far."""
    for samples, cells in ((500, 16), (1000, 64), (10_000, 64)):
        frames = torch.randn(samples, 1, 1, cells, cells)
        start = time.perf_counter()
        audited(frames, "D4", (Field("scalar"),))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        yield {
            "samples": samples,
            "cells": f"{cells}²",
            "seconds": time.perf_counter() - start,
            "GiB": memory,
        }


def main() -> None:
    """Write the page."""
    torch.set_num_threads(1)
    cost = pd.DataFrame(cost_rows())
    pool = turbulence()
    text = f"""# What the audit of the law sees

Made by `python -m benchmarks.audits`. The audit compares averages of the data with those of moved
data (`symbench.symmetry.grids.moments`): means, products of fields with each other, with gradients,
squares and changes in time, how fields are carried along, and long waves of the mean field. The
test is exact in finite samples (`symbench.symmetry.randomisation`): whatever the data, a symmetry
that holds is refused in at most {100 * FALSE_ALARM:g} % of the audits of a group.

An element gets one of three verdicts. `broken` is refused, unless the task says `exact: false`.
`undecided` is not, but is said in a warning, in the audit's table, in its provenance, and in the
report: the samples are too few for the test to refuse anything (n samples and an element of order m
give m^(n-1) arrangements, and 1 in 1000 over the number of elements is needed), or the p-value is
below 1 in 100 over the number of elements. `holds` means that nothing was found that the table
below says can be found. Where a simulator shows the dynamics to hold, that is said beside it.

## Violations found

Percent of {REPETITIONS} audits that refuse, by number n of trajectories of decaying turbulence on
16² cells at three times, drawn from {POOL}; and the least n from which at least 80 % are found.

{markdown(pd.DataFrame(power_rows(pool)))}

What these averages cannot see is not found: fields without gradients or changes that go with their
signs, small objects in the mean field (waves shorter than a quarter of the box in 2-D, half of it
in 3-D), and declarations that make no difference, as the sign of a magnetic field alone.

## False alarms

Data that are exactly invariant under D4, velocity and vorticity rightly declared.

{markdown(pd.DataFrame(false_alarm_rows(pool)))}

## Cost

One thread, D4, one field and one frame: time and memory are linear in the samples.

{markdown(cost)}
"""
    Path("docs/audits.md").write_text(text)


if __name__ == "__main__":
    main()

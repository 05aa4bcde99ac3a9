"""Run all benchmarks of a device and write docs/benchmarks.md, or docs/benchmarks_gpu.md.

python -m benchmarks [--device cuda]
"""

import argparse
import os
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch

from benchmarks import (
    action,
    averaging,
    circuits,
    graphs,
    loading,
    particles,
    placing,
    steerable,
    training,
)
from benchmarks.pages import markdown
from symbench.devices import DEVICE, chosen_device
from symbench.provenance import describe


class Part(NamedTuple):
    """A part of a page: what its table, which a function measures, has to show."""

    title: str
    text: str
    rows: Callable[[], Iterable[dict[str, object]]]


def parts_of_processor(device: torch.device) -> list[Part]:
    """What is measured on one thread."""
    return [
        Part(
            "Averaged evaluation",
            "Budget: at most 1.05 times |G| plain passes at the same batch size, peak memory of "
            "the process at most 1.3 times that of a plain pass. The peer is a plain loop over The "
            "Well's own `RandomAxisFlip.flip` and `RandomAxisPermute.permute`.",
            averaging.rows,
        ),
        Part(
            "Averaged evaluation of scalar fields",
            "The peer is ttach's `d4_transform`; both give the same numbers.",
            averaging.scalar_rows,
        ),
        Part(
            "The group action alone",
            "Budget: at least 70 % of the bandwidth of a copy into new memory, mean over the "
            "group.",
            action.rows,
        ),
        Part("Data loading", "Budget: at least 5 times the peer.", loading.rows),
        Part(
            "Training",
            "Our loop, which makes batches, validates and saves, beside the bare step: the same "
            "network and optimiser on one batch that is there.",
            partial(training.rows, device),
        ),
        Part(
            "U-Nets channels last",
            "Why `symbench.models.placing` lays their weights out anew on a processor.",
            placing.rows,
        ),
        Part(
            "Charged particles",
            "Time of one trajectory. Budget: at least 50 times a plain loop.",
            particles.rows,
        ),
        Part(
            "SEGNN",
            "Budget: at most 1.1 times the same network written with plain e3nn layers; the loader "
            "never the bottleneck.",
            steerable.rows,
        ),
        Part(
            "Training of SEGNN",
            "Our loop beside the bare step.",
            partial(training.particle_rows, device),
        ),
        Part(
            "Quantum circuits",
            "A step on the plain circuit: 6 qubits, 6 blocks, 64 molecules. Budgets: at least 20 "
            "times one call a molecule, at most 2.5 times a state vector written in torch.",
            circuits.rows,
        ),
        Part(
            "Graph convolution",
            "Why link prediction uses matrices and no message passing over edge lists.",
            graphs.rows,
        ),
        Part(
            "The allocator",
            "Why training keeps freed memory (`symbench.memory`).",
            loading.allocator_rows,
        ),
    ]


def parts_of_gpu(device: torch.device) -> list[Part]:
    """What is measured on a GPU: each ratio is to a limit that is measured in the same run."""
    return [
        Part(
            "The group action alone",
            "The limit is a copy of the same tensor into new memory; means over the group.",
            partial(action.rows, device),
        ),
        Part(
            "Averaged evaluation",
            "The limit is |G| plain passes at the same batch size, and the memory of one.",
            partial(averaging.gpu_rows, device),
        ),
        Part(
            "Training",
            "The limit is the bare step: the same network and optimiser in the same precision on "
            "one batch that lies on the GPU. Our loop makes batches, validates and saves as well.",
            partial(training.rows, device),
        ),
        Part(
            "Training of SEGNN",
            "The limits are the bare step, and the time in it that the GPU works: the sum over its "
            "kernels, by torch.profiler.",
            partial(training.particle_rows, device),
        ),
    ]


def heading(device: torch.device) -> list[str]:
    """Where the numbers of a page come from."""
    record = describe("benchmarks", device=device)
    packages = record["packages"]
    assert isinstance(packages, dict)
    made = f"commit {record['commit']}, {str(record['made'])[:10]}"
    if device.type == "cpu":
        return [
            "# Benchmarks",
            "",
            f"Written by `make benchmark`; do not edit. {record['processor']}, one thread, torch "
            f"{packages['torch']}, {made}. Medians of calls in turns.",
        ]
    told = [f"driver {record['driver']}"] if "driver" in record else []
    told += [f"CUDA {record['cuda']}"]
    told += [f"{name} {packages[name]}" for name in ("torch", "the_well", "neuraloperator", "e3nn")]
    return [
        f"# Benchmarks on {record['device']}",
        "",
        f"Written by `make benchmark DEVICE=cuda`; do not edit. {', '.join(told)}; "
        f"{record['processor']}; {made}. Medians of calls in turns, by events of the GPU, in "
        "single precision without TF32.",
    ]


def main() -> None:
    """Measure everything on a device and write its page."""
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, or one GPU such as cuda:1")
    os.environ[DEVICE] = parser.parse_args().device
    device = chosen_device()
    torch.set_num_threads(1)
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    lines = heading(device)
    for title, text, rows in parts_of_gpu(device) if on_gpu else parts_of_processor(device):
        table = pd.DataFrame(rows())
        print(f"\n{title}\n{table.to_string(index=False)}", flush=True)
        lines += ["", f"## {title}", "", text, "", markdown(table)]
    page = Path("docs/benchmarks_gpu.md" if on_gpu else "docs/benchmarks.md")
    page.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

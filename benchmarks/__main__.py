"""Run all benchmarks and write docs/benchmarks.md."""

import warnings
from pathlib import Path

import pandas as pd
import torch

from benchmarks import action, averaging, circuits, graphs, loading, particles, steerable
from benchmarks.pages import markdown
from symbench.provenance import describe

PARTS = [
    (
        "Averaged evaluation",
        "Budget: at most 1.05 times |G| plain passes at the same batch size, peak memory of the "
        "process at most 1.3 times that of a plain pass. The peer is a plain loop over The Well's "
        "own `RandomAxisFlip.flip` and `RandomAxisPermute.permute`.",
        averaging.rows,
    ),
    (
        "Averaged evaluation of scalar fields",
        "The peer is ttach's `d4_transform`; both give the same numbers.",
        averaging.scalar_rows,
    ),
    (
        "The group action alone",
        "Budget: at least 70 % of the bandwidth of a copy into new memory, mean over the group.",
        action.rows,
    ),
    ("Data loading", "Budget: at least 5 times the peer.", loading.rows),
    (
        "Charged particles",
        "Time of one trajectory. Budget: at least 50 times a plain loop.",
        particles.rows,
    ),
    (
        "SEGNN",
        "Budget: at most 1.1 times the same network written with plain e3nn layers; the loader "
        "never the bottleneck.",
        steerable.rows,
    ),
    (
        "Quantum circuits",
        "A step on the plain circuit: 6 qubits, 6 blocks, 64 molecules. Budgets: at least 20 times "
        "one call a molecule, at most 2.5 times a state vector written in torch.",
        circuits.rows,
    ),
    (
        "Graph convolution",
        "Why link prediction uses matrices and no message passing over edge lists.",
        graphs.rows,
    ),
    (
        "The allocator",
        "Why training keeps freed memory (`symbench.memory`).",
        loading.allocator_rows,
    ),
]


def main() -> None:
    """Measure everything on one thread and write the page."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    record = describe("benchmarks")
    lines = [
        "# Benchmarks",
        "",
        "Written by `make benchmark`; do not edit. "
        f"{record['processor']}, one thread, torch {record['packages']['torch']}, "
        f"commit {record['commit']}, {record['made'][:10]}. Medians of calls in turns.",
    ]
    for title, text, rows in PARTS:
        table = pd.DataFrame(rows())
        print(f"\n{title}\n{table.to_string(index=False)}", flush=True)
        lines += ["", f"## {title}", "", text, "", markdown(table)]
    Path("docs/benchmarks.md").write_text("\n".join(lines) + "\n")


main()

"""Simulation of charged particles against a plain loop over steps and particles."""

import time
from collections.abc import Iterator

import numpy as np

from symbench.data.points.charged_particles import Start, random_start, simulate

STEPS = 200


def rows() -> Iterator[dict[str, object]]:
    """Milliseconds for one trajectory of 4,100 steps, in batches and one by one."""
    for dimension, particles in ((3, 5), (8, 10)):
        start = random_start(np.random.default_rng(0), 1024, particles, dimension)
        began = time.perf_counter()
        together, _ = simulate(start, (STEPS,))
        ours = (time.perf_counter() - began) / len(start.charges)
        began = time.perf_counter()
        alone = _plain_loop(Start(*(values[0] for values in start)))
        peer = time.perf_counter() - began
        np.testing.assert_allclose(together[0, 0], alone, atol=1e-9)
        yield {
            "particles": f"{particles} in {dimension} dimensions",
            "symbench (ms)": 1e3 * ours * 4100 / STEPS,
            "plain loop (ms)": 1e3 * peer * 4100 / STEPS,
            "ratio": peer / ours,
        }


def _plain_loop(start: Start) -> np.ndarray:
    x, v, q = start.positions.copy(), start.velocities.copy(), start.charges
    for _ in range(STEPS):
        kick = np.zeros_like(x)
        for i in range(len(x)):
            for j in range(len(x)):
                if i != j:
                    difference = x[i] - x[j]
                    kick[i] += q[i] * q[j] * difference / (difference @ difference) ** 1.5
        v = v + 1e-3 * np.clip(kick, -100, 100)
        x = x + 1e-3 * v
    return x

"""Reading a config names data sets, and must not wait for what only fetching and opening need."""

import subprocess
import sys

import pytest

SLOW = (
    "torch",
    "ase",
    "jax",
    "pyscf",
    "networkx",
    "torch_geometric",
    "scipy",
    "pandas",
    "pennylane",
)


@pytest.mark.parametrize(
    "module",
    [
        "symbench.data.molecules.acetylacetone",
        "symbench.data.molecules.own_configurations",
        "symbench.data.molecules.qm9",
        "symbench.data.molecules.rmd17",
        "symbench.data.molecules.potential_surfaces",
        "symbench.data.molecules.molecule",
    ],
)
def test_data_sets_are_described_without_slow_packages(module):
    code = f"import sys, {module}; print(*sorted(set({SLOW}) & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []

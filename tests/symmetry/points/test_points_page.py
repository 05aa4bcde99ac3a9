"""docs/points.md, run as it stands."""

import re
from pathlib import Path

import torch

from symbench import symmetrize_points
from tests.here import here

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "points.md").read_text()


def test_the_page_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    names = {"__name__": "points"}
    state = torch.get_rng_state()
    for block in blocks:
        exec(block, names)
    torch.set_rng_state(state)
    *errors, _, variance = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [int(degree) for degree, _ in errors] == [1, 3, 5]
    violations = [float(error) for _, error in errors]
    assert violations == sorted(violations, reverse=True)
    assert float(variance[0]) < 1e-20
    assert names["forces"].shape == names["positions"].shape
    assert names["prediction"]["forces"].shape == (32, 3)
    assert bool(names["positions"].isfinite().all())
    assert float(names["predicted_gain"].detach()) > 0


def test_two_lines_of_the_readme():
    (line,) = re.findall(
        r"^(model = symmetrize_points\(.*?)```", (ROOT / "README.md").read_text(), re.M | re.S
    )
    names = {"symmetrize_points": symmetrize_points, "model": lambda pos, charge: pos * charge}
    exec(line, names)
    pos, charge = here(torch.randn(4, 3)), here(torch.randn(4, 1))
    torch.testing.assert_close(names["model"](pos, charge), pos * charge)

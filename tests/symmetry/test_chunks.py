"""How many elements go into one call of a model, where the machine decides."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from symbench.errors import SymmetryError
from symbench.symmetry import chunks
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.grids.rollouts import trajectory_average
from symbench.symmetry.grids.symmetrize import field_symmetry, symmetrize
from symbench.symmetry.reynolds import average
from symbench.symmetry.symmetry import Symmetry
from tests.here import here

SYMMETRY = field_symmetry(named_group("D4", 2), [Field("v", 1)])


class Counting(torch.nn.Module):
    """Keeps the sizes of its batches; memory runs out beyond a size."""

    def __init__(self, most=10**9):
        super().__init__()
        torch.manual_seed(0)
        self.layer = here(torch.nn.Conv2d(2, 2, 3, padding=1).double())
        self.most = most
        self.batches = []

    def forward(self, values):
        self.batches.append(len(values))
        if len(values) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return self.layer(values).tanh()


@pytest.mark.parametrize(
    ("samples", "cells", "batches"),
    [(1, 32, [8]), (4, 32, [8] * 4), (3, 32, [6] * 4), (2, 64, [2] * 8), (1, 128, [1] * 8)],
)
def test_calls_fill_the_device_and_no_more(samples, cells, batches):
    network = Counting().eval()
    values = here(torch.randn(samples, 2, cells, cells, dtype=torch.float64))
    mean = average(network, SYMMETRY, chunk="auto")(values)
    assert network.batches == batches
    torch.testing.assert_close(mean, average(network, SYMMETRY)(values))


def test_the_device_decides(monkeypatch):
    monkeypatch.setitem(chunks._FILLED_BY, "cpu", 4 * 6 * 6)
    network = Counting().eval()
    average(network, SYMMETRY, chunk="auto")(here(torch.zeros(2, 2, 6, 6, dtype=torch.float64)))
    assert network.batches == [4] * 4


@pytest.mark.parametrize(
    ("most", "batches"), [(5, [8, 4, 4]), (2, [8, 4, 2, 2, 2, 2]), (1, [8, 4, 2, *[1] * 8])]
)
def test_memory_that_is_too_small_halves_the_chunk(most, batches):
    network = Counting(most).eval()
    values = here(torch.randn(1, 2, 6, 6, dtype=torch.float64))
    model = symmetrize(network, "D4", [Field("v", 1)], chunk="auto")
    mean = model(values)
    assert network.batches == batches
    unlimited = average(Counting().eval(), SYMMETRY)
    torch.testing.assert_close(mean, unlimited(values))
    moments = model.moments(values)
    torch.testing.assert_close(moments.mean, mean)


def test_rollouts_begin_anew_where_memory_ran_out():
    values = here(torch.randn(1, 2, 6, 6, dtype=torch.float64))
    network = Counting(3).eval()
    found = trajectory_average(network, SYMMETRY, values, 3, chunk="auto")
    assert network.batches == [8, 4, *[2] * 12]
    torch.testing.assert_close(found, trajectory_average(Counting(), SYMMETRY, values, 3))


@pytest.mark.parametrize("chunk", [8, "auto"])
def test_memory_for_no_element_is_an_error(chunk):
    network = Counting(0).eval()
    with pytest.raises(torch.OutOfMemoryError):
        average(network, SYMMETRY, chunk=chunk)(here(torch.zeros(1, 2, 6, 6, dtype=torch.float64)))


def test_a_chunk_that_was_given_is_kept():
    network = Counting(5).eval()
    with pytest.raises(torch.OutOfMemoryError):
        average(network, SYMMETRY, chunk=8)(here(torch.zeros(1, 2, 6, 6, dtype=torch.float64)))
    assert network.batches == [8]


def test_what_cannot_be_folded_is_called_one_by_one():
    """Further arguments, and inputs that are no tensors."""
    values = here(torch.randn(1, 2, 6, 6, dtype=torch.float64))
    network = Counting().eval()
    timed = symmetrize(lambda x, time: time * network(x), "D4", [Field("v", 1)], chunk="auto")
    timed(values, 2.0)
    assert network.batches == [1] * 8
    signs = Symmetry(
        named_group("flip_x", 2), lambda g, x: [-x[0]] if g else x, lambda g, y: -y if g else y
    )
    assert (
        average(lambda x: 1 + x[0], signs, chunk="auto")([here(torch.ones(3))]).tolist() == [1] * 3
    )


@pytest.mark.parametrize("chunk", ["all", "Auto", "", None])
def test_other_words_are_refused(chunk):
    with pytest.raises(SymmetryError, match="or give 'auto'"):
        chunks.checked_chunk(chunk)


class Reads(TorchDispatchMode):
    """Counts numbers that Python reads from tensors, for which it would wait for a GPU."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("chunk", [1, 3, "auto"])
def test_averages_and_moments_read_nothing_from_the_device(chunk):
    fields = [Field("s"), Field("v", 1)]
    network = here(torch.nn.Conv3d(4, 4, 3, padding=1).eval())
    model = symmetrize(network, "O_h", fields, dimension=3, chunk=chunk)
    values = here(torch.randn(2, 4, 4, 4, 4))
    with torch.no_grad(), Reads() as reads:
        model(values)
        model.moments(values)
    assert reads.count == 0
    with Reads() as reads:
        values[0, 0, 0, 0, 0].item()
    assert reads.count == 1

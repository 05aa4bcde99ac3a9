"""What `make benchmark` measures: ratios beside their bounds, on either device."""

import importlib
import pkgutil

import pandas as pd
import pytest
import torch

import benchmarks
from benchmarks import training
from benchmarks.__main__ import heading
from benchmarks.timing import bounded, in_turns
from tests.nvml import install_pynvml, pretend_card

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", [each.name for each in pkgutil.iter_modules(benchmarks.__path__)])
def test_each_measurement_can_be_started(name):
    assert importlib.import_module(f"benchmarks.{name}").__doc__


def test_a_bound_says_whether_it_is_held():
    assert bounded(1.03, most=1.03) == "at most 1.03: held"
    assert bounded(1.04, most=1.03) == "at most 1.03: missed"
    assert bounded(0.7, least=0.7) == "at least 0.7: held"
    assert bounded(0.69, least=0.7) == "at least 0.7: missed"
    for nothing in ({"most": 1.0}, {"least": 1.0}):
        assert bounded(float("nan"), **nothing).endswith("missed")


def test_functions_are_called_in_turns_and_the_first_round_does_not_count():
    called = []
    taken = in_turns(lambda: called.append("a"), lambda: called.append("b"), rounds=2)
    assert called == ["a", "b"] * 3
    assert all(seconds > 0 for seconds in taken)


def test_a_page_names_the_device_that_it_was_measured_on(monkeypatch, tmp_path):
    assert heading(CPU)[0] == "# Benchmarks"
    assert "one thread" in heading(CPU)[2]
    install_pynvml(monkeypatch, tmp_path)
    title, _, made = heading(pretend_card(monkeypatch))
    assert title == "# Benchmarks on NVIDIA H200"
    for said in ("driver 580.65.06", "CUDA 13.0", "torch ", "e3nn ", "DEVICE=cuda"):
        assert said in made


@pytest.mark.parametrize("rows", [training.rows, training.particle_rows])
def test_training_is_measured_against_the_bare_step(monkeypatch, rows, capsys):
    monkeypatch.setitem(training.STEPS, "cpu", 1)
    monkeypatch.setattr(training, "EPOCHS", 2)
    monkeypatch.setitem(training.GRIDS, "cpu", {32: 2})
    table = pd.DataFrame(rows(CPU))
    assert set(table.network) <= {"fno", "unet_classic", "unet_convnext", "segnn"}
    ratio = table["bare step (ms)"] / table["step of training (ms)"]
    assert list(ratio) == pytest.approx(list(table["throughput, training / bare"]))
    assert (ratio > 0).all()

"""The log of a training."""

import re

import pytest
import torch

from symbench.training import progress_log
from symbench.training.progress_log import ProgressLog
from tests.nvml import install_pynvml, pretend_card
from tests.training.splits import SETTINGS, trainer

LINE = re.compile(
    r"epoch (\d+)/(\d+): training loss \S+, validation loss (\S+); (\d+):(\d\d):(\d\d) left; "
    r"\d+\.\d\d GB"
)


def test_the_first_epoch_and_the_last_are_told(tmp_path, capsys):
    trained = trainer(tmp_path / "state.pt").run()
    first, *lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"training for {SETTINGS.epochs} epochs: (CPU, \d+ threads?|.*)", first)
    found = [LINE.fullmatch(line) for line in lines]
    assert [int(match[1]) for match in found] == [1, SETTINGS.epochs]
    assert float(found[-1][3]) == float(f"{trained.history.valid_loss.iloc[-1]:.4g}")
    assert found[-1].group(4, 5, 6) == ("0", "00", "00")


def test_the_time_left_counts_from_where_this_process_began(monkeypatch, capsys):
    now = iter([0.0, 10.0, 15.0, 45.0])
    monkeypatch.setattr(progress_log.time, "monotonic", lambda: next(now))
    log = ProgressLog(10, 4, torch.device("cpu"))
    for epoch in (4, 5, 6):
        log.tell({"epoch": epoch, "train_loss": 1.0, "valid_loss": float("nan")})
    begun, first, third = capsys.readouterr().out.splitlines()
    assert "after 4 that are done" in begun
    # One epoch in 10 s and five are left; epoch 6 came a moment after; three in 45 s, three left.
    assert LINE.fullmatch(first).group(1, 4, 5, 6) == ("5", "0", "00", "50")
    assert LINE.fullmatch(third).group(1, 4, 5, 6) == ("7", "0", "00", "45")


@pytest.mark.parametrize("broken", ["", "nvmlInit"])
def test_a_card_is_told_with_what_it_used(monkeypatch, tmp_path, capsys, broken):
    install_pynvml(monkeypatch, tmp_path, broken)
    log = ProgressLog(1, 0, pretend_card(monkeypatch))
    log.tell({"epoch": 0, "train_loss": 1.0, "valid_loss": 2.0}, last=True)
    begun, last = capsys.readouterr().out.splitlines()
    driver, energy = ("", "") if broken else (", driver 580.65.06", ", 2.50 kJ")
    assert begun == f"training for 1 epochs: NVIDIA H200, 150 GB, CUDA 13.0{driver}"
    assert last.endswith(f"left; 3.00 GB{energy}")

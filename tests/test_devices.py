"""The device of a process, and how jobs of one machine share its GPUs."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from symbench.devices import DEVICE, JOBS, chosen_device, count_gpus, jobs_per_gpu, take_card
from symbench.errors import ConfigError

TAKE = """
import sys
from symbench.devices import take_card
jobs, whole, *cards = sys.argv[1:]
print(take_card(cards, int(jobs), whole=whole == "whole"), flush=True)
assert "torch" not in sys.modules
sys.stdin.read()
"""


def driver(folder: Path, cards: int, code: int = 0) -> str:
    """A folder of commands with an `nvidia-smi` that lists cards, the first one in two parts."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"GPU {number}: NVIDIA H200 (UUID: GPU-{number})" for number in range(cards)]
    lines[1:1] = ["  MIG 3g.71gb Device 0: (UUID: MIG-0)"] if cards else []
    file = folder / "nvidia-smi"
    said = "".join(f"echo '{line}'\n" for line in lines)
    file.write_text(f"#!/bin/sh\n{said}exit {code}\n")
    file.chmod(0o755)
    return str(folder)


@pytest.fixture
def environment(monkeypatch):
    """One that says nothing of devices."""
    for name in (DEVICE, JOBS, "CUDA_VISIBLE_DEVICES", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ({}, 3),
        ({"CUDA_VISIBLE_DEVICES": "0,2"}, 2),
        ({"CUDA_VISIBLE_DEVICES": "GPU-1"}, 1),
        ({"CUDA_VISIBLE_DEVICES": ""}, 0),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, 0),
        ({"CUDA_VISIBLE_DEVICES": "0,1,2,3,4"}, 3),
        ({DEVICE: "cpu"}, 0),
        ({DEVICE: "cuda"}, 3),
        ({DEVICE: "cuda:1"}, 1),
    ],
)
def test_gpus_are_those_of_the_driver_and_the_environment(environment, tmp_path, said, count):
    environment.setenv("PATH", driver(tmp_path, 3))
    for name, value in said.items():
        environment.setenv(name, value)
    assert count_gpus() == count


def test_without_a_driver_there_are_no_gpus(environment, tmp_path):
    environment.setenv("PATH", driver(tmp_path / "broken", 2, code=9))
    assert count_gpus() == 0
    environment.setenv("PATH", str(tmp_path))
    assert count_gpus() == 0


def test_a_device_that_is_none_is_one_sentence(environment):
    for name in ("gpu", "cuda:", "cuda:one", "cpu:0"):
        environment.setenv(DEVICE, name)
        for ask in (count_gpus, chosen_device):
            with pytest.raises(ConfigError, match=f"{DEVICE} is '{name}'; allowed: cpu, cuda"):
                ask()


def test_a_device_that_is_not_there_is_one_sentence(environment):
    there = torch.cuda.device_count()
    environment.setenv(DEVICE, f"cuda:{there}")
    with pytest.raises(ConfigError, match=f"'cuda:{there}', but torch .* finds"):
        chosen_device()


def test_the_number_of_jobs_is_one_or_more(environment):
    assert jobs_per_gpu() == 1
    environment.setenv(JOBS, "4")
    assert jobs_per_gpu() == 4
    for wrong in ("0", "-1", "two", ""):
        environment.setenv(JOBS, wrong)
        with pytest.raises(ConfigError, match=JOBS):
            jobs_per_gpu()


def test_the_processor_is_chosen_by_name_and_without_gpus(environment):
    environment.setenv(DEVICE, "cpu")
    assert chosen_device() == torch.device("cpu")
    environment.delenv(DEVICE)
    environment.setattr(torch.cuda, "is_available", lambda: False)
    assert chosen_device() == torch.device("cpu")


class Takers:
    """Processes that take places and keep them until they are ended."""

    def __init__(self, monkeypatch, folder):
        monkeypatch.setenv("TMPDIR", str(folder))
        self.running = []

    def start(self, jobs, *cards, whole=""):
        self.running.append(
            subprocess.Popen(
                [sys.executable, "-c", TAKE, str(jobs), whole, *cards],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return self.running[-1]

    def card(self, *arguments, **options):
        return int(self.start(*arguments, **options).stdout.readline())


@pytest.fixture
def takers(monkeypatch, tmp_path):
    made = Takers(monkeypatch, tmp_path)
    yield made
    for process in made.running:
        process.kill()
        process.communicate()


def test_processes_spread_over_cards_and_then_share_them(takers):
    assert [takers.card(2, "a", "b") for _ in range(4)] == [0, 1, 0, 1]


def test_names_are_of_cards_in_whatever_order_a_process_sees_them(takers):
    assert takers.card(1, "a", "b") == 0
    assert takers.card(1, "b") == 0
    waiting = takers.start(1, "b", "a")
    assert "waiting for a GPU" in waiting.stderr.readline()


def test_a_card_is_free_again_when_its_process_is_killed(takers):
    assert takers.card(1, "a") == 0
    waiting = takers.start(1, "a")
    assert "waiting for a GPU" in waiting.stderr.readline()
    takers.running[0].kill()
    assert waiting.stdout.readline() == "0\n"


def test_a_whole_card_is_one_where_nobody_else_is(takers):
    assert takers.card(2, "a", "b") == 0
    assert takers.card(2, "a", "b", whole="whole") == 1
    # The other place of the first card.
    assert takers.card(2, "a", "b") == 0


def test_what_a_process_has_taken_counts_for_itself(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert [take_card(["a", "b"], 1), take_card(["a", "b"], 1)] == [0, 1]

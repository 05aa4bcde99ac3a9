"""What a device cannot do is told in one sentence, and how torch computes is put back."""

import pytest
import torch
from torch import nn

from symbench.errors import DeviceMemoryError, TrainingError
from symbench.training.cuda import CudaDevice, strided_parts
from symbench.training.device import Device
from symbench.training.failures import told_in_a_sentence
from symbench.training.treatments.treatment import Treatment
from tests.training.splits import SETTINGS, run_until, same, trainer


class Fails(nn.Module):
    """A network that does something else once, in training or in validation."""

    def __init__(self, does, training=True):
        super().__init__()
        self.layer, self.does, self.when = nn.Conv2d(6, 3, 1), does, training

    def forward(self, values):
        if self.training == self.when:
            self.does()
        return self.layer(values)


def changed(**values):
    return SETTINGS.model_copy(update=values)


def runs_out():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


@pytest.mark.parametrize("training", [True, False])
def test_too_little_memory_is_told_with_what_to_change(tmp_path, training):
    model = Fails(runs_out, training)
    words = r"batches of 4 samples in 2 parts did not fit .* of cpu, .* GB are free: .*accumulate"
    with pytest.raises(DeviceMemoryError, match=words) as caught:
        trainer(tmp_path / "state.pt", changed(accumulate=2), Treatment, model).run()
    assert str(caught.value).count("\n") == 0


def test_other_errors_are_not_hidden():
    device = Device(torch.device("cpu"))
    with pytest.raises(RuntimeError, match="another"), told_in_a_sentence(device, "It", "less"):
        raise RuntimeError("another")


def test_free_memory_is_a_part_of_all():
    free, total = Device(torch.device("cpu")).memory()
    assert 0 < free < total


def test_a_deterministic_training_resumes_to_the_same_and_is_so_no_longer_than_it_lasts(tmp_path):
    seen = []
    settings = changed(deterministic=True)

    def look():
        seen.append(torch.are_deterministic_algorithms_enabled())

    def training(name):
        torch.manual_seed(0)
        return trainer(tmp_path / name, settings, model=Fails(look))

    whole = training("whole.pt").run()
    run_until(training("state.pt"), 17)
    assert same(training("state.pt").run(), whole)
    assert set(seen) == {True}
    assert not torch.are_deterministic_algorithms_enabled()
    trainer(tmp_path / "other.pt", model=Fails(look)).run()
    assert seen[-1] is False


def test_what_has_no_deterministic_algorithm_is_named(tmp_path):
    def put():
        torch.zeros(3).put_(torch.tensor([1]), torch.ones(1))

    with pytest.raises(TrainingError, match=r"put_ does not have .*: leave out 'deterministic'"):
        trainer(tmp_path / "state.pt", changed(deterministic=True), model=Fails(put)).run()
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("value", "fine"), [(None, False), (":0:0", False), (":4096:8", True)])
def test_a_gpu_is_deterministic_where_its_library_was_told_so(monkeypatch, value, fine):
    """Whether it is refused needs no GPU."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    if value is not None:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", value)
    device = object.__new__(CudaDevice)
    if fine:
        device.check_deterministic()
        return
    with pytest.raises(TrainingError, match="CUBLAS_WORKSPACE_CONFIG=:4096:8: set it before"):
        device.check_deterministic()


def test_a_tensor_that_a_stream_uses_has_parts_that_hold_all_of_it():
    dense = torch.eye(3)
    for values in (dense, dense.to_sparse(), dense.to_sparse_csr()):
        assert sum(part.is_floating_point() for part in strided_parts(values)) == 1
        assert all(part.layout == torch.strided for part in strided_parts(values))

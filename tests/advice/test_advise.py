"""Advice on trained models: what it says where the right answer is known."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from symbench import advise, cli, symmetrize
from symbench.advice.advise import PhysicalUnits
from symbench.advice.own_model import load_any_weights, own_model
from symbench.data.fields.grid_data import FieldData
from symbench.data.fields.well_writer import write_file
from symbench.errors import CheckpointError, ConfigError, SymBenchError
from symbench.symmetry.grids.field import Field
from tests.here import here
from tests.tolerances import on_device

FIELDS = [Field("density"), Field("velocity", order=1)]
STEPS, CELLS = 2, 8


class Shifted(torch.nn.Module):
    """Halves the newest frame, with a part of it moved by one cell: no element but one keeps it."""

    def __init__(self, part=0.5):
        super().__init__()
        self.part = torch.nn.Parameter(torch.tensor(float(part)))

    def forward(self, values):
        newest = values[:, -3:]
        return 0.5 * ((1 - self.part) * newest + self.part * newest.roll(1, dims=2))


READY = Shifted()


def written(folder, wind=0.0, train=40, valid=12):
    """Frames that are half of the one before, and noise; D4 keeps their law without wind."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("valid", valid), ("test", 6)):
        frames = [rng.standard_normal((count, 3, CELLS, CELLS))]
        for _ in range(5):
            frames.append(0.5 * frames[-1] + 0.3 * rng.standard_normal(frames[-1].shape))
        values = np.stack(frames, axis=1) + 2.0
        values[:, :, 1:] -= 2.0
        values[:, :, 1] += wind
        write_file(
            folder / split / "made_up.hdf5",
            dataset="made_up",
            fields=FIELDS,
            values=values,
            extent=1.0,
            time=np.arange(6.0),
            parameters={},
        )
    # Estimates differ from component to component, and would break the symmetry of any model.
    statistics = {
        "mean": {"density": 2.0, "velocity": [0.0, 0.0]},
        "std": {"density": 0.8, "velocity": [0.8, 0.8]},
    }
    (folder / "stats.yaml").write_text(yaml.safe_dump(statistics))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("advice"))


def advised(folder, model, group="D4", **options):
    return advise(model, folder, group, input_steps=STEPS, **options)


def test_a_model_without_the_symmetry_is_to_be_averaged(folder):
    found = advised(folder, Shifted())
    assert found.answer == "average"
    # The smallest set of which all is foretold: a flip along the other axis brings nothing.
    assert found.sentence.startswith("Average over C4: it changes the squared error by -")
    choices = found.choices.set_index("name")
    whole = choices.loc["D4"]
    assert whole.high < 0
    assert whole.measured == pytest.approx(whole.predicted, abs=0.05)
    assert choices.loc["flip_y"].predicted == pytest.approx(0, abs=1e-9)
    assert choices.loc["flip_x"].predicted < -0.03
    elements = found.elements.set_index("element")
    assert set(elements.audit) <= {"holds", "undecided"}
    assert elements.loc["x,-y"].violation == pytest.approx(0, abs=1e-6)
    assert elements.loc["-y,x"].angle == 90
    by_angle = found.angles.set_index("angle").violation
    quarters = elements.violation[elements.angle == 90]
    assert by_angle[90] == pytest.approx((quarters**2).mean() ** 0.5)
    assert list(by_angle.index) == [0, 90, 180]
    assert list(found.rollouts.lead_time) == [1, 2, 3, 4]
    assert (found.rollouts.change < 0).all()


def test_the_measured_change_is_that_of_the_averaged_model(folder, device):
    """Held against `symmetrize`, sample by sample."""
    data = FieldData(folder, input_steps=STEPS)
    split = data.split("valid")
    chosen = split.samples
    batch = here(split.batch(chosen))
    model = here(Shifted().eval())
    averaged = symmetrize(model, "C4", FIELDS, normalizer=data.normalizer)
    scale = here(torch.tensor([split.scales[name] for name in split.quantities]))
    std = here(torch.tensor(data.normalizer.std))

    def error(operator):
        with torch.no_grad():
            squares = (operator(batch.inputs) - batch.targets).double().square().mean((2, 3))
        return float((squares * std**2 / scale).mean())

    found = advised(folder, model, "C4")
    row = found.choices.set_index("name").loc["C4"]
    expected = error(averaged) / error(model) - 1
    assert row.measured == pytest.approx(expected, rel=on_device(1e-5, device))


def test_an_equivariant_model_has_nothing_to_gain(folder):
    found = advised(folder, Shifted(0.0))
    assert found.answer == "nothing to gain"
    assert abs(found.choices.measured).max() < 1e-6


class Windward(torch.nn.Module):
    """Has learned a wind along x: right on such data, and wrong where the wind turns."""

    def forward(self, values):
        steady = torch.tensor([0.0, 3.0 / 0.8, 0.0], device=values.device)[:, None, None]
        return 0.5 * (values[:, -3:] + steady)


def test_where_the_data_lack_the_symmetry_the_answer_is_no(tmp_path):
    found = advised(written(tmp_path, wind=3.0), Windward(), "C4")
    assert found.answer == "do not average"
    assert "the audit finds that the data do not have this symmetry" in found.sentence
    assert set(found.choices.audit) == {"broken"}
    assert not len(found.rollouts)
    # Under a larger group the part that holds is looked at alone.
    found = advised(tmp_path, Windward(), "D4")
    assert found.answer == "do not average"
    assert found.sentence.startswith("Do not average over D4: the audit finds")
    assert "Nothing to gain" not in found.sentence
    assert list(found.choices[found.choices.audit != "broken"].name) == ["flip_y"]
    # A model that knows no wind gains all the same: labels tell.
    found = advised(tmp_path, Shifted(), "C4")
    assert found.answer == "average"
    assert found.sentence.startswith("Average over C4 on data like these samples, though the audit")
    assert found.choices.set_index("name").loc["C4"].high < 0


def test_elements_that_the_audit_cannot_decide_are_said(tmp_path):
    """Of a wind that eight trajectories do not show."""
    found = advised(written(tmp_path, train=8), Shifted())
    assert "too few samples to decide" in found.sentence
    assert any("cannot be decided with 8 samples" in caution for caution in found.cautions)


def test_what_is_left_without_an_interval_or_without_an_error(tmp_path, folder):
    found = advised(written(tmp_path, valid=1), Shifted())
    assert found.sentence.startswith("Not decided: one trajectory gives no interval.")
    found = advised(folder, Shifted(), split="train")
    assert any("has seen the split 'train'" in caution for caution in found.cautions)
    found = advised(folder, lambda values: 9 * values[:, -3:].roll(1, dims=2))
    assert any("VRMSE" in caution for caution in found.cautions)


class Broken(torch.nn.Module):
    """Does what a model should not."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def forward(self, values):
        if self.fault == "raises":
            raise KeyError("depth")
        if self.fault == "noise":
            return values[:, -3:] + 0.1 * torch.randn_like(values[:, -3:])
        if self.fault == "in place":
            return values.mul_(0.5)[:, -3:]
        if self.fault == "nan":
            return values[:, -3:] * torch.nan
        if self.fault == "tuple":
            return values[:, -3:], None
        return values[:, -1:]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raises", "does not take the data: KeyError: 'depth'"),
        ("noise", "something else when it is called again"),
        ("in place", "changes its input in place"),
        ("nan", "values that are not finite"),
        ("tuple", "gives a tuple"),
        ("one channel", r"shape \(2, 1, 8, 8\) for targets of shape \(2, 3, 8, 8\)"),
    ],
)
def test_models_that_do_what_they_should_not(folder, fault, message):
    with pytest.raises(SymBenchError, match=message):
        advised(folder, Broken(fault))


def test_physical_models_of_too_few_channels_are_refused(folder):
    with pytest.raises(SymBenchError, match="for frames of 3 channels"):
        advised(folder, Broken("one channel"), physical=True)


def test_the_mode_of_the_model_is_left_as_it_was(folder):
    model = Shifted().train()
    model.frozen = torch.nn.BatchNorm2d(3).eval()
    advised(folder, model, "C2")
    assert model.training
    assert not model.frozen.training
    broken = Broken("tuple").train()
    with pytest.raises(SymBenchError, match="gives a tuple"):
        advised(folder, broken)
    assert broken.training


def test_large_groups_are_looked_at_by_names(folder):
    found = advised(folder, Shifted(), "D4 * shifts(4)")
    assert {"D4", "C4", "D4 * shifts(4)"} <= set(found.choices.name)


def test_a_model_that_does_not_take_the_data_is_one_sentence(folder):
    with pytest.raises(SymBenchError, match="The model does not take the data"):
        advised(folder, torch.nn.Conv2d(5, 3, 3, padding=1))


def test_physical_units(folder):
    data = FieldData(folder, input_steps=STEPS)
    batch = here(data.split("valid").batch(data.split("valid").samples[:3]))
    plus = here(PhysicalUnits(torch.nn.Sequential(Shifted(0.0)), data))
    physical = data.normalizer.denormalize(batch.inputs[:, -3:])
    expected = data.normalizer.normalize(0.5 * physical)
    torch.testing.assert_close(plus(batch.inputs), expected)


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["symbench", "advise", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_the_command_writes_a_page_and_tables(folder, tmp_path, monkeypatch, capsys):
    weights = tmp_path / "weights.pt"
    torch.save({"state_dict": {"module.part": torch.tensor(0.25)}}, weights)
    monkeypatch.chdir(tmp_path)
    common = ("--data", folder, "--model", f"{__name__}:Shifted", "--input-steps", STEPS)
    output = tmp_path / "page"
    for _ in "as it was", "anew":
        capsys.readouterr()
        assert not command(
            monkeypatch, *common, "--weights", weights, "--argument", "part=1e0", "--output", output
        )
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("Average over ")
    assert told[1].startswith("On the benchmark's task most like this one (")
    assert told[2] == str(output / "advice.html")
    page = (output / "advice.html").read_text()
    assert told[0].split(":")[0] in page
    assert "flip_x" in page
    assert len(pd.read_csv(output / "elements.csv")) == 8
    assert {"D4", "C4", "flips"} <= set(pd.read_csv(output / "choices.csv").name)
    (output / "elements.csv").write_text("mine")
    assert command(monkeypatch, *common, "--weights", weights, "--output", output) == 1
    assert "elements.csv is there already, and is left as it is" in capsys.readouterr().err
    assert (output / "elements.csv").read_text() == "mine"
    assert command(monkeypatch, *common, "--weights", tmp_path / "none.pt") == 1
    assert "none.pt does not exist" in capsys.readouterr().err
    assert command(monkeypatch, *common) == 1
    assert "has random weights" in capsys.readouterr().err
    assert command(monkeypatch, *common, "--weights", weights, "--argument", "part") == 1
    assert "give it as NAME=VALUE" in capsys.readouterr().err
    twice = ("--argument", "part=1.0", "--argument", "part=2.0")
    assert command(monkeypatch, *common, "--weights", weights, *twice) == 1
    assert "--argument gives part twice" in capsys.readouterr().err
    assert command(monkeypatch, *common, "--weights", weights, "--seed", 1) == 1
    assert "--seed means nothing beside --data" in capsys.readouterr().err
    assert command(monkeypatch, *common[2:]) == 1
    assert "needs --data, or --study" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [torch.int8, torch.bool, torch.complex64])
def test_weights_of_another_kind_are_refused(tmp_path, kind):
    path = tmp_path / "weights.pt"
    torch.save({"part": torch.tensor(1).to(kind)}, path)
    with pytest.raises(CheckpointError, match=f"has part of {kind}, the model has torch.float32"):
        load_any_weights(Shifted(), path)


@pytest.mark.parametrize("kind", [torch.float16, torch.float64])
def test_weights_of_another_precision_and_lazy_modules_are_loaded(tmp_path, kind):
    path = tmp_path / "weights.pt"
    torch.save(torch.nn.Conv2d(1, 2, 1).to(kind).state_dict(), path)
    for model in torch.nn.Conv2d(1, 2, 1), torch.nn.LazyConv2d(2, 1):
        load_any_weights(model, path)
        assert model.weight.shape == (2, 1, 1, 1)


def test_weights_and_settings_that_do_not_fit(folder, tmp_path):
    data = FieldData(folder, input_steps=STEPS)
    path = tmp_path / "weights.pt"
    torch.save({"other": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="is for another model"):
        load_any_weights(Shifted(), path)
    torch.save(Shifted(), path)
    with pytest.raises(CheckpointError, match=r"save model.state_dict\(\)"):
        load_any_weights(Shifted(), path)
    torch.save({"_orig_mod.module.part": torch.tensor(0.125)}, path)
    load_any_weights(model := Shifted(), path)
    assert float(model.part.detach()) == 0.125
    torch.save({"part": torch.tensor(torch.nan)}, path)
    with pytest.raises(CheckpointError, match="values in part that are not finite"):
        load_any_weights(Shifted(), path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="holds a list and no state dict"):
        load_any_weights(Shifted(), path)
    with pytest.raises(ConfigError, match="does not take these settings"):
        own_model(f"{__name__}:Shifted", {"width": 3}, None, data)
    with pytest.raises(ConfigError, match="takes no arguments: leave width away"):
        own_model(f"{__name__}:READY", {"width": 3}, None, data)
    assert own_model(f"{__name__}:READY", {}, None, data) is READY
    with pytest.raises(ConfigError, match="is no class, function or module"):
        own_model(f"{__name__}:STEPS", {}, None, data)

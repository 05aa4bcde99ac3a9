"""The four families, the published forward pass, and the reading of weights."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from symbench.config.registry import names, resolve
from symbench.errors import CheckpointError, ConfigError, DataError
from symbench.models.fields import the_well
from symbench.models.weights import load_weights, published_files, save_weights, tensors

SETTINGS = {
    "fno": {"modes": 4, "hidden_channels": 4},
    "tfno": {"modes": 4, "hidden_channels": 4},
    "unet_classic": {"init_features": 2},
    "unet_convnext": {"init_features": 4, "stages": 2},
    "fno_published": {"modes": 4, "hidden_channels": 4},
    "tfno_published": {"modes": 4, "hidden_channels": 4},
}


def build(name, dimension=2, device=None):
    torch.manual_seed(0)
    model = resolve("models", name)(
        dim_in=8,
        dim_out=2,
        n_spatial_dims=dimension,
        spatial_resolution=(16,) * dimension,
        **SETTINGS[name],
    )
    return model.eval().to(device)


def influenced(model, device, dimension=2):
    """Share of output cells that change with one input cell."""
    inputs = torch.zeros(1, 8, *(16,) * dimension, device=device)
    changed = inputs.clone()
    changed[(0, 0, *(5,) * dimension)] = 1.0
    with torch.no_grad():
        difference = (model(changed) - model(inputs)).abs().amax(dim=1)[0]
    return float((difference > 1e-9).double().mean()), difference


@pytest.mark.parametrize("name", ["fno", "tfno", "unet_classic", "unet_convnext"])
def test_a_cell_influences_others(name, device):
    """The published wrapper once dropped its spectral blocks, and no test asked."""
    assert influenced(build(name, device=device), device)[0] > 0.3


@pytest.mark.parametrize("name", ["fno_published", "tfno_published"])
def test_published_networks_are_pointwise(name, device):
    share, difference = influenced(build(name, device=device), device)
    assert share == 1 / 256
    assert difference[5, 5] > 0


@pytest.mark.parametrize("name", ["fno", "unet_classic", "unet_convnext"])
def test_three_dimensions(name, device):
    inputs = torch.zeros(1, 8, 16, 16, 16, device=device)
    assert build(name, 3, device)(inputs).shape == (1, 2, 16, 16, 16)


@pytest.mark.parametrize("name", ["unet_classic", "unet_convnext"])
@pytest.mark.parametrize("shape", [(15,), (15, 31), (16, 33)])
def test_padded_unets_take_any_size_and_are_the_same_on_one_that_fits(name, shape, device):
    grid = {"dim_in": 2, "dim_out": 1, "n_spatial_dims": len(shape), **SETTINGS[name]}
    torch.manual_seed(0)
    padded = resolve("models", name)(spatial_resolution=shape, pad=True, **grid).eval()
    padded = padded.to(device)
    assert padded(torch.randn(2, 2, *shape).to(device)).shape == (2, 1, *shape)
    torch.manual_seed(0)
    fits = (32,) * len(shape)
    plain = resolve("models", name)(spatial_resolution=fits, **grid).eval().to(device)
    values = torch.randn(2, 2, *fits).to(device)
    torch.testing.assert_close(padded(values), plain(values), rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(15,), (15, 16)])
def test_neural_operators_know_the_place_by_coordinates_alone(shape, device):
    for coordinates in (False, True):
        torch.manual_seed(0)
        model = resolve("models", "fno")(
            dim_in=2,
            dim_out=1,
            n_spatial_dims=len(shape),
            spatial_resolution=shape,
            coordinates=coordinates,
            **SETTINGS["fno"],
        ).eval()
        with torch.no_grad():
            output = model.to(device)(torch.ones(3, 2, *shape, device=device))
        assert output.shape == (3, 1, *shape)
        assert (float(output.std(dim=-1).min()) > 1e-3) == coordinates


def test_published_weights_keep_their_names():
    """A checkpoint of The Well's class loads into the pointwise network of the same name."""
    theirs = the_well.fno(
        dim_in=8, dim_out=2, n_spatial_dims=2, spatial_resolution=(16, 16), **SETTINGS["fno"]
    )
    assert set(tensors(theirs)) == set(tensors(build("fno_published")))


@pytest.mark.parametrize("name", list(SETTINGS))
def test_weights_survive_a_round_trip(name, tmp_path, device):
    model, other = build(name, device=device), build(name, device=device)
    with torch.no_grad():
        for value in tensors(other).values():
            value.zero_()
    save_weights(tmp_path / "weights.safetensors", tensors(model))
    load_weights(other, tmp_path / "weights.safetensors")
    inputs = torch.randn(1, 8, 16, 16).to(device)
    assert torch.equal(other(inputs), model(inputs))


def test_checkpoint_of_another_shape(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, nn.Conv2d(3, 4, 3).state_dict())
    with pytest.raises(CheckpointError, match=r"of shape \(4.*\), the model has \(5"):
        load_weights(nn.Conv2d(3, 5, 3), path)


def test_checkpoint_of_another_model(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"another model: 2 tensors are missing.*1 unknown"):
        load_weights(nn.Conv2d(3, 5, 3), path, ours=False)


def test_the_checksum_of_our_files_must_match(tmp_path):
    model, path = nn.Linear(2, 1), tmp_path / "w.safetensors"
    save_weights(path, model.state_dict())
    other = nn.Linear(2, 1)
    save_file(other.state_dict(), path)
    with pytest.raises(DataError, match="damaged"):
        load_weights(model, path)
    load_weights(model, path, ours=False)
    assert torch.equal(model.weight, other.weight)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float8_e5m2])
def test_weights_that_are_not_finite_are_refused(tmp_path, value, dtype):
    model, path = nn.Linear(2, 1), tmp_path / "w.safetensors"
    before = model.weight.clone()
    weight = torch.tensor([[1.0, value]]).to(dtype)
    save_weights(path, {"bias": torch.zeros(1), "weight": weight})
    with pytest.raises(CheckpointError, match=r"values in weight that are not finite"):
        load_weights(model, path)
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.int64, torch.complex64])
def test_weights_of_another_kind_are_refused(tmp_path, dtype):
    path = tmp_path / "w.safetensors"
    save_weights(path, {"bias": torch.zeros(1), "weight": torch.ones(1, 2).to(dtype)})
    with pytest.raises(CheckpointError, match=rf"has weight of {dtype}, the model has torch.float"):
        load_weights(nn.Linear(2, 1), path)


def test_other_precisions_and_counters_are_taken(tmp_path):
    path = tmp_path / "w.safetensors"
    model = nn.BatchNorm1d(2)
    state = {
        key: value.double() if value.is_floating_point() else value + 3
        for key, value in model.state_dict().items()
    }
    save_weights(path, state)
    load_weights(model, path)
    assert int(model.num_batches_tracked) == 3
    state["num_batches_tracked"] = torch.tensor(1.0)
    save_weights(path, state)
    with pytest.raises(CheckpointError, match=r"num_batches_tracked of torch\.float32"):
        load_weights(model, path)


@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\x80\x04pickle"])
def test_damaged_or_pickled_checkpoint(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="truncated or not in safetensors"):
        load_weights(nn.Conv2d(3, 5, 3), path, ours=False)
    with pytest.raises(CheckpointError, match="does not exist"):
        load_weights(nn.Conv2d(3, 5, 3), tmp_path / "none")


def test_published_folder(tmp_path):
    with pytest.raises(CheckpointError, match=r"lacks config\.json or model\.safetensors"):
        published_files(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"dim_in": 8}))
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert published_files(tmp_path)[0] == {"dim_in": 8}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no JSON"),
        ("{'dim_in': 8}", "is no JSON"),
        ("\udcff", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('{"dim_in": ' + "9" * 5000 + "}", "is no JSON"),
        ("[8, 2]", r"must hold keys and values, not \[8, 2\]"),
        ("8", "must hold keys and values, not 8"),
        ("null", "must hold keys and values, not None"),
        ('{"dim_in": 1000000000000}', "dim_in holds a number that no setting"),
        ('{"dim_in": ' + "9" * 1000 + "}", "dim_in holds a number"),
        ('{"dim_in": -1e9}', "dim_in holds a number"),
        ('{"dim_in": NaN}', "dim_in holds a number"),
        ('{"dim_in": Infinity}', "dim_in holds a number"),
        ('{"spatial_resolution": [256, 1e300]}', "spatial_resolution holds a number"),
        ('{"a": {"b": [[{"c": 20000}]]}}', "a holds a number"),
    ],
)
def test_hostile_settings_are_refused(tmp_path, text, message):
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CheckpointError, match=message) as raised:
        published_files(tmp_path)
    assert "config.json" in str(raised.value)
    assert len(str(raised.value)) < 400


def test_usual_settings_are_taken(tmp_path):
    settings = {
        "dim_in": 44,
        "spatial_resolution": [256, 256],
        "dropout": 0.1,
        "gradient_checkpointing": False,
        "padding": None,
        "name": "UNetClassic",
    }
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(settings))
    assert published_files(tmp_path)[0] == settings


def test_registry():
    assert {"fno", "fno_published", "unet_classic"} <= set(names("models"))
    assert resolve("models", "torch.nn:Conv2d") is nn.Conv2d
    with pytest.raises(ConfigError, match=r"Cannot import model 'torch\.nn:Conv9d'"):
        resolve("models", "torch.nn:Conv9d")
    with pytest.raises(ConfigError, match="Unknown treatment 'mixup'; allowed: augment"):
        resolve("treatments", "mixup")

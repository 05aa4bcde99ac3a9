"""Networks on their device."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from symbench.models.fields import the_well
from symbench.models.placing import placed
from symbench.models.weights import load_weights, save_weights

CPU = torch.device("cpu")


def made(build, dimension=2, **settings):
    torch.manual_seed(0)
    return build(
        dim_in=3,
        dim_out=2,
        n_spatial_dims=dimension,
        spatial_resolution=(16,) * dimension,
        **settings,
    )


CONVNEXT = {"init_features": 4, "stages": 2, "blocks_per_stage": 1, "blocks_at_neck": 1}
NETWORKS = {
    "1-D": partial(made, the_well.unet_classic, 1, init_features=4),
    "2-D": partial(made, the_well.unet_classic, 2, init_features=4),
    "3-D": partial(made, the_well.unet_classic, 3, init_features=4),
    "padded": partial(made, the_well.unet_classic, 2, init_features=4, pad=True),
    "ConvNeXt": partial(made, the_well.unet_convnext, **CONVNEXT),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_unets_compute_the_same_channels_last(name, tmp_path):
    """Outputs, gradients and what is saved are those of the network as it was built."""
    network = NETWORKS[name]().double()
    on_processor = placed(copy.deepcopy(network), CPU)
    wide = [weights for weights in on_processor.parameters() if weights.ndim > 3]
    assert not wide or not all(weights.is_contiguous() for weights in wide)
    dimension = 3 if name == "3-D" else 1 if name == "1-D" else 2
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(2, 3, *[16] * dimension, generator=generator, dtype=torch.float64)
    outputs = []
    for each in (network, on_processor):
        output = each(values)
        output.square().sum().backward()
        outputs.append(output.detach())
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-10, atol=1e-10)
    pairs = zip(network.parameters(), on_processor.parameters(), strict=True)
    for first, second in pairs:
        torch.testing.assert_close(second.grad, first.grad, rtol=1e-7, atol=1e-7)
    save_weights(tmp_path / "weights.safetensors", on_processor.state_dict())
    again = NETWORKS[name]().double()
    with torch.no_grad():
        for weights in again.parameters():
            weights.zero_()
    load_weights(again, tmp_path / "weights.safetensors")
    kept = on_processor.state_dict()
    assert all(torch.equal(values, kept[key]) for key, values in again.state_dict().items())


def test_networks_of_others_keep_their_memory():
    """Some take their tensors apart as they lie in memory."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 14 * 14, 2))
    before = [weights.stride() for weights in network.parameters()]
    assert placed(network, CPU) is network
    assert [weights.stride() for weights in network.parameters()] == before


def test_neural_operators_keep_space_last():
    network = made(the_well.fno, modes=4, hidden_channels=4)
    assert all(weights.is_contiguous() for weights in placed(network, CPU).parameters())

"""The models of link prediction: symmetries; sizes are in `test_published`."""

import numpy as np
import pytest
import torch

from symbench.data.dataset import TaskOptions
from symbench.data.graphs.links import auc
from symbench.data.graphs.near_copies import NearCopies
from symbench.models.graphs.links import (
    ConstantGraphNetwork,
    LearnedDecoder,
    PlainGraphNetwork,
    RawDecoder,
    SignEquivariantLinks,
    SignNetLinks,
)
from symbench.symmetry.testing import equivariance_error
from tests.conftest import fetched
from tests.here import here
from tests.tolerances import on_device

MODELS = [
    ConstantGraphNetwork,
    SignNetLinks,
    RawDecoder,
    LearnedDecoder,
    SignEquivariantLinks,
    PlainGraphNetwork,
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    dataset = NearCopies(graph="erdos_renyi", trials=1, nodes=50, parameter=0.3, extra_edges=30)
    return dataset.open(fetched(dataset, tmp_path_factory.mktemp("links")), TaskOptions(), 0)


def test_the_plain_network_is_of_the_same_size():
    count = sum(p.numel() for p in PlainGraphNetwork(columns=16).parameters())
    assert 24000 < count < 26100


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("canonical", [None, "largest_entry", "laplacian"])
def test_auc_does_not_move_under_sign_flips_where_that_is_promised(data, model, canonical, device):
    if canonical and model is not PlainGraphNetwork:
        pytest.skip("only the plain network takes canonical signs")
    torch.manual_seed(0)
    options = {"canonical": canonical} if canonical else {}
    network = here(model(columns=16, **options).eval())
    batch = here(data.split("test").batch(np.zeros((1, 1), int)))
    symmetry = data.symmetry("signs(16)")
    promised = model is not PlainGraphNetwork or canonical is not None
    with torch.no_grad():
        plain = auc(network(batch.inputs), batch.targets)
        moved = [
            auc(network(symmetry.act_on_input(signs, batch.inputs)), batch.targets)
            for signs in symmetry.group.sample(6, torch.Generator().manual_seed(0))
        ]
    change = max(abs(score - plain) for score in moved)
    assert change < 1e-6 if promised else change > 1e-6
    elements = symmetry.group.sample(6, torch.Generator().manual_seed(1))
    error = equivariance_error(network, symmetry, batch.inputs, elements)
    assert (error < on_device(1e-5, device)) == promised

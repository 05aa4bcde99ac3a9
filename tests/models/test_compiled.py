"""`compiled: true`: every registered network trains alike when torch.compile has followed it.

Its graphs run without a C++ compiler here; what fails is found as it follows the code.
"""

import copy
from functools import cache

import pytest
import torch

from symbench.config.registry import names
from symbench.errors import ConfigError
from symbench.models.uncompiled import check_compilable
from symbench.training.treatments.treatment import Treatment
from tests.here import here
from tests.models.small_data import NOT_TRAINED, small
from tests.models.small_networks import data_of, network, settings_of

# One graph from input to output.
WHOLE = ("egnn", "egno", "schnet_property", "segnn", "vn_dgcnn", "link_decoder_learned")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return cache(lambda kind: small(kind, tmp_path_factory.mktemp(kind)))


def shallow(name):
    """The first settings of a network with one layer of each sort: to follow more takes long."""
    settings = settings_of(name)[0]
    return {key: 1 if key in ("layers", "stages") else value for key, value in settings.items()}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", names("models"))
def test_networks_train_alike_when_compiled_or_say_why_not(data, name):
    kind = data_of(name)
    if kind in NOT_TRAINED:
        pytest.skip("nothing is trained")
    model = here(network(name, shallow(name), data(kind)).train())
    if not list(model.parameters()):
        pytest.skip("it has no weights")
    Treatment(data(kind).symmetry).attach(model)
    if kind == "potential":
        with pytest.raises(ConfigError, match="forces, which are derivatives"):
            check_compilable(model)
        return
    check_compilable(model)
    compiled = copy.deepcopy(model)
    torch.compiler.reset()
    compiled.compile(backend="aot_eager", fullgraph=name in WHOLE)
    for each in (model, compiled):
        torch.manual_seed(1)
        batch = here(data(kind).batch())
        data(kind).split.loss(each(batch.inputs), batch).backward()
    for (key, own), other in zip(model.named_parameters(), compiled.parameters(), strict=True):
        assert (own.grad is None) == (other.grad is None), key
        if own.grad is not None:
            torch.testing.assert_close(other.grad, own.grad, rtol=1e-4, atol=1e-5)

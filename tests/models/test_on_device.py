"""A step of training on a card: nothing mixes devices, waits for the card or copies to it.

The networks and treatments are those of the registry: a new one is tried without a line here.
"""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from symbench.config.registry import names, resolve
from symbench.data.batch import Batch
from symbench.errors import ConfigError, SymmetryError, TrainingError
from symbench.models.homotopy import relaxations
from symbench.training.treatments.treatment import Treatment
from tests.models.small_data import KINDS, NOT_TRAINED, Small, small
from tests.models.small_networks import NETWORKS, data_of, network
from tests.pretended_card import CARD, pretended_card

# What waits for the card, or copies to it, and why it must.
OF_NECESSITY = {
    "models/molecules/circuit.py:Circuit.energies": "PennyLane makes states and gates anew",
    "models/molecules/segnn_property.py:SEGNNProperty.forward": "which pairs are near enough",
    "models/points/social_stgcnn.py:SocialSTGCNN.forward": "windows by size; nothing is trained",
    "symmetry/points/actions.py:flip_columns": "the elements of an average; waits for nothing",
    "symmetry/points/canonical_signs.py:_laplacian_sign": "classes of entries that are equal",
    "symmetry/points/canonical_signs.py:_signs": "warns of signs that a rule leaves open",
    "symmetry/points/principal_axes.py:_check_general_position": "refuses frames that are open",
    "symmetry/points/principal_axes.py:determined_axes": "refuses axes that are open",
    "symmetry/points/principal_axes.py:finite_eigh": "eigenvectors may not converge",
    "symmetry/points/principal_axes.py:minimal_frame": "the solver looks at its result",
    "training/treatments/augment.py:act_on_each": "elements are drawn on the CPU",
    "training/treatments/augment.py:moved_to": "elements are drawn on the CPU",
}
HOMOTOPY = ("constrain", "strict")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return cache(lambda kind: small(kind, tmp_path_factory.mktemp(kind)))


def treated(name: str, settings: dict[str, object], method: str, data: Small):
    """A network as a treatment wraps it, and the treatment, not yet attached."""
    homotopy = "augment" in resolve("treatments", method).__init__.__annotations__
    treatment = resolve("treatments", method)(
        data.symmetry, **{"augment": True} if homotopy else {}
    )
    return treatment.wrap(network(name, settings, data)).train(), treatment


def step(model: nn.Module, treatment: Treatment, data: Small, batch: Batch) -> Tensor:
    """The loss of one step, as the training loop takes it, with its gradients."""
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(2)
    inputs, targets = treatment(batch.inputs, batch.targets, batch.samples, generator)
    prediction = treatment.predict(model, inputs, batch.samples, generator)
    loss = data.split.loss(prediction, replace(batch, targets=targets))
    term = treatment.loss_term(model, inputs, prediction, loss, batch.samples, generator)
    total = loss if term is None else loss + term
    if total.requires_grad:
        total.backward()
    return total.detach()


def assert_same_on_card(name, settings, method, data):
    """Assert that a step on the card waits for nothing, and is that on the CPU, bit for bit.

    It is the second step: tables that are kept are made in the first.
    """
    model, treatment = treated(name, settings, method, data)
    treatment.attach(model)
    step(model, treatment, data, data.batch())
    expected = step(model, treatment, data, data.batch())
    gradients = {key: each.grad for key, each in model.named_parameters()}
    model, treatment = treated(name, settings, method, data)
    with pretended_card() as watch:
        model.to(CARD)
        treatment.attach(model)
        batch = data.batch().to(CARD)
        step(model, treatment, data, batch)
        watch.forget()
        found = step(model, treatment, data, batch)
        assert {*watch.reads, *watch.copies} <= OF_NECESSITY.keys()
        assert watch.kernels
        assert torch.equal(found.cpu(), expected)
        for key, parameter in model.named_parameters():
            assert (parameter.grad is None) == (gradients[key] is None), key
            assert parameter.grad is None or torch.equal(parameter.grad.cpu(), gradients[key]), key


@pytest.mark.filterwarnings("ignore:Sparse", "ignore:Some eigenvector is as symmetric")
@pytest.mark.parametrize(("name", "settings"), NETWORKS, ids=str)
def test_networks_train_on_a_card_without_a_word_from_the_cpu(data, name, settings):
    of_kind = data(data_of(name))
    homotopy = HOMOTOPY if relaxations(network(name, settings, of_kind)) else ()
    for method in ("none", *homotopy):
        assert_same_on_card(name, settings, method, of_kind)


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("method", names("treatments"))
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NOT_TRAINED])
def test_treatments_train_on_a_card(data, kind, method):
    """On the first network of each kind that the treatment suits."""
    for name, settings in NETWORKS:
        if data_of(name) == kind and list(network(name, settings, data(kind)).parameters()):
            try:
                model, treatment = treated(name, settings, method, data(kind))
                treatment.attach(model)
            except (ConfigError, SymmetryError, TrainingError):
                continue
            assert_same_on_card(name, settings, method, data(kind))
            return
    pytest.skip("it suits no network of this kind")

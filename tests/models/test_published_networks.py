"""SEGNN, EGNN and EGNO against numbers of the public code: outputs, three steps, and λ.

The numbers were made outside the project, in double precision, by the public code itself: that of
arXiv 2505.13631 (andreimano/ACE, 8d6d2ad) and of EGNN (vgsatorras/egnn, e9ca6c0), for small random
weights, which lie one after the other in the order of our names.
"""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from symbench.config.settings import TrainingSettings
from symbench.data.points.particle_inputs import ParticleInputs
from symbench.data.points.point_graph import PointGraph
from symbench.models.homotopy import projected, relaxations
from symbench.models.points.egnn import EGNN
from symbench.models.points.egno import EGNO
from symbench.models.points.segnn import SEGNNParticles
from symbench.training.treatments.constrain import Constrain, ConstrainPartially
from symbench.training.treatments.treatment import Treatment
from symbench.training.updates import Updates
from tests.here import here

FIXTURES = Path(__file__).parents[1] / "fixtures"
NAMES = ("segnn", "egnn", "egno")


def published(name):
    with np.load(FIXTURES / f"published_{name}.npz") as file:
        return {key: here(torch.from_numpy(file[key])) for key in file.files}


def network(name):
    """Ours, in the sizes of the numbers."""
    networks = {
        "segnn": lambda: SEGNNParticles(3, hidden=4, layers=2),
        "egnn": lambda: EGNN(3, 8, 2),
        "egno": lambda: EGNO(1, 1, 5, hidden=6, layers=2, time_embedding=8),
    }
    model = here(networks[name]().double())
    own = model.state_dict()
    sizes = [own[key].numel() for key in sorted(own)]
    parts = published(name)["weights"].split(sizes)
    weights = zip(sorted(own), parts, strict=True)
    model.load_state_dict({key: part.reshape(own[key].shape) for key, part in weights})
    return model


def inputs(name, batch):
    """One of the three batches."""
    values = published(name)
    positions, velocities = values["positions"][batch], values["velocities"][batch]
    if name != "egno":
        return ParticleInputs(positions, velocities, values["charges"][batch])
    samples, nodes, _ = positions.shape
    offsets = here(nodes * torch.arange(samples))
    graph = PointGraph(
        positions.flatten(0, 1),
        velocities.flatten(0, 1),
        values["heights"][batch].flatten(0, 1),
        (values["edges"][:, None] + offsets[:, None]).flatten(1),
        values["hops"].repeat(samples, 1),
        torch.arange(samples).repeat_interleave(nodes),
        torch.full((samples,), nodes),
    )
    return here(graph)


def targets(name, batch):
    found = published(name)["targets"][batch]
    return found.flatten(0, 1) if name == "egno" else found


def predict(model, name):
    model.eval()
    with torch.no_grad():
        return model(inputs(name, 0))


def difference(name):
    """The largest difference of outputs, with the free branches and without them."""
    model, expected = network(name), published(name)
    worst = float((predict(model, name) - expected["prediction"]).abs().max())
    if "strict" in expected:
        with projected(model):
            worst = max(worst, float((predict(model, name) - expected["strict"]).abs().max()))
    return worst


PUBLISHED_RATES = {
    "segnn": (9e-4, None, lambda: Constrain(None, dual_rate=8e-4)),
    "egnn": (5e-4, None, lambda: Treatment(None)),
    "egno": (
        5e-4,
        1.0,
        lambda: ConstrainPartially(None, dual_rate=2e-4, dual_epsilon=1e-4, one_sided=True),
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_the_public_code(name):
    assert difference(name) < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_three_steps_and_the_dual_updates_are_those_of_the_public_code(name):
    """Adam, clipping and λ, which sees γ before each step; λ starts above and below zero.

    Without EGNO's weight decay of 1e-10: through Adam's normalisation it moves weights before batch
    norms, which have no other gradient, and outputs by 1.4e-6; ours is decoupled.
    """
    model, expected = network(name), published(name)
    rate, clip, make = PUBLISHED_RATES[name]
    treatment = make()
    treatment.attach(model)
    if "multipliers" in expected:
        treatment.multipliers.copy_(expected["multipliers"])
    settings = TrainingSettings(
        epochs=1,
        batch_size=4,
        learning_rate=rate,
        weight_decay=0.0,
        warm_up_epochs=0,
        schedule="constant",
        clip_gradient_norm=clip,
    )
    updates = Updates(model, treatment, settings, steps_per_epoch=3)
    model.train()
    for step in range(3):
        updates.begin(step)
        loss = (model(inputs(name, step)) - targets(name, step)).square().mean()
        term = treatment.loss_term(model, None, None, loss, 1, None)
        (loss if term is None else loss + term).backward()
        updates.finish(step)
    close = {"rtol": 0, "atol": 1e-6}
    torch.testing.assert_close(predict(model, name), expected["trained"], **close)
    assert float((expected["trained"] - expected["prediction"]).abs().max()) > 1e-3
    if "multipliers" in expected:
        gammas = torch.stack([layer.gamma.detach() for layer in relaxations(model).values()])
        torch.testing.assert_close(gammas, expected["trained_gammas"], **close)
        torch.testing.assert_close(treatment.multipliers, expected["trained_multipliers"], **close)


BUILDS = {
    ("segnn", "n-body"): ("segnn", lambda: SEGNNParticles(3)),
    ("egnn", "n-body"): ("egnn", lambda: EGNN(3)),
    ("egno", "motion capture"): ("egno", lambda: EGNO(1, 1, 5)),
}


@pytest.mark.parametrize("network_and_task", BUILDS)
def test_the_table_of_published_networks_says_what_is_measured(network_and_task):
    """Numbers of parameters, free branches included, and differences of outputs."""
    with (FIXTURES / "published_networks.csv").open() as file:
        rows = {(row["network"], row["task"]): row for row in csv.DictReader(file)}
    row, (name, build) = rows[network_and_task], BUILDS[network_and_task]
    count = sum(parameter.numel() for parameter in build().parameters())
    assert count == int(row["parameters"]) == int(row["published_parameters"])
    assert difference(name) <= max(1e-12, 2 * float(row["forward_difference"]))

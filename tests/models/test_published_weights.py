"""Networks of published weights: held against public values, and against their formulas."""

import json

import numpy as np
import torch

from symbench.data.points.glass_data import GlassInputs
from symbench.data.points.pedestrian_data import PedestrianInputs
from symbench.models.points.glass_network import ROUNDS, GlassNetwork
from symbench.models.points.social_stgcnn import SocialSTGCNN
from tests.here import here
from tests.models.published import VALUES, fill, numbers


def test_social_stgcnn_gives_the_values_of_the_public_code():
    """Two windows at once, of three and four pedestrians."""
    windows = [0.5 * numbers(3, 8, 2), 0.5 * numbers(4, 8, 2, first=1)]
    for window in windows:
        window[:, 0] = 0
    index = torch.tensor([0, 0, 0, 1, 1, 1, 1])
    model = fill(SocialSTGCNN()).eval()
    with torch.no_grad():
        found = model(here(PedestrianInputs(torch.cat(windows), index, torch.arange(7))))
    values = json.loads(VALUES.read_text())["social_stgcnn"]["forward"]
    x, y, log_x, log_y, raw = torch.tensor(values, dtype=torch.float64).reshape(7, 12, 5).unbind(-1)
    joint = raw.tanh() * (log_x + log_y).exp()
    expected = torch.stack([x, y, (2 * log_x).exp(), joint, (2 * log_y).exp()], dim=-1)
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-6, atol=1e-6)


def test_the_order_of_pedestrians_matters_to_social_stgcnn_and_the_chosen_are_followed():
    inputs = PedestrianInputs(0.5 * numbers(4, 8, 2), torch.zeros(4).long(), torch.tensor([2, 0]))
    turned = PedestrianInputs(inputs.displacements.flip(0), inputs.window, torch.tensor([1, 3]))
    model = fill(SocialSTGCNN()).eval()
    with torch.no_grad():
        first, second = model(here(inputs)), model(here(turned))
    assert first.shape == second.shape == (2, 12, 5)
    assert float((first - second).abs().max()) > 1e-3


def test_the_glass_network_is_its_formula():
    """Node by node and edge by edge, in NumPy."""
    torch.manual_seed(0)
    model = GlassNetwork(hidden=5).double()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.copy_(0.1 * torch.randn_like(parameter))
    edges = torch.tensor([[0, 1, 2, 1, 3, 0, 1, 2, 3], [1, 0, 1, 2, 0, 0, 1, 2, 3]])
    types = torch.tensor([0.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    inputs = GlassInputs(types, edges, numbers(9, 3), torch.tensor([3, 1]))
    weights = {key: value.detach().numpy() for key, value in model.named_parameters()}

    def perceptron(block, values, layers=2, last=True):
        for number in range(layers):
            name = f"Graph/{block}/mlp/linear_{number}"
            values = values @ weights[f"{name}/w"] + weights[f"{name}/b"]
            if last or number + 1 < layers:
                values = np.maximum(values, 0)
        return values

    nodes_0 = [perceptron("graph_independent/node_model", np.array([t])) for t in types.numpy()]
    edges_0 = [perceptron("graph_independent/edge_model", d) for d in inputs.displacements.numpy()]
    nodes, of_edges = nodes_0, edges_0
    for _ in range(ROUNDS):
        joined = [np.concatenate(pair) for pair in zip(nodes, nodes_0, strict=True)]
        of_edges = [
            perceptron(
                "graph_network/edge_block",
                np.concatenate([edge, edge_0, joined[receiver], joined[sender]]),
            )
            for edge, edge_0, (sender, receiver) in zip(
                of_edges, edges_0, edges.T.tolist(), strict=True
            )
        ]
        received = [
            sum(edge for edge, to in zip(of_edges, edges[1].tolist(), strict=True) if to == node)
            for node in range(4)
        ]
        nodes = [
            perceptron("graph_network/node_block", np.concatenate([total, own]))
            for total, own in zip(received, joined, strict=True)
        ]
    expected = [
        perceptron("graph_independent_1/node_model", nodes[node], layers=3, last=False)[0]
        for node in (3, 1)
    ]
    with torch.no_grad():
        found = here(model)(here(inputs)).cpu()
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert sum(parameter.numel() for parameter in GlassNetwork().parameters()) == 70721

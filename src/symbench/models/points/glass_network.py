"""The published graph network that predicts how far the particles of a glass move.

Source: Bapst et al., Nature Physics 16, 448 (2020); weights of google-deepmind/deepmind-research,
glassy_dynamics. Tensors have the names of the published file.
"""

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from symbench.data.points.glass_data import GlassInputs

ROUNDS = 7
_ENCODER, _ROUND, _DECODER = "graph_independent", "graph_network", "graph_independent_1"


class GlassNetwork(nn.Module):
    """Encoder, seven rounds of one message passing block, decoder of the nodes.

    Every block is a perceptron with ReLU after each layer, but after the last of the decoder. In
    each round nodes and edges are joined to what the encoder made of them.
    """

    def __init__(self, hidden: int = 64) -> None:
        """Make the tensors; `hidden` is the width of all layers."""
        super().__init__()
        widths: Mapping[str, tuple[int, ...]] = {
            f"{_ENCODER}/edge_model": (3, hidden, hidden),
            f"{_ENCODER}/node_model": (1, hidden, hidden),
            f"{_ROUND}/edge_block": (6 * hidden, hidden, hidden),
            f"{_ROUND}/node_block": (3 * hidden, hidden, hidden),
            # The published file has it, but only nodes are decoded.
            f"{_DECODER}/edge_model": (hidden, hidden, hidden),
            f"{_DECODER}/node_model": (hidden, hidden, hidden, 1),
        }
        self.layers = {block: len(sizes) - 1 for block, sizes in widths.items()}
        for block, sizes in widths.items():
            for number, (before, after) in enumerate(itertools.pairwise(sizes)):
                weight = torch.randn(before, after) / before**0.5
                self.register_parameter(_name(block, number, "w"), nn.Parameter(weight))
                bias = torch.zeros(after)
                self.register_parameter(_name(block, number, "b"), nn.Parameter(bias))

    def forward(self, inputs: GlassInputs) -> Tensor:
        """Propensities of the chosen particles, shape (chosen,), in units of length."""
        senders, receivers = inputs.edges
        nodes_0 = self._perceptron(f"{_ENCODER}/node_model", inputs.types[:, None])
        edges_0 = self._perceptron(f"{_ENCODER}/edge_model", inputs.displacements)
        nodes, edges = nodes_0, edges_0
        for _ in range(ROUNDS):
            joined_nodes = torch.cat([nodes, nodes_0], dim=1)
            # The first layer acts on nodes before they are copied to their edges: the same sum.
            edges = self._edges(
                torch.cat([edges, edges_0], dim=1), joined_nodes, receivers, senders
            )
            received = torch.zeros_like(nodes).index_add_(0, receivers, edges)
            nodes = self._perceptron(
                f"{_ROUND}/node_block", torch.cat([received, joined_nodes], dim=1)
            )
        return self._perceptron(f"{_DECODER}/node_model", nodes[inputs.chosen], last=False)[:, 0]

    def _edges(self, edges: Tensor, nodes: Tensor, receivers: Tensor, senders: Tensor) -> Tensor:
        block = f"{_ROUND}/edge_block"
        weight, bias = self._layer(block, 0)
        width = nodes.shape[1]
        of_edge, of_receiver, of_sender = weight.split([weight.shape[0] - 2 * width, width, width])
        hidden = torch.addmm(bias, edges, of_edge)
        hidden += (nodes @ of_receiver)[receivers]
        hidden += (nodes @ of_sender)[senders]
        weight, bias = self._layer(block, 1)
        return torch.addmm(bias, hidden.relu(), weight).relu()

    def _layer(self, block: str, number: int) -> tuple[Tensor, Tensor]:
        return (
            self.get_parameter(_name(block, number, "w")),
            self.get_parameter(_name(block, number, "b")),
        )

    def _perceptron(self, block: str, values: Tensor, last: bool = True) -> Tensor:
        for number in range(self.layers[block]):
            weight, bias = self._layer(block, number)
            values = torch.addmm(bias, values, weight)
            if last or number + 1 < self.layers[block]:
                values = values.relu()
        return values


def _name(block: str, number: int, what: str) -> str:
    return f"Graph/{block}/mlp/linear_{number}/{what}"

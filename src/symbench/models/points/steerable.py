"""Tensor products of features that are sums of irreps, with attributes of the same kind.

Rows hold one block after the other, one for each term of the irreps. Within a block of n copies of
an irrep the components vary slowest, (component, copy): a product with weights is then one plain
matrix product, where e3nn's layout (copy, component) needs a transposition and its generated code
one product for each path. The numbers are the same; a test compares.
"""

import torch
from e3nn.o3 import Irrep, Irreps, wigner_3j
from torch import Tensor, nn


def blocks(values: Tensor, irreps: Irreps) -> list[Tensor]:
    """The blocks of features, each of shape (row, component, copy)."""
    parts = values.split([copies * irrep.dim for copies, irrep in irreps], dim=1)
    return [
        part.unflatten(1, (irrep.dim, copies))
        for part, (copies, irrep) in zip(parts, irreps, strict=True)
    ]


class SteerableLinear(nn.Module):
    """All paths from features and attributes to an output, each with its weights, and a bias.

    The same map as e3nn's `FullyConnectedTensorProduct` with components normalised; weights and
    biases start as those of `nn.Linear` do, as in the public code of SEGNN.
    """

    def __init__(self, irreps_in: Irreps, irreps_out: Irreps, attributes: Irreps) -> None:
        """Set the irreps of values and outputs; of attributes, one copy of each."""
        super().__init__()
        self.irreps_in, self.irreps_out, self.attributes = irreps_in, irreps_out, attributes
        self.copies_in: dict[Irrep, int] = {}
        for copies, irrep in irreps_in:
            self.copies_in[irrep] = self.copies_in.get(irrep, 0) + copies
        # (input irrep, place of the attribute, place of the output, name) of each path.
        self.paths: list[tuple[Irrep, int, int, str]] = []
        fan_in = [0] * len(irreps_out)
        for irrep, copies in self.copies_in.items():
            for attribute, (_, other) in enumerate(attributes):
                for place, (_, out) in enumerate(irreps_out):
                    if out in irrep * other:
                        self.paths.append((irrep, attribute, place, f"{irrep}_{other}_{place}"))
                        fan_in[place] += copies
        self.weights = nn.ParameterDict()
        # In double precision whatever the module's: a buffer would be rounded with it.
        self.couplings: dict[str, Tensor] = {}
        for irrep, attribute, place, name in self.paths:
            copies, out = irreps_out[place]
            shape = (self.copies_in[irrep], copies)
            bound = fan_in[place] ** -0.5
            self.weights[name] = nn.Parameter((2 * torch.rand(shape) - 1) * bound)
            other = attributes[attribute].ir
            coupling = wigner_3j(irrep.l, other.l, out.l, dtype=torch.float64) * out.dim**0.5
            self.couplings[name] = coupling
        bounds = [
            fan_in[place] ** -0.5 * torch.ones(copies)
            for place, (copies, out) in enumerate(irreps_out)
            if out.is_scalar()
        ]
        bound_of = torch.cat([*bounds, torch.zeros(0)])
        self.bias = nn.Parameter((2 * torch.rand(len(bound_of)) - 1) * bound_of)

    def forward(self, values: Tensor, attributes: Tensor) -> Tensor:
        """Values (row, irreps) and attributes (row, irreps) to (row, irreps)."""
        gathered: dict[Irrep, list[Tensor]] = {}
        for block, (_, irrep) in zip(blocks(values, self.irreps_in), self.irreps_in, strict=True):
            gathered.setdefault(irrep, []).append(block)
        inputs = {
            irrep: parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
            for irrep, parts in gathered.items()
        }
        seen = blocks(attributes, self.attributes)
        outputs: list[Tensor | None] = [None] * len(self.irreps_out)
        for irrep, attribute, place, name in self.paths:
            out = self.irreps_out[place].ir
            coupling = self.couplings[name].to(values)
            value, weight = inputs[irrep], self.weights[name]
            # The smaller of input and output meets the weights.
            if out.dim < irrep.dim:
                term = _couple(value, seen[attribute], coupling) @ weight
            else:
                term = _couple(value @ weight, seen[attribute], coupling)
            before = outputs[place]
            outputs[place] = term if before is None else before + term
        return torch.cat(self._biased(outputs, len(values), values), dim=1)

    def _biased(self, outputs: list[Tensor | None], rows: int, like: Tensor) -> list[Tensor]:
        finished, first = [], 0
        for output, (copies, out) in zip(outputs, self.irreps_out, strict=True):
            term = like.new_zeros(rows, out.dim, copies) if output is None else output
            if out.is_scalar():
                term = term + self.bias[first : first + copies]
                first += copies
            finished.append(term.flatten(1))
        return finished


def _couple(value: Tensor, attribute: Tensor, coupling: Tensor) -> Tensor:
    """Clebsch-Gordan product of (row, component, copy) with (row, component, 1)."""
    left, right, out = coupling.shape
    if right == 1:
        return value * (attribute * coupling[0, 0, 0])
    if left == 1:
        return (attribute.squeeze(2) @ coupling[0])[:, :, None] * value
    if out == 1:
        return (value * (attribute.squeeze(2) @ coupling[:, :, 0].mT)[:, :, None]).sum(
            dim=1, keepdim=True
        )
    mixed = torch.einsum("rb,abc->rca", attribute.squeeze(2), coupling)
    return mixed @ value

"""Tensor products of features that are sums of irreps, with attributes of the same kind.

Rows hold one block after the other, one for each term of the irreps. Within a block of n copies of
an irrep the components vary slowest, (component, copy): a product with weights is then one plain
matrix product, where e3nn's layout (copy, component) needs a transposition and its generated code
one product for each path. The numbers are the same; a test compares.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from e3nn.o3 import Irreps, wigner_3j
from torch import Tensor, nn

from symbench.models.constant import Constant

# Copies and components of each term of some irreps: plain numbers, which a compiler follows.
Shapes = Sequence[tuple[int, int]]


def shapes(irreps: Irreps) -> Shapes:
    """Copies and components of each term."""
    return [(copies, irrep.dim) for copies, irrep in irreps]


def blocks(values: Tensor, terms: Shapes) -> list[Tensor]:
    """The blocks of features, each of shape (row, component, copy)."""
    parts = values.split([copies * components for copies, components in terms], dim=1)
    return [
        part.unflatten(1, (components, copies))
        for part, (copies, components) in zip(parts, terms, strict=True)
    ]


@dataclass(frozen=True)
class Path:
    """A way from an irrep of the values and one of the attributes to a term of the output.

    Attributes:
        name: of its weights.
        irrep: name of the irrep of the values.
        attribute: place of the term of the attributes.
        place: of the term of the output.
        components: of the irreps of values, attributes and output.

    """

    name: str
    irrep: str
    attribute: int
    place: int
    components: tuple[int, int, int]

    def coupling(self) -> Tensor:
        """Clebsch-Gordan coefficients, shape of `components`."""
        degrees = [(components - 1) // 2 for components in self.components]
        found: Tensor = wigner_3j(*degrees, dtype=torch.float64)
        return found * self.components[2] ** 0.5


class SteerableLinear(nn.Module):
    """All paths from features and attributes to an output, each with its weights, and a bias.

    The same map as e3nn's `FullyConnectedTensorProduct` with components normalised; weights and
    biases start as those of `nn.Linear` do, as in the public code of SEGNN.
    """

    def __init__(self, irreps_in: Irreps, irreps_out: Irreps, attributes: Irreps) -> None:
        """Set the irreps of values and outputs; of attributes, one copy of each."""
        super().__init__()
        self.shapes_in, self.seen = shapes(irreps_in), shapes(attributes)
        self.shapes_out = shapes(irreps_out)
        self.names_in = [str(irrep) for _, irrep in irreps_in]
        self.is_scalar = [out.is_scalar() for _, out in irreps_out]
        irreps = dict(zip(self.names_in, (irrep for _, irrep in irreps_in), strict=True))
        copies_in = dict.fromkeys(irreps, 0)
        for name, (copies, _) in zip(self.names_in, self.shapes_in, strict=True):
            copies_in[name] += copies
        self.paths: list[Path] = []
        fan_in = [0] * len(irreps_out)
        for irrep_name, irrep in irreps.items():
            for attribute, (_, other) in enumerate(attributes):
                for place, (_, out) in enumerate(irreps_out):
                    if out in irrep * other:
                        name = f"{irrep}_{other}_{place}"
                        components = (irrep.dim, other.dim, out.dim)
                        self.paths.append(Path(name, irrep_name, attribute, place, components))
                        fan_in[place] += copies_in[irrep_name]
        self.weights = nn.ParameterDict()
        # Those of products with a scalar, or to one, are a single number.
        self.couplings = nn.ModuleDict(
            {
                path.name: Constant(path.coupling())
                for path in self.paths
                if 1 not in path.components
            }
        )
        for path in self.paths:
            shape = (copies_in[path.irrep], self.shapes_out[path.place][0])
            bound = fan_in[path.place] ** -0.5
            self.weights[path.name] = nn.Parameter((2 * torch.rand(shape) - 1) * bound)
        bounds = [
            fan_in[place] ** -0.5 * torch.ones(copies)
            for place, (copies, _) in enumerate(self.shapes_out)
            if self.is_scalar[place]
        ]
        bound_of = torch.cat([*bounds, torch.zeros(0)])
        self.bias = nn.Parameter((2 * torch.rand(len(bound_of)) - 1) * bound_of)

    def forward(self, values: Tensor, attributes: Tensor) -> Tensor:
        """Values (row, irreps) and attributes (row, irreps) to (row, irreps)."""
        gathered: dict[str, list[Tensor]] = {}
        for name, block in zip(self.names_in, blocks(values, self.shapes_in), strict=True):
            gathered.setdefault(name, []).append(block)
        inputs = {
            name: parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
            for name, parts in gathered.items()
        }
        seen = blocks(attributes, self.seen)
        outputs: list[Tensor | None] = [None] * len(self.shapes_out)
        for path in self.paths:
            value, weight = inputs[path.irrep], self.weights[path.name]
            left, _, out = path.components
            # The smaller of input and output meets the weights.
            if out < left:
                term = self._couple(value, seen[path.attribute], path) @ weight
            else:
                term = self._couple(value @ weight, seen[path.attribute], path)
            before = outputs[path.place]
            outputs[path.place] = term if before is None else before + term
        return torch.cat(self._biased(outputs, len(values), values), dim=1)

    def _couple(self, value: Tensor, attribute: Tensor, path: Path) -> Tensor:
        """Clebsch-Gordan product of (row, component, copy) with (row, component, 1)."""
        left, right, out = path.components
        if 1 in (left, right):
            return value * attribute
        if out == 1:
            return (value * (attribute * left**-0.5)).sum(dim=1, keepdim=True)
        coupling = self.couplings[path.name]().to(value.dtype)
        mixed = torch.einsum("rb,abc->rca", attribute.squeeze(2), coupling)
        return mixed @ value

    def _biased(self, outputs: list[Tensor | None], rows: int, like: Tensor) -> list[Tensor]:
        finished, first = [], 0
        for output, (copies, components), scalar in zip(
            outputs, self.shapes_out, self.is_scalar, strict=True
        ):
            term = like.new_zeros(rows, components, copies) if output is None else output
            if scalar:
                term = term + self.bias[first : first + copies]
                first += copies
            finished.append(term.flatten(1))
        return finished

"""Points at one place, on a line, symmetric, alone; graphs without edges: finite, or refused.

The networks are those of the registry: a new one is tried without a line here, as long as it takes
what the data of some kind say.
"""

from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from symbench.data.batch import Inputs
from symbench.data.points.point_graph import PointGraph
from symbench.errors import SymBenchError
from symbench.models.homotopy import project
from symbench.models.molecules.distances import direction
from symbench.models.molecules.gates import Exchange, SpinRotation
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from tests.here import here
from tests.models.degenerate import CASES, inputs_of, parts
from tests.models.published import numbers

TRIED = "degenerate clouds"
LEAVES = ("positions", "vectors", "displacements")
NO_ROTATIONS = ("clusters", "links", "glass", "pedestrians")
NOT_EQUIVARIANT = ("particle_graph_network", "plain_circuit")
MARKED = [
    pytest.param(*case.values, id=case.id, marks=pytest.mark.tried(TRIED, case.id, "right"))
    for case in CASES
]


def with_gradient(inputs: Inputs | Tensor) -> tuple[Inputs | Tensor, Tensor]:
    if isinstance(inputs, Tensor):
        leaf = inputs.clone().requires_grad_()
        return leaf, leaf
    name = next(name for name in LEAVES if name in vars(inputs))
    leaf = getattr(inputs, name).clone().requires_grad_()
    return replace(inputs, **{name: leaf}), leaf


def assert_finite(model: nn.Module, inputs: Inputs | Tensor) -> None:
    """Assert that values and all gradients are finite, and none is as steep as 1 / rounding."""
    inputs, leaf = with_gradient(inputs)
    values = model(inputs)
    assert bool(values.isfinite().all())
    if not values.requires_grad:
        return
    (values * here(numbers(*values.shape))).sum().backward()
    for name, parameter in [("inputs", leaf), *model.named_parameters()]:
        if parameter.grad is not None:
            assert bool(parameter.grad.isfinite().all()), name
            # Batch norm over points that are all alike divides by its small constant.
            if not model.training:
                assert float(parameter.grad.abs().max()) < 1e7, name


@pytest.mark.parametrize("case", MARKED)
@pytest.mark.filterwarnings("ignore:Some eigenvector is as symmetric")
def test_values_and_gradients_are_finite_or_the_input_is_refused(case):
    for model in (case.build().train(), case.build().eval()):
        for inputs in inputs_of(case.kind, case.circuit):
            try:
                assert_finite(model, inputs)
            except SymBenchError:
                for part in parts(inputs):
                    with suppress(SymBenchError):
                        assert_finite(model, part)


def rotated(inputs, elements):
    """Clouds, each turned by an element of its own."""
    if isinstance(inputs, Tensor):
        return inputs @ elements.mT
    rows = elements[inputs.sample_of_node] if isinstance(inputs, PointGraph) else elements[:, None]
    turned = ((rows @ v[..., None])[..., 0] for v in (inputs.positions, inputs.velocities))
    return replace(inputs, **dict(zip(("positions", "velocities"), turned, strict=True)))


def rotated_outputs(kind, inputs, outputs, elements):
    if kind in ("property", "cloud"):
        return outputs
    if kind == "particles":
        return outputs @ elements.mT
    rows = elements[inputs.sample_of_node]
    if kind == "joints":
        return outputs @ rows.mT
    return torch.cat([outputs[:, :1], (rows @ outputs[:, 1:, None])[..., 0]], dim=1)


@pytest.mark.parametrize("case", CASES)
def test_accepted_clouds_turn_with_their_predictions(case):
    if case.kind in NO_ROTATIONS or case.name in NOT_EQUIVARIANT:
        pytest.skip("no rotations")
    model = case.build().eval()
    project(model)
    group = OrthogonalGroup(3, proper=True)
    for batch in inputs_of(case.kind, case.circuit):
        for inputs in parts(batch) if case.kind == "particles" else [batch]:
            samples = inputs.samples if isinstance(inputs, PointGraph) else len(inputs_rows(inputs))
            elements = here(group.sample(samples, torch.Generator().manual_seed(0)))
            try:
                expected = rotated_outputs(case.kind, inputs, model(inputs), elements)
                found = model(rotated(inputs, elements))
            except SymBenchError:
                continue
            torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-7)


def inputs_rows(inputs):
    return inputs if isinstance(inputs, Tensor) else inputs.positions


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:Some eigenvector is as symmetric")
def test_networks_make_their_constants_on_the_device_of_the_inputs(case):
    """Constants that name no device are made elsewhere here, and cannot meet the inputs."""
    if case.circuit:
        pytest.skip("PennyLane makes its own")
    model = case.build().eval()
    inputs = inputs_of(case.kind, case.circuit)[-1]
    if case.kind == "particles":
        inputs = parts(inputs)[0]
    model(inputs)
    with torch.device("meta"):
        model(inputs)


@pytest.mark.tried(TRIED, "gates of circuits on another device than the CPU", "right")
def test_gates_follow_the_device_of_their_parameters():
    vector = torch.zeros(2, 3, dtype=torch.float64, device="meta")
    assert SpinRotation.compute_matrix(vector).device == vector.device
    gate = Exchange(torch.zeros((), dtype=torch.float64, device="meta"), wires=[0, 1, 2])
    assert gate.matrix().device == vector.device


def test_directions_are_units_or_zero_with_finite_gradients():
    vectors = here(torch.tensor([[3.0, 0, 4], [0, 0, 0], [1e-9, 0, 0]]).double()).requires_grad_()
    found = direction(vectors)
    expected = torch.tensor([[0.6, 0, 0.8], [0, 0, 0], [0, 0, 0]]).double()
    torch.testing.assert_close(found.cpu(), expected)
    found.sum().backward()
    # The part of (1, 1, 1) across the vector, over its length.
    across = torch.ones(3).double() - 1.4 * expected[0]
    slopes = torch.stack([across / 5, *torch.zeros(2, 3).double()])
    torch.testing.assert_close(vectors.grad.cpu(), slopes)

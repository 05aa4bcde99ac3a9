"""The public `symmetrize_points`: models of points, graphs and molecules averaged over a group."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from symbench.errors import SymmetryError
from symbench.symmetry.groups import Group
from symbench.symmetry.points.arguments import Arguments, OutputRoles, Outputs, Signature
from symbench.symmetry.points.centroids import Centroids
from symbench.symmetry.points.point_groups import chosen_group, dimension_of
from symbench.symmetry.points.quadrature import (
    RandomElement,
    Rule,
    averaging_rule,
    refuse_spread_of_one,
)
from symbench.symmetry.points.roles import Nodes, Role, as_role, move, seems_of_nodes
from symbench.symmetry.reynolds import (
    OrbitMoments,
    added,
    take_plain_weights,
    warn_of_training,
)
from symbench.symmetry.symmetry import Element, Elements, Symmetry

# The role of the only tensor, or of each by name.
Inputs = str | Role | Mapping[str, str | Role]
T = TypeVar("T")


class SymmetrizedPoints(nn.Module):
    """A model averaged over (a part of) a group of points; see `symmetrize_points`."""

    def __init__(
        self,
        model: Callable[..., object],
        inputs: Mapping[str, Role] | Role,
        outputs: OutputRoles,
        rule: Rule | RandomElement,
        centred: bool = False,
    ) -> None:
        """Wrap a model.

        Args:
            model: the model.
            inputs: roles of what the model is called with.
            outputs: roles of what it gives.
            rule: the elements.
            centred: whether positions are taken from the centroid of each sample.

        """
        super().__init__()
        self.model = model
        self.training = isinstance(model, nn.Module) and model.training
        self.group = rule.group
        self.signature = Signature(model, inputs)
        self.outputs = outputs
        self.rule = rule
        self.centred = centred
        self.symmetry: Symmetry[object] = Symmetry(
            rule.group,
            self._act_on_input,
            self._act_on_output,
            parts=outputs.tensors,
            output_action=self._output_action,
        )
        self.register_load_state_dict_pre_hook(take_plain_weights)

    def forward(self, *arguments: object, **named: object) -> object:
        """The mean of the pulled-back predictions, accumulated in at least single precision."""
        total: list[Tensor] = []
        given: object = None
        for weight, found, outputs in self._orbit(Arguments(arguments, named)):
            given = found
            parts = [weight * output.to(_wide(output)) for output in outputs]
            total = [a.add_(b) for a, b in zip(total, parts, strict=True)] if total else parts
            dtypes = [output.dtype for output in outputs]
        means = [mean.to(dtype) for mean, dtype in zip(total, dtypes, strict=True)]
        return self.outputs.structured(means, given)

    def moments(self, *arguments: object, **named: object) -> object:
        """Mean and variance over the orbit at the price of the mean, as `OrbitMoments`.

        The variance is the gain that averaging brings in squared error, without labels. A model of
        several outputs has `OrbitMoments` for each of them.

        Raises:
            SymmetryError: if each call has one random element.

        """
        refuse_spread_of_one(self.rule)
        share, means, squares = 0.0, list[Tensor](), list[Tensor]()
        given: object = None
        for weight, found, outputs in self._orbit(Arguments(arguments, named)):
            given = found
            share += weight
            wide = [added(None, output) for output in outputs]
            if not means:
                means, squares = wide, [torch.zeros_like(each.real) for each in wide]
                continue
            for i, each in enumerate(wide):
                delta = each - means[i]
                means[i] = means[i] + delta * (weight / share)
                squares[i] = squares[i] + weight * (delta * (each - means[i]).conj()).real
        variances = [square / share for square in squares]
        return self.outputs.structured(list(map(OrbitMoments, means, variances)), given)

    def _orbit(self, arguments: Arguments) -> Iterator[tuple[float, object, list[Tensor]]]:
        """Weights, what the model gives, and its predictions, moved back."""
        warn_of_training(self.model)
        tensors = self._tensors(arguments)
        nodes = self._nodes(tensors)
        for name, values in tensors.items():
            self._warn_of_nodes(name, self.signature.roles[name], values, nodes)
        centre = Centroids(self.signature.roles, tensors, nodes) if self.centred else None
        # The numbers in arguments are not known to a compiler.
        if centre and centre.of_all and not torch.compiler.is_compiling():
            self.signature.refuse_unsaid_samples(arguments, centre.of_all)

        def moved(element: Element, role: Role, values: Tensor) -> Tensor:
            if centre and role.kind == "position":
                values = centre.left(values)
            return move(self.group, element, role, values, nodes)

        for weight, element in self.rule.terms():
            inverse = self.group.inverse(element)
            given = self.signature.changed(arguments, partial(moved, element))
            found = self.model(*given.positional, **given.keywords)
            outputs = self.outputs.tensors(found)
            back = []
            for (name, role), output in zip(self.outputs.roles, outputs, strict=True):
                role.check(name, output, dimension_of(self.group))
                self._warn_of_nodes(name, role, output, nodes)
                back.append(move(self.group, inverse, role, output, nodes))
                if centre and role.kind == "position":
                    back[-1] = centre.rejoined(back[-1])
            yield weight, found, back

    def _tensors(self, arguments: Arguments) -> dict[str, Tensor]:
        """The inputs that have a role; raises `SymmetryError` if the group moves none of them."""
        dimension = dimension_of(self.group)
        tensors = self.signature.tensors(arguments, dimension)
        roles = [self.signature.roles[name] for name in tensors]
        if not any(role.moves(permutations=dimension is None) for role in roles):
            wanted = "an axis of nodes, as in Role('scalar', nodes=1)"
            raise SymmetryError(
                f"{self.group.name} moves none of the inputs: give one of them "
                + (f"{wanted}." if dimension is None else "the role 'position' or 'vector'.")
            )
        return tensors

    def _warn_of_nodes(self, name: str, role: Role, values: Tensor, nodes: Nodes | None) -> None:
        """Warn of an array with an axis that permutations leave alone and that seems of nodes."""
        if nodes and dimension_of(self.group) is None and seems_of_nodes(role, values, nodes):
            warnings.warn(
                f"'{name}' of shape {tuple(values.shape)} has an axis of {nodes.number}, as many "
                "as there are nodes, that is not permuted with them: "
                f"Role('{role.kind}', nodes=axis) says which axis counts them, nodes=(1, 2) that "
                "both do.",
                stacklevel=2,
            )

    def _nodes(self, tensors: Mapping[str, Tensor]) -> Nodes | None:
        """How many nodes there are, and of which samples; None if no role tells, or none asks."""
        counted: Nodes | None = None
        if not self.centred and dimension_of(self.group) is not None:
            return None
        for name, values in tensors.items():
            role = self.signature.roles[name]
            if role.kind == "samples":
                return Nodes(len(values), values.long())
            for axis in role.axes_of_nodes:
                counted = counted or Nodes(values.shape[axis])
        return counted

    def _act_on_input(self, element: Element, values: object) -> object:
        """Move one argument, or a tuple of all positional ones."""
        arguments = _positional(values)
        nodes = self._nodes(self._tensors(arguments))

        def moved(role: Role, tensor: Tensor) -> Tensor:
            return move(self.group, element, role, tensor, nodes)

        positional = self.signature.changed(arguments, moved).positional
        return positional if type(values) is tuple else positional[0]

    def _output_action(self, values: object) -> Callable[[Element, T], T]:
        """How the outputs of these inputs are moved."""
        nodes = self._nodes(self._tensors(_positional(values)))
        return partial(self._act_on_output, nodes=nodes)

    def _act_on_output(self, element: Element, values: T, nodes: Nodes | None = None) -> T:
        """Move the outputs; nodes that nothing is known of are those of one sample."""
        outputs = [
            move(self.group, element, role, output, nodes)
            for (_, role), output in zip(
                self.outputs.roles, self.outputs.tensors(values), strict=True
            )
        ]
        return cast(T, self.outputs.structured(outputs, values))

    def extra_repr(self) -> str:
        """The group and what is averaged over."""
        elements = "random" if isinstance(self.rule, RandomElement) else len(self.rule)
        return f"group={self.group}, elements={elements}, centred={self.centred}"


def _positional(values: object) -> Arguments:
    """The call of a model with one argument, or with a tuple of all positional ones."""
    return Arguments(values if type(values) is tuple else (values,), {})


def _wide(output: Tensor) -> torch.dtype:
    return torch.promote_types(output.dtype, torch.float32)


def symmetrize_points(
    model: Callable[..., object],
    group: str | Group | Sequence[object],
    inputs: Inputs,
    outputs: Outputs,
    *,
    elements: Elements | int | str = "all",
    degree: int | None = None,
    seed: int = 0,
    centred: bool = False,
    dimension: int | None = None,
) -> SymmetrizedPoints:
    """Make a model of points, graphs or molecules equivariant by averaging it over a group.

    Args:
        model: any module or function of tensors, dictionaries of tensors or PyG's `Data`; put it
            in eval mode. Nothing but an action on the last axes is asked of shapes.
        group: a name such as "O(3)", "SO(2)", "O_h", "I", "C6_x", "flips", "S_n" (permutations of
            nodes), see `point_groups.point_group`; a group; or orthogonal matrices that generate
            one, shape (matrix, axis, axis).
        inputs: the `Role` of each floating-point input, by the name of the argument, of the key or
            of the attribute; or of the only input. Permutations need the roles of whole numbers
            too, but for PyG's `edge_index`, `batch` and `ptr`.
        outputs: the role of the output; or of each one, by name if the model gives a dictionary
            (others are left out), a dataclass or a named tuple (others are None), in order if it
            gives a tuple.
        elements: "all" of a finite group (exactly equivariant); a number of random ones, the
            identity among them; a list of them; or "random", one new element in each call, the
            price of one pass, for long rollouts. (`torch.utils.checkpoint` calls a second time,
            with another element, and must not be put around it.)
        degree: of a quadrature on SO(2), O(2), SO(3) or O(3) in place of elements; see
            `quadrature.rotation_quadrature` and its exactness.
        seed: draws the elements.
        centred: whether the model sees positions from the centroid of their sample (the first
            input that is a "position"; nodes lie along the axis before the last, or as its role or
            PyG's `batch` says), which makes it equivariant under translations as well. (Forces that
            a model of unlike places takes from its energy are then right but for their mean over
            the nodes.)
        dimension: number of axes, for names that exist in several; 3 by default.

    Returns:
        A module with the model's interface, and a method `moments` for mean and variance over the
        orbit, the predicted gain of averaging.

    Raises:
        SymmetryError: if group, elements, roles and tensors do not fit together.

    Example:
        >>> forces = symmetrize_points(
        ...     network, "O(3)", {"positions": "position", "charges": "scalar"}, "vector", degree=5
        ... )

    """
    if not callable(model) or isinstance(model, type):
        raise SymmetryError(f"The model is {model!r}: give a module or a function, not a class.")
    chosen = chosen_group(group, dimension)
    rule = averaging_rule(chosen, elements, degree, seed)
    warn_of_training(model)
    roles = (
        {str(name): as_role(role) for name, role in inputs.items()}
        if isinstance(inputs, Mapping)
        else as_role(inputs)
    )
    return SymmetrizedPoints(model, roles, OutputRoles(outputs), rule, centred)

"""The tensors that a model takes and gives, by name: arguments, dictionaries, PyG's `Data`."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import NamedTuple, Protocol, TypeGuard

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from symbench.errors import SymmetryError, nearest
from symbench.symmetry.argument_names import argument_names
from symbench.symmetry.points.roles import KINDS, Role, are_whole, as_role
from symbench.symmetry.reynolds import one_tensor

# PyG's own names, which mean the same everywhere.
USUAL_ROLES: Mapping[str, Role] = {
    "edge_index": Role("edges"),
    "batch": Role("samples"),
    "ptr": Role("scalar"),
}
# Of one output, or of each by name or in order.
Outputs = str | Role | Mapping[str, str | Role] | tuple[str | Role, ...] | list[str | Role]
Change = Callable[[Role, Tensor], Tensor]
# Names of matrices whose rows are lattice vectors.
_CELLS = ("cell", "lattice", "box")
_HOLD_NO_TENSOR = (bool, int, float, complex, str, type(None), torch.dtype, torch.device)


class Container(Protocol):
    """A dictionary, or an object with the same methods, such as PyG's `Data` and `Batch`."""

    def keys(self) -> Iterable[str]:
        """Names of what it holds."""

    def __getitem__(self, key: str, /) -> object:
        """What has this name."""

    def __setitem__(self, key: str, value: object, /) -> None:
        """Give another value."""


def is_container(value: object) -> TypeGuard[Container]:
    """Whether something holds values by name that can be replaced."""
    return hasattr(value, "keys") and hasattr(value, "__setitem__")


class Arguments(NamedTuple):
    """What a model is called with."""

    positional: tuple[object, ...]
    keywords: Mapping[str, object]


class Signature:
    """The roles of what a model is called with, by the name of the argument or the key."""

    def __init__(self, model: Callable[..., object], roles: Mapping[str, Role] | Role) -> None:
        """Find the names of the arguments of a model.

        Args:
            model: a module or a function.
            roles: the role of each tensor by name, or of the first argument. They are in the order
                of the arguments where the model does not tell how these are called.

        Raises:
            SymmetryError: if a periodic cell is said to be a tensor.

        """
        names = argument_names(model)
        if isinstance(roles, Role):
            names = names or ("input",)
            roles = {names[0]: roles}
        for name, role in roles.items():
            if role.kind == "tensor" and name.lower().strip("_") in _CELLS:
                raise SymmetryError(
                    f"'{name}' has the role 'tensor', and the rows of a periodic cell are lattice "
                    "vectors: write 'vector'."
                )
        self.given = dict(roles)
        self.roles = {**USUAL_ROLES, **roles}
        self.names = names or tuple(roles)

    def _named(self, arguments: Arguments) -> Iterator[tuple[str, object]]:
        """Each argument with its name."""
        for i, value in enumerate(arguments.positional):
            yield self.names[i] if i < len(self.names) else f"argument {i + 1}", value
        yield from arguments.keywords.items()

    def tensors(self, arguments: Arguments, dimension: int | None) -> dict[str, Tensor]:
        """The tensors that have a role, by name, after a check of all arguments.

        Args:
            arguments: what the model is called with.
            dimension: number of axes of space; None for permutations.

        Raises:
            SymmetryError: if a tensor that may have to be moved has no role, a role has no tensor,
                or the two do not fit together.

        """
        found, held = dict[str, Tensor](), list[str]()
        for name, value in self._leaves(arguments):
            held.append(name)
            role = self.roles.get(name)
            if role is None:
                _check_unmoved(name, value, dimension)
            elif value is not None and (role != Role("scalar") or isinstance(value, Tensor)):
                # The first of several containers counts the nodes.
                found.setdefault(name, role.check(name, value, dimension))
        for name in self.given:
            if name not in (*held, *self.names):
                raise SymmetryError(
                    f"'{name}' has a role, and the model is given {', '.join(held) or 'nothing'}."
                    f"{nearest(name, held)}"
                )
        return found

    def _leaves(self, arguments: Arguments) -> Iterator[tuple[str, object]]:
        for name, value in self._named(arguments):
            if hasattr(value, "node_types"):
                raise SymmetryError(
                    f"'{name}' is a {type(value).__name__} of many kinds of nodes, which cannot be "
                    "averaged: give its tensors."
                )
            if is_container(value):
                yield from ((str(key), value[key]) for key in value.keys())  # noqa: SIM118
            else:
                yield name, value

    def refuse_unsaid_samples(self, arguments: Arguments, nodes: int) -> None:
        """Raise `SymmetryError` if whole numbers without a role may be the sample of each node.

        One sample alone needs no role, and numbers that do not start at 0 count no samples.
        """
        for name, value in self._leaves(arguments):
            if name in self.roles or not isinstance(value, Tensor) or value.shape != (nodes,):
                continue
            if are_whole(value) and nodes and int(value.min()) == 0 and int(value.max()) > 0:
                raise SymmetryError(
                    f"'{name}' may be the sample of each of the {nodes} nodes, whose centroids "
                    f"centred=True takes: say {{'{name}': 'samples'}} in inputs, or 'scalar' if it "
                    "is something else."
                )

    def changed(self, arguments: Arguments, change: Change) -> Arguments:
        """The same arguments with every tensor that has a role changed; containers are copied."""
        values = [self._changed(name, value, change) for name, value in self._named(arguments)]
        count = len(arguments.positional)
        keywords = dict(zip(arguments.keywords, values[count:], strict=True))
        return Arguments(tuple(values[:count]), keywords)

    def _changed(self, name: str, value: object, change: Change) -> object:
        if is_container(value):
            moved = copy.copy(value)
            for key in value.keys():  # noqa: SIM118
                moved[key] = self._changed_tensor(key, value[key], change)
            return moved
        return self._changed_tensor(name, value, change)

    def _changed_tensor(self, name: str, value: object, change: Change) -> object:
        if not isinstance(value, Tensor):
            return value
        role = self.roles.get(name)
        changed = change(role, value) if role else value
        # A model may change what it is given in place, which the next element must not see.
        return changed.clone() if changed is value else changed


def _check_unmoved(name: str, value: object, dimension: int | None) -> None:
    """Raise `SymmetryError` if something without a role may have to be moved."""
    for leaf in tree_leaves(value):
        if isinstance(leaf, Tensor):
            numbers = leaf.is_floating_point() or leaf.is_complex()
            if leaf.ndim and (numbers or dimension is None):
                raise SymmetryError(
                    f"'{name}', a tensor of shape {tuple(leaf.shape)}, has no role: say in inputs "
                    f"what it is, as in {{'{name}': 'scalar'}}; allowed: {', '.join(KINDS)}."
                )
        elif not isinstance(leaf, _HOLD_NO_TENSOR):
            raise SymmetryError(
                f"'{name}' holds a {type(leaf).__name__}, which may have to be moved: give "
                "tensors, dictionaries of tensors, or PyG's Data."
            )


class OutputRoles:
    """The roles of what a model gives: one tensor, several by name, or several in order."""

    def __init__(self, given: Outputs) -> None:
        """Read what the user gave; raises `SymmetryError` if something is no role."""
        if isinstance(given, Mapping):
            named = list(given.items())
        elif isinstance(given, tuple | list):
            named = [(f"output {i + 1}", role) for i, role in enumerate(given)]
        else:
            named = [("output", given)]
        if not named:
            raise SymmetryError("outputs is empty: say what the model gives, as 'vector'.")
        self.given = given
        self.roles = [(str(name), as_role(role)) for name, role in named]

    def tensors(self, output: object) -> list[Tensor]:
        """The outputs that have a role, in the order of the roles.

        Raises:
            SymmetryError: if the model gives something else, or what has no average.

        """
        if isinstance(self.given, Mapping):
            return [one_tensor(_part(output, name)) for name in self.given]
        if not isinstance(self.given, tuple | list):
            return [one_tensor(output)]
        if not isinstance(output, tuple | list) or len(output) != len(self.roles):
            what = f"{len(output)} outputs" if isinstance(output, tuple | list) else "one"
            raise SymmetryError(f"outputs has {len(self.roles)} roles, and the model gives {what}.")
        return list(map(one_tensor, output))

    def structured(self, values: Sequence[object], output: object) -> object:
        """Values of the outputs as the model gives these; what has no role is left out.

        Args:
            values: in the order of the roles.
            output: what the model gives.

        Returns:
            Dictionaries for dictionaries; for dataclasses and named tuples the same, with None in
            place of what is left out.

        """
        if isinstance(self.given, Mapping):
            named = dict(zip(map(str, self.given), values, strict=True))
            if names := _fields_of(output):
                return _remade(output, {name: named.get(name) for name in names})
            return dict(zip(self.given, values, strict=True))
        if not isinstance(self.given, tuple | list):
            return values[0]
        if isinstance(output, tuple) and (names := _fields_of(output)):
            return _remade(output, dict(zip(names, values, strict=True)))
        return tuple(values)


def _part(output: object, name: str) -> object:
    """An output by name, from a dictionary or an object."""
    if is_container(output):
        held = list(output.keys())
        if name in held:
            return output[name]
    else:
        held = [key for key in getattr(output, "__dict__", {}) if not key.startswith("_")]
        held = list(_fields_of(output)) or held
        if name in held:
            return getattr(output, name)
    raise SymmetryError(
        f"The model gives no '{name}' but {', '.join(held) or type(output).__name__}."
        f"{nearest(name, held)}"
    )


def _fields_of(output: object) -> tuple[str, ...]:
    """Names of what a dataclass or a named tuple holds; empty for anything else."""
    if is_container(output):
        return ()
    if is_dataclass(output):
        return tuple(field.name for field in fields(output))
    return tuple(getattr(output, "_fields", ())) if isinstance(output, tuple) else ()


def _remade(output: object, values: Mapping[str, object]) -> object:
    """The same dataclass or named tuple with other values."""
    if isinstance(output, tuple):
        return output._replace(**values)  # type: ignore[attr-defined]
    # Not by `replace`, whose checks may refuse None.
    made = copy.copy(output)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made

"""From one number for each atom to energies, forces and properties of molecules."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from symbench.data.molecules.molecule import Molecule
from symbench.data.points.point_graph import PointGraph, sum_at
from symbench.errors import choose
from symbench.models.molecules.schnet import SchNet
from symbench.models.phased import PhasedModule
from symbench.models.points.egnn import EGNNAtoms
from symbench.models.settings import check_settings
from symbench.models.uncompiled import Uncompiled


def centred(graph: PointGraph) -> PointGraph:
    """The graph with positions about the centroid of each sample."""
    centre = graph.mean_of_samples(graph.positions)
    return replace(graph, positions=graph.positions - graph.to_nodes(centre))


class Potential(PhasedModule, Uncompiled):
    """An energy, and forces as minus its gradient: conservative whatever the network is.

    The first phase of training is of energies: forces are left out.
    """

    why_uncompiled = (
        "gives forces, which are derivatives that training derives again, and what torch.compile "
        "makes can be derived once alone"
    )

    def __init__(self, atoms: nn.Module, energy_scale: float, energy_shift: float = 0.0) -> None:
        """Wrap a network.

        Args:
            atoms: gives a number for each atom, shape (node, 1), from a `PointGraph`.
            energy_scale: what the sum over atoms is multiplied by, in eV.
            energy_shift: what is added to it then.

        """
        super().__init__()
        self.atoms = atoms
        self.energy_scale = energy_scale
        self.energy_shift = energy_shift

    def forward(self, graph: PointGraph) -> Tensor:
        """Energy over the number of atoms, and force, of each atom: shape (node, 1 + axis)."""
        if self.training and self.first_phase:
            energy = self._energy(graph)
            return self._rows(graph, energy, torch.zeros_like(graph.positions))
        with torch.enable_grad():
            positions = graph.positions.detach().requires_grad_(True)
            energy = self._energy(replace(graph, positions=positions))
            # Without layers no energy depends on positions.
            (gradient,) = torch.autograd.grad(
                energy.sum(), positions, create_graph=self.training, materialize_grads=True
            )
            out = self._rows(graph, energy, -gradient)
        return out if self.training else out.detach()

    def _energy(self, graph: PointGraph) -> Tensor:
        values = self.atoms(centred(graph))
        total = sum_at(values[:, 0], graph.sample_of_node, graph.samples)
        return self.energy_shift + self.energy_scale * total

    @staticmethod
    def _rows(graph: PointGraph, energy: Tensor, forces: Tensor) -> Tensor:
        shared = graph.to_nodes(energy / graph.nodes)
        return torch.cat([shared[:, None], forces], dim=1)


class Property(nn.Module):
    """A number for each molecule: the sum or the mean over its atoms, scaled as the data say."""

    def __init__(
        self,
        atoms: Callable[..., nn.Module],
        *,
        node_scalars: int,
        edge_scalars: int,
        target_mean: float,
        target_scale: float,
        readout: str = "sum",
        **settings: object,
    ) -> None:
        """Wrap a network of atoms.

        Args:
            atoms: builds the network from node_scalars, edge_scalars and its own settings.
            node_scalars: features of atoms.
            edge_scalars: features of pairs.
            target_mean: added to what is read out.
            target_scale: what is read out is multiplied by.
            readout: "sum" for extensive properties, or "mean".
            settings: of the network.

        """
        super().__init__()
        check_settings(atoms, settings)
        self.atoms = atoms(node_scalars, edge_scalars, **settings)
        self.target_mean = target_mean
        self.target_scale = target_scale
        self.mean = choose(readout, ("sum", "mean"), "readout") == "mean"

    def forward(self, graph: PointGraph) -> Tensor:
        """Shape (sample, 1)."""
        values = self.atoms(centred(graph))
        if self.mean:
            read = graph.mean_of_samples(values)
        else:
            read = sum_at(values, graph.sample_of_node, graph.samples)
        return self.target_mean + self.target_scale * read


def _potential(
    atoms: Callable[..., nn.Module],
    *,
    node_scalars: int,
    edge_scalars: int,
    energy_scale: float,
    energy_shift: float = 0.0,
    molecule: Molecule | None = None,
    **settings: object,
) -> Potential:
    """A potential of any molecule: what the one of the data is does not matter."""
    check_settings(atoms, settings)
    network = atoms(node_scalars, edge_scalars, **settings)
    return Potential(network, energy_scale, energy_shift)


# Settings come from the config: they are checked by the networks that take them.
build_potential: Callable[..., Potential] = _potential
_build_property: Callable[..., Property] = Property


def schnet_potential(**settings: object) -> Potential:
    """`schnet_potential`: SchNet with energy and forces."""
    return build_potential(SchNet, **settings)


def egnn_potential(**settings: object) -> Potential:
    """`egnn_potential`: EGNN with energy and forces."""
    return build_potential(EGNNAtoms, **settings)


def schnet_property(**settings: object) -> Property:
    """`schnet_property`: SchNet with one property."""
    return _build_property(SchNet, **settings)


def egnn_property(**settings: object) -> Property:
    """`egnn_property`: EGNN with one property."""
    return _build_property(EGNNAtoms, **settings)

"""Energies, forces and normal modes of molecules by PySCF, many geometries in parallel."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from symbench.data.arrays import Array, read_arrays, write_arrays
from symbench.data.parameters import Text
from symbench.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pyscf.gto import Mole

WAVE_FUNCTIONS = ("hf", "ccsd")
CONVERGENCE = 1e-10
# Geometries between two savings of a long computation.
_TOGETHER = 16


class Surface(NamedTuple):
    """Energies, Hartree, (geometry,), and forces, Hartree/bohr, (geometry, atom, axis)."""

    energies: Array
    forces: Array


class Level(BaseModel):
    """How the electrons are treated.

    A basis is one name: of bases by element, those that are not named would have no functions, and
    functions of one element, as a text, would be given to all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    method: Text = Field(
        pattern=r"^\S+$", description='"hf", "ccsd", or a density functional such as "b3lyp"'
    )
    basis: Text = Field(pattern=r"^[^\s/]+$", description='name of a basis set, such as "6-31g*"')
    grid: int = Field(3, ge=0, le=9, description="fineness of the grid of functionals")

    def check(self, symbols: Sequence[str]) -> None:
        """Raise `ConfigError` for a method or basis that PySCF does not have."""
        from pyscf import dft

        if self.method not in WAVE_FUNCTIONS:
            try:
                (exact, *_), parts = dft.libxc.parse_xc(self.method)
                known = bool(exact or parts)
            except (LookupError, ValueError):
                known = False
            if not known:
                raise ConfigError(
                    f"method '{self.method}' is neither of {', '.join(WAVE_FUNCTIONS)} nor a "
                    "density functional of PySCF."
                )
        if self.basis.lower().startswith("gth"):
            raise ConfigError(f"basis '{self.basis}' is for pseudopotentials, not all electrons.")
        self.molecule(symbols, np.arange(3.0 * len(symbols)).reshape(-1, 3))

    def molecule(self, symbols: Sequence[str], positions: Array) -> Mole:
        """The molecule of PySCF; positions in Å, shape (atom, axis)."""
        from pyscf import gto
        from pyscf.lib.exceptions import BasisNotFoundError

        atoms = [[symbol, tuple(x)] for symbol, x in zip(symbols, positions, strict=True)]
        try:
            return gto.M(atom=atoms, basis=self.basis, unit="Angstrom", verbose=0)
        except (BasisNotFoundError, AssertionError, KeyError, RuntimeError, ValueError) as error:
            raise ConfigError(f"basis '{self.basis}': {' '.join(str(error).split())}.") from None


def energy_and_forces(
    symbols: Sequence[str], level: Level, positions: Array
) -> tuple[float, Array]:
    """Energy (Hartree) and forces (Hartree/bohr, shape (atom, axis)) at positions in Å.

    Raises:
        ConfigError: for a method that PySCF knows and cannot do.
        DataError: if the electrons do not converge.

    """
    from pyscf import cc, dft, lib, scf

    lib.num_threads(1)
    molecule = level.molecule(symbols, positions)
    if level.method in WAVE_FUNCTIONS:
        field = scf.RHF(molecule)
    else:
        field = dft.RKS(molecule, xc=level.method)
        field.grids.level = level.grid
    field.conv_tol = CONVERGENCE
    try:
        field.kernel()
    # As a dispersion whose package is not there.
    except (NotImplementedError, RuntimeError) as error:
        said = " ".join(str(error).split()).removesuffix(".")
        raise ConfigError(f"method '{level.method}': {said}.") from None
    if not field.converged:
        field = field.newton()
        field.kernel()
    solved = cc.CCSD(field).run(conv_tol=CONVERGENCE) if level.method == "ccsd" else field
    if not solved.converged:
        raise DataError(
            f"{level.method}/{level.basis} does not converge for {''.join(symbols)} at "
            f"{np.round(positions, 3).tolist()} Å."
        )
    return float(solved.e_tot), -np.asarray(solved.nuc_grad_method().kernel())


def surface(
    symbols: Sequence[str], level: Level, geometries: Array, folder: Path, workers: int = 1
) -> Surface:
    """Energies and forces of many geometries; what was computed before is not computed again.

    Args:
        symbols: of the atoms.
        level: how the electrons are treated.
        geometries: positions in Å, shape (geometry, atom, axis).
        folder: where parts are kept until all are done.
        workers: processes.

    """
    parts = [geometries[i : i + _TOGETHER] for i in range(0, len(geometries), _TOGETHER)]
    compute = partial(_part, tuple(symbols), level, folder)
    folder.mkdir(parents=True, exist_ok=True)
    if workers == 1:
        surfaces = list(map(compute, parts))
    else:
        # Not forked: the parent may hold threads of torch or jax.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            surfaces = list(pool.map(compute, parts))
    return Surface(*(np.concatenate(values) for values in zip(*surfaces, strict=True)))


def _part(symbols: tuple[str, ...], level: Level, folder: Path, geometries: Array) -> Surface:
    described = json.dumps([symbols, level.model_dump()]).encode() + geometries.tobytes()
    path = folder / f"{hashlib.sha256(described).hexdigest()[:24]}.hdf5"
    if path.is_file():
        arrays = read_arrays(path)
        return Surface(arrays["energies"], arrays["forces"])
    found = [energy_and_forces(symbols, level, positions) for positions in geometries]
    energies, forces = (np.array(values) for values in zip(*found, strict=True))
    write_arrays(path, {"energies": energies, "forces": forces})
    return Surface(energies, forces)


class NormalModes(NamedTuple):
    """Small vibrations about an equilibrium.

    Attributes:
        displacements: of each mode, bohr for a unit mass-weighted amplitude, shape (mode, atom,
            axis).
        stiffness: second derivative of the energy by that amplitude, Hartree, shape (mode,).

    """

    displacements: Array
    stiffness: Array

    def thermal(self, rng: np.random.Generator, count: int, temperature: float) -> Array:
        """Displacements in Å by classical harmonic statistics, shape (count, atom, axis)."""
        from pyscf.data import nist

        energy = nist.BOLTZMANN * temperature / nist.HARTREE2J
        amplitudes = rng.normal(size=(count, len(self.stiffness)))
        amplitudes *= np.sqrt(energy / self.stiffness)
        bohr: Array = np.einsum("sm,mia->sia", amplitudes, self.displacements)
        return bohr * nist.BOHR


def normal_modes(symbols: Sequence[str], basis: str, positions: Array) -> NormalModes:
    """Normal modes by Hartree-Fock at an equilibrium in Å; they only say where to sample."""
    from pyscf import lib, scf
    from pyscf.hessian import thermo

    lib.num_threads(1)
    molecule = Level(method="hf", basis=basis).molecule(symbols, positions)
    hessian = scf.RHF(molecule).run(conv_tol=CONVERGENCE).Hessian().kernel()
    found = thermo.harmonic_analysis(molecule, hessian)
    return NormalModes(found["norm_mode"], np.real(found["freq_au"]) ** 2)

"""Energies and forces of a molecule of your own, from extended XYZ files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from symbench.data.dataset import SPLITS
from symbench.data.manifest import Manifest
from symbench.data.molecules.configuration_sets import ConfigurationSets, write_sets
from symbench.data.molecules.extended_xyz import Keys, read_all
from symbench.data.parameters import OpenSplits, Text
from symbench.errors import DataError

if TYPE_CHECKING:
    from symbench.data.raw_files import RawFiles


class ExtendedXYZ(ConfigurationSets):
    """`extended_xyz`: configurations of one isolated molecule; energies in eV, forces in eV/Å."""

    files: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")], Text] = Field(
        description="name of a file in a folder of `raw_files` for train, for test, for valid "
        "where it is not the end of train, and for further test sets by any name"
    )
    samples: OpenSplits = Field(
        description="so many from the beginning of each file; null for all; further test sets have "
        "at most as many as the test split"
    )
    energy_key: Text | None = Field(None, description="name of the energy in the comments")
    forces_key: Text | None = Field(None, description="name of the column of the forces")
    licence: Text = Field("not stated", description="of the files")

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        if missing := {"train", "test"} - set(self.files):
            raise ValueError(f"files has no {missing.pop()}; give a file for train and for test")
        names = list(self.files.values())
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"files has {twice[0]} twice; each set needs a file of its own")
        if "valid" not in self.files and self.samples["valid"] is None:
            raise ValueError(
                "samples.valid is None; give a number, since files has no valid, and validation is "
                "the end of train"
            )
        return self

    @property
    def test_sets(self) -> tuple[str, ...]:
        """All files beside those of the splits."""
        return tuple(name for name in self.files if name not in SPLITS)

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Read the files and write splits and test sets; a file that changes later is noticed."""
        order = sorted(self.files, key=lambda name: name != "train")
        paths = {name: raw_files.need(self.files[name], "it is of your own") for name in order}
        if len({path.resolve() for path in paths.values()}) < len(paths):
            found = ", ".join(map(str, paths.values()))
            raise DataError(f"Each set needs a file of its own, and two of these are one: {found}.")
        sets = read_all(paths, Keys(self.energy_key, self.forces_key))
        places = {name: str(path) for name, path in paths.items()}
        zero, files = write_sets(directory, sets, places, self.samples)
        parameters = {**self.model_dump(), "zero_of_energy": zero}
        links = tuple(_link(directory / f"{name}.xyz", path) for name, path in paths.items())
        return Manifest("extended XYZ files of your own", self.licence, parameters, files + links)


def _link(link: Path, target: Path) -> Path:
    """Link to a file from a folder of data, so that its sum stands in the manifest."""
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        raise DataError(f"{link} is no link to {target}: move it away, and fetch again.")
    link.symlink_to(target.resolve())
    return link

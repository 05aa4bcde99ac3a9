"""Pedestrians who walk on: where will each be in the next 12 frames?

The ETH and UCY recordings in the windows of Social-STGCNN (Mohamed et al., CVPR 2020,
arXiv 2002.11927): 8 frames are seen and 12 predicted, one every 0.4 s, and a window holds the
pedestrians who are there throughout, two at least. Its published networks are evaluated, none is
trained: what is validation data there tells beforehand what averaging will do on the test scene.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from symbench.data.dataset import Dataset, Score, TaskOptions
from symbench.data.manifest import Manifest
from symbench.data.parameters import one_of
from symbench.data.raw_files import RawFiles
from symbench.errors import SymmetryError
from symbench.symmetry.grids.isometries import named_group

if TYPE_CHECKING:
    from symbench.data.points.pedestrian_data import PedestrianData

_URL = (
    "https://raw.githubusercontent.com/abduallahmohamed/Social-STGCNN/"
    "333d3a57b4d2705e129b21aefefa09c79b2b9ae1/datasets"
)
# The recordings of each scene. Validation has parts of all recordings but these.
SCENES = {
    "eth": ("biwi_eth",),
    "hotel": ("biwi_hotel",),
    "univ": ("students001", "students003"),
    "zara1": ("crowds_zara01",),
    "zara2": ("crowds_zara02",),
}
_RECORDINGS = (*itertools.chain(*SCENES.values()), "crowds_zara03", "uni_examples")
_CHECKSUMS = {
    "biwi_eth.txt": "cf8d3fd342a15f409ebc2a1fc76b91a0f06390bd21f1e11410f3859331ab082b",
    "biwi_eth_val.txt": "ed19f8ee52e024788658d70060c1452b991aa506b78ea649c74f79e075ad20b9",
    "biwi_hotel.txt": "9caa771bb9153d6b809dd0916b6f86761b641e6bbb15e766c1de3133fbbb7fcf",
    "biwi_hotel_val.txt": "5c6026c5c6feb81295187e2e063d86197344428811ac2ae98a45bdfb5dfa79ed",
    "crowds_zara01.txt": "1147a1962a09abfb86f28c6cddcac862e095a0cf129b3016385b69eacdd09d85",
    "crowds_zara01_val.txt": "d5212e4e3289aa44365e5ce34a476ef2a4208c89bd6a29204ece097c7f33c157",
    "crowds_zara02.txt": "8a649d0f8c9ae75c87c4d23a85f892786b0aa30266e996c7be03e69dafff22ff",
    "crowds_zara02_val.txt": "361949e5655814680e1185bdd23344932f7b6ccc0d7120c34b523495d0fc69f8",
    "crowds_zara03_val.txt": "60d464e21fd3851fab146ec3b35d0db4155b3c057f4b46050336eac59314f0f5",
    "students001.txt": "a6d87f278d94136fe39b8be91555487a29ac77259ae403b9dba2d5c18caf7b5b",
    "students001_val.txt": "dc8f3147820e80642903041b017292eb03ea5df81ffd2974b47a725d8ffeb394",
    "students003.txt": "e25798b660634330aa89f8bb259425de720e84d0873902726c1d1f4ccff21d6c",
    "students003_val.txt": "b7aa6dcedba0e9036272dc363e2a25e6bb80d7485d75dcb3fff918ce01b10e24",
    "uni_examples_val.txt": "436dfa865ffab37957e928e227a1b6cc836ab0e6b7652abbf5d06cdf5638dee4",
}
ORDERS = "orders"


class Pedestrians(Dataset):
    """`pedestrians`: all who are there throughout a window are the samples."""

    kind = "points"

    scene: Annotated[str, one_of(SCENES, "scene")] = Field(description="the one that is tested")

    def files(self) -> Mapping[str, Mapping[str, str]]:
        """Address of each file, by split and name."""
        valid = [name for name in _RECORDINGS if name not in SCENES[self.scene]]
        names = {
            "valid": {f"{name}_val.txt": "val" for name in valid},
            "test": {f"{name}.txt": "test" for name in SCENES[self.scene]},
        }
        return {
            split: {name: f"{_URL}/{self.scene}/{folder}/{name}" for name, folder in found.items()}
            for split, found in names.items()
        }

    def urls(self, raw_files: RawFiles) -> Mapping[str, str]:
        """The recordings of the scene."""
        return {name: url for found in self.files().values() for name, url in found.items()}

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Read or download the recordings, and cut them into windows."""
        from symbench.data.arrays import write_files
        from symbench.data.points.pedestrian_data import read_windows

        files = self.files()
        paths = raw_files.find_or_download(self.urls(raw_files), _CHECKSUMS, directory)
        windows = {
            split: read_windows([paths[name] for name in found]) for split, found in files.items()
        }
        return Manifest(
            source="ETH and UCY recordings as in abduallahmohamed/Social-STGCNN",
            licence="free for research",
            parameters=self.model_dump(),
            files=write_files(directory, windows),
        )

    def open(self, directory: Path, options: TaskOptions, seed: int) -> PedestrianData:
        """Open the windows."""
        from symbench.data.points.pedestrian_data import PedestrianData

        return PedestrianData(directory)

    @property
    def scores(self) -> tuple[Score, ...]:
        """Mean and final displacement error of the mean, and of the best of 20 samples."""
        names = ("ade", "fde", "ade_best_of_20", "fde_best_of_20")
        return tuple(Score(name, "m") for name in names)

    @property
    def test_sets(self) -> tuple[str, ...]:
        """Validation data, by which the sign of a gain is told before the test is looked at."""
        return ("valid",)

    def check_group(self, name: str) -> None:
        """Groups of the square, and orders of the pedestrians of a window."""
        if "shifts" in name:
            raise SymmetryError(f"{name}: pedestrians have no grid to shift, only places.")
        if name != ORDERS:
            try:
                named_group(name, 2)
            except SymmetryError as error:
                raise SymmetryError(f"{error} Pedestrians have the group '{ORDERS}' too.") from None

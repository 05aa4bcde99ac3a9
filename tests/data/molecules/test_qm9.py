"""QM9: the raw format, the splits, raw files that are not what they should be."""

import zipfile

import numpy as np
import pytest
import torch

from symbench.data.arrays import read_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.molecules.qm9 import QM9
from symbench.data.molecules.qm9_files import TARGETS
from symbench.data.molecules.qm9_pyg import LEFT_OUT, MOLECULES, UNCONVERGED, read_left_out
from symbench.errors import ConfigError, DataError, SymmetryError
from tests.conftest import fetched

KIND = "molecules and atoms"
WATER = [("O", 0, 0, 0), ("H", 0.96, 0, 0), ("H", -0.24, 0.93, 0)]
AMMONIA = [("N", 0, 0, 0), ("H", 0.9, 0, 0.3), ("H", -0.5, 0.8, 0.3), ("H", -0.5, -0.8, 0.3)]
ONE_EACH = {"train": 1, "valid": 1, "test": 1}


def raw_files(directory, molecules, left_out=None, structures=str, table=str):
    """Small files in the format of the raw ones.

    The list of molecules to leave out has the length of the published one: the third and the fifth
    molecule, and others that are not there.
    """
    blocks, rows = [], ["mol_id,A,B,C," + ",".join(TARGETS)]
    for number, atoms in enumerate(molecules, start=1):
        lines = [f"gdb_{number}", "  -OEChem-", "", f"{len(atoms):3d}  0  0     0  0  0 V2000"]
        lines += [f"{x:10.4f}{y:10.4f}{z:10.4f} {name}   0  0" for name, x, y, z in atoms]
        blocks.append("\n".join([*lines, "M  END", "$$$$"]))
        values = (str(number + k / 100) for k in range(len(TARGETS)))
        rows.append(f"gdb_{number},0,0,0," + ",".join(values))
    text = "\n".join(blocks) + "\n"
    with zipfile.ZipFile(directory / MOLECULES, "w") as archive:
        archive.writestr("gdb9.sdf", structures(text))
        archive.writestr("gdb9.sdf.csv", table("\n".join(rows)))
    if left_out is None:
        left_out = list_of([3, 5, *range(200_000, 200_000 + UNCONVERGED - 2)])
    (directory / LEFT_OUT).write_text(left_out)
    return directory


def list_of(numbers):
    """In the format of the published list: nine lines of head, two of foot."""
    rows = [f"   {number}  C#N  0.{number}" for number in numbers]
    return "\n".join([*["3054 of 133885"] * 8, "Index SMILES", *rows, "-" * 20, ""])


def test_the_raw_format(tmp_path):
    raw = raw_files(tmp_path, [WATER, AMMONIA] * 6)
    dataset = QM9(target="homo", source="pyg", samples={"train": 6, "valid": 2, "test": None})
    folder = fetched(dataset, tmp_path / "data", raw)
    arrays = read_arrays(folder / "molecules.hdf5")
    # Twelve molecules, without the third and the fifth, in electronvolts.
    kept = [k for k in range(1, 13) if k not in (3, 5)]
    np.testing.assert_allclose(arrays["targets"], 27.211386246 * (np.array(kept) + 0.02), rtol=1e-9)
    assert [(score.name, score.unit) for score in dataset.scores] == [("mae", "eV")]
    data = dataset.open(folder, TaskOptions(), 0)
    split = data.split("train")
    rows = split.samples[:3]
    batch = split.batch(rows)
    assert batch.inputs.nodes.tolist() == arrays["nodes"][rows[:, 0]].tolist()
    np.testing.assert_allclose(batch.targets[:, 0], arrays["targets"][rows[:, 0]], rtol=1e-6)
    mae = split.scores(batch.targets + 2.0, batch)["mae"]
    assert float(mae.mean()) == pytest.approx(2, rel=1e-3)
    assert split.quantities == ("homo",)
    torch.testing.assert_close(split.values_of(batch.targets, batch), {"homo": batch.targets})
    of_training = arrays["targets"][split.samples[:, 0]]
    assert split.scales["homo"] == pytest.approx(of_training.var())
    wrong = batch.targets.clone()
    wrong[1] = float("nan")
    assert torch.isfinite(split.scores(wrong, batch)["mae"]).tolist() == [True, False, True]
    errors = dataset.model_copy(update={"standardised": True}), dataset
    for each, unit, centre in zip(
        errors,
        (abs(of_training - of_training.mean()).mean(), 1),
        (of_training.mean(), 0),
        strict=True,
    ):
        data = each.open(folder, TaskOptions(), 0)
        arguments = data.model_arguments()
        assert arguments["target_mean"] == pytest.approx(centre)
        assert arguments["target_scale"] == pytest.approx(unit)
        loss = data.split("train").loss(batch.targets + 2.0, batch)
        assert float(loss) == pytest.approx(2 / unit, rel=1e-3)


def test_seeds_share_the_published_order_or_have_their_own(tmp_path):
    raw = raw_files(tmp_path, [WATER, AMMONIA] * 6)
    shared = QM9(target="u0", source="pyg", samples={"train": 6, "valid": 2, "test": None})
    own = shared.model_copy(update={"shuffled": True})
    folder = fetched(shared, tmp_path / "data", raw)

    def splits(dataset, seed):
        data = dataset.open(folder, TaskOptions(), seed)
        return [data.split(name).samples[:, 0].tolist() for name in ("train", "valid", "test")]

    # What numpy's old generator gives for the seed 0, which the public codes take.
    order = [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]
    assert splits(shared, 0) == splits(shared, 5) == [order[:6], order[6:8], order[8:]]
    assert splits(own, 0) == splits(own, 0) != splits(own, 1)
    train, valid, test = splits(own, 1)
    assert sorted(train + valid + test) == list(range(10))


@pytest.mark.tried(KIND, "QM9's list of molecules to leave out: empty, HTML, cut", "refused")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "header\n\n   3  C1 0.1\n   5  C2 0.2\n",
        "<html><body>\n 404 Not Found\n</body></html>",
        list_of(range(1, UNCONVERGED)),
        list_of([*range(1, UNCONVERGED), 7]),
        list_of(range(1, UNCONVERGED + 2)),
        list_of(range(UNCONVERGED)),
    ],
)
def test_a_list_of_other_length_is_refused(tmp_path, text):
    path = tmp_path / LEFT_OUT
    path.write_text(text)
    with pytest.raises(DataError, match=rf"{LEFT_OUT} is not the list of the 3,054 molecules"):
        read_left_out(path)


def test_the_list_is_read_with_head_and_foot_or_without(tmp_path):
    path = tmp_path / LEFT_OUT
    numbers = np.arange(21, 21 + UNCONVERGED)
    for text in (list_of(numbers), "head\n\n" + "".join(f" {n}  C 0\n" for n in numbers)):
        path.write_text(text)
        np.testing.assert_array_equal(read_left_out(path), numbers - 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "energy"}, "Unknown target of QM9"),
        ({"target": "homoo"}, "Did you mean 'homo'"),
        ({"target": None}, "target of QM9 is None: .* string"),
        ({"samples": {"train": 1}}, "'valid' is missing"),
        ({"samples": {**ONE_EACH, "valid": 0}}, r"valid of \w+ is 0"),
        ({"samples": {**ONE_EACH, "test": 0}}, r"test of \w+ is 0"),
        ({"samples": {**ONE_EACH, "train": None}}, "samples.train is None"),
        ({"samples": None}, "samples of QM9 is None"),
        ({"checksums": {"qm9.zap": "0" * 64}}, "Did you mean 'qm9.zip'"),
        ({"checksums": {"qm9.zip": "abc"}}, "checksums.qm9.zip of QM9 is 'abc'"),
        ({"checksums": ["abc"]}, "checksums of QM9 is"),
        ({"seed": -1}, "seed of QM9 is -1"),
        ({"source": "qm9pak"}, "Did you mean 'qm9pack'"),
        ({"source": "qm9.csv"}, r"Unknown source of QM9 that is no \.hdf5 file"),
        ({"source": "qm9pack", "checksums": {"qm9.zip": "0" * 64}}, "of the source 'pyg'"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        QM9(**{"target": "u0", "samples": ONE_EACH, "source": "pyg", **settings})


@pytest.mark.tried(KIND, "QM9 with an element that no training molecule has", "refused")
@pytest.mark.parametrize("shuffled", [False, True])
def test_an_element_that_is_not_in_training(tmp_path, shuffled):
    """With an order for all seeds it is found when the data are fetched, else when opened."""
    fluoride = [("C", 0, 0, 0), ("F", 1.3, 0, 0)]
    raw = raw_files(tmp_path, [WATER, fluoride, *[WATER] * 10])
    refused = {True: [], False: []}
    for seed in range(20):
        samples = {"train": 5, "valid": 1, "test": None}
        dataset = QM9(target="u0", source="pyg", samples=samples, seed=seed, shuffled=shuffled)
        known = 1 in dataset._rows(10, 0)["train"]
        try:
            dataset.open(fetched(dataset, tmp_path / f"data{seed}", raw), TaskOptions(), 0)
            refused[known].append("")
        except DataError as error:
            refused[known].append(str(error))
    assert set(refused[True]) == {""}
    assert all("hold C, F, and none of the 5 of training does" in each for each in refused[False])


@pytest.mark.tried(KIND, "QM9's files cut, or with wrong columns", "refused")
def test_bad_files_are_named(tmp_path):
    dataset = QM9(target="u0", source="pyg", samples=ONE_EACH)
    cases = [
        ({"structures": lambda text: text[: len(text) // 2]}, "damaged at molecule 5"),
        (
            {"structures": lambda text: text[: text.index("gdb_7")]},
            "6 structures, but properties of 9 molecules",
        ),
        ({"structures": lambda text: text.replace("O ", "S ")}, "'S' is none of H, C, N, O, F"),
        ({"structures": lambda text: text.replace(" 3  0", " 2  0")}, "are not what it holds"),
        ({"structures": lambda text: text.replace("0.9600", "0.0000")}, "atoms 1 and 2 of mol"),
        ({"structures": lambda text: text.replace("gdb_2", "gdb_4")}, "gdb_4 stands where"),
        ({"table": lambda text: text.replace(",mu", ",u0")}, "no column mu"),
        ({"table": lambda text: text.replace(",A,", ",u0,")}, "has the column u0 twice"),
        ({"table": lambda text: text.replace("cv", "cw")}, "no column cv"),
        ({"table": lambda text: text.replace("9.07", "many")}, "column u0 .* no number"),
        ({"table": lambda text: ""}, "is no table"),
        ({"left_out": "<html>"}, "not the list"),
    ]
    for changed, message in cases:
        raw = raw_files(tmp_path, [WATER] * 9, **changed)
        with pytest.raises(DataError, match=message):
            fetched(dataset, tmp_path / "out", raw)
    raw = raw_files(tmp_path, [WATER] * 9)
    too_many = dataset.model_copy(update={"samples": {"train": 5, "valid": 1, "test": 2}})
    with pytest.raises(DataError, match=r"5 \+ 1 \+ 2 molecules are asked, of 7"):
        fetched(too_many, tmp_path / "o", raw)
    (raw / MOLECULES).write_bytes(b"PK")
    with pytest.raises(DataError, match=r"holds no gdb9\.sdf"):
        fetched(dataset, tmp_path / "out", raw)


def test_foreign_groups_are_named():
    dataset = QM9(target="u0", samples=ONE_EACH)
    dataset.check_group("O(3)")
    with pytest.raises(SymmetryError, match="does not act on points in 3 dimensions"):
        dataset.check_group("SO(2)")

"""Files with one thing changed at random end in right numbers or in one sentence."""

import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbench.data.arrays import read_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.molecules import qm9_pyg
from symbench.data.molecules.own_configurations import ExtendedXYZ
from symbench.data.molecules.qm9 import QM9
from symbench.data.molecules.qm9_files import HARTREE
from symbench.errors import SymBenchError
from tests.conftest import fetched
from tests.data.molecules import test_qm9

KIND = "molecules and atoms"
FILES = {"train": "train.xyz", "test": "test.xyz", "hot": "hot.xyz"}
COUNTS = {"train": 5, "test": 3, "hot": 2}
SHAPE = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0], [-0.5, -0.8, 0.3]])

# What one frame of a file may become: a pattern and what takes its place, once or everywhere in it.
REPLACEMENTS = [
    *(
        (r"\benergy=", f"{key}=")
        for key in ("Energy", "REF_energy", "free_energy", "dft", "energy ")
    ),
    (r"energy=(\S+)", r'energy = "\1"'),
    (r"energy=(\S+)", r"energy=\1 energy=0"),
    (r"energy=(\S+)", r"energy=0 REF_energy=\1"),
    *((r"energy=\S+", f"energy{value}") for value in ("", "=", "=nan", "=1,2", "=T", '="1 2"')),
    (r"energy=(\S+)", r"energy=\1eV"),
    (r"energy=(\S+)", r"energy=\1 energy_unit=Ha"),
    *((":forces:", f":{key}:") for key in ("REF_forces", "force", "dft_forces", "momenta", "pos")),
    *((":forces:R:3", end) for end in ("", ":forces:I:3", ":forces:L:3", ":forces:R:2", ":a:S:3")),
    *((":pos:R:3", end) for end in ("", ":pos:I:3", ":pos:L:3", ":positions:R:3", ":x:R:3")),
    *(("species:S:1", end) for end in ("Z:I:1", "element:S:1", "species:I:1", "symbols:S:1")),
    (r"Properties=\S+", ""),
    (r"Properties=(\S+)", r'Properties="\1"'),
    (r"Properties=", 'comment="energy=3 pbc=T" Properties='),
    (r"Properties=", "= Properties="),
    (r"Properties=", 'note={"a": [1]} stress=none Properties='),
    (r"Properties=", 'note="_JSON [1" virial="1 2" Properties='),
    *((r"Properties=", f"{cell} Properties=") for cell in ("pbc=T", 'pbc="F F F"', "pbc=no")),
    *((r"Properties=", f'{key}="3 0 0 0 3 0 0 0 3" Properties=') for key in ("Lattice", "cell")),
    (r"(\d)e([-+]\d)", r"\1D\2"),
    (r"(\d)e([-+]\d)", r"\1*^\2"),
    (r"\d\.\d+e[-+]\d+", "inf"),
    (r"\d\.\d+e[-+]\d+", "1e999"),
    *((r"\b[HCO]\b", symbol) for symbol in ("X", "Xx", "D", "Br", "8", "h")),
    (r"\n", "\r\n"),
    *((r"^\d+\n", count) for count in ("1\n", "0\n", "99\n", "3.0\n", "three\n", "\n", "\n\n3\n")),
    (r"\n(?=[HCO] )", "\n\n"),
    (r"$", "\n \n"),
]


def changed(draw, text, texts=(), inserted="#@?x~\t\n\0é"):
    """A text with one thing changed that takes no account of its meaning."""
    kind = draw(st.sampled_from(["cut", "insert", "delete line", "repeat line", *texts]))
    place = draw(st.integers(0, len(text)))
    lines = text.splitlines(keepends=True)
    line = draw(st.integers(0, len(lines)))
    if kind == "cut":
        return text[:place]
    if kind == "insert":
        return text[:place] + draw(st.sampled_from(inserted)) + text[place:]
    if kind in ("delete line", "repeat line"):
        return "".join(
            lines[:line] + lines[line : line + 1] * (kind[0] == "r") * 2 + lines[line + 1 :]
        )
    return kind


def numbers_after(dataset, folder, raw):
    """Arrays of the files of a data set after fetching, opening and one batch; None if refused."""
    try:
        data = dataset.open(fetched(dataset, folder, raw), TaskOptions(), 0)
        split = data.split("test")
        batch = split.batch(split.samples[:2])
        assert batch.targets.isfinite().all()
        assert batch.inputs.positions.isfinite().all()
    except SymBenchError:
        return None
    return {path.stem: read_arrays(path) for path in folder.glob("*.hdf5")}


def own_files(seed, atoms):
    """Energies, positions and forces of each file, and its frames as texts."""
    rng = np.random.default_rng(seed)
    truth, frames = {}, {}
    for name, count in COUNTS.items():
        energy = 10.0 ** rng.integers(-3, 4) * rng.normal(size=count).round(6)
        position = (SHAPE[:atoms] + 0.1 * rng.random((count, atoms, 3))).round(6)
        forces = rng.normal(size=position.shape).round(6)
        truth[name] = (energy, position, forces)
        frames[name] = [
            f"{atoms}\nProperties=species:S:1:pos:R:3:forces:R:3 energy={e:.9e}\n"
            + "".join(
                " ".join([symbol, *(f"{v:.9e}" for v in (*x, *f))]) + "\n"
                for symbol, x, f in zip("OHHC", xs, fs, strict=False)
            )
            for e, xs, fs in zip(energy, position, forces, strict=True)
        ]
    return truth, frames


@pytest.mark.tried(KIND, "extended XYZ with one thing changed at random", "right")
@given(st.data())
def test_extended_xyz(data):
    draw = data.draw
    truth, frames = own_files(draw(st.integers(0, 99)), draw(st.integers(1, 4)))
    name = draw(st.sampled_from(sorted(FILES)))
    if replaced := draw(st.booleans()):
        pattern, new = draw(st.sampled_from(REPLACEMENTS))
        where = draw(st.sampled_from(["first", "last", "all", "every file"]))
        once = draw(st.sampled_from([0, 1]))
        for file in FILES if where == "every file" else [name]:
            rows = {"first": [0], "last": [-1]}.get(where, range(len(frames[file])))
            for row in rows:
                frames[file][row] = re.sub(pattern, new, frames[file][row], count=once)
    texts = {file: "".join(each) for file, each in frames.items()}
    if not replaced:
        texts[name] = changed(draw, texts[name], ("", "energy=1\n", "\0\0", "2\n\n"))
    keys = draw(st.sampled_from([{}, {"energy_key": "dft"}, {"forces_key": "dft_forces"}]))
    samples = {"train": 3, "valid": 2, "test": draw(st.sampled_from([None, 2, 3]))}
    dataset = ExtendedXYZ(files=FILES, samples=samples, **keys)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for file, text in texts.items():
            (Path(folder) / FILES[file]).write_text(text, newline="")
        found = numbers_after(dataset, Path(folder) / "data", Path(folder))
    if found is None or any("may have been cut" in str(each.message) for each in warned):
        return
    zero = truth["train"][0][:3].mean()
    rows = {
        "train": slice(0, 3),
        "valid": slice(3, 5),
        "test": slice(None),
        "test_hot": slice(None),
    }
    for file, chosen in rows.items():
        arrays = found[file]
        read = slice(0, len(arrays["nodes"]))
        energy, position, forces = (
            part[chosen][read] for part in truth[file.replace("valid", "train").split("_")[-1]]
        )
        np.testing.assert_allclose(arrays["energies"] + zero, energy, rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(arrays["positions"], position.reshape(-1, 3), atol=1e-8)
        if arrays["has_forces"]:
            np.testing.assert_allclose(arrays["forces"], forces.reshape(-1, 3), atol=1e-8)
        else:
            assert file == "test_hot"
            assert ":forces:" not in texts["hot"]


MOLECULES = [test_qm9.WATER, test_qm9.AMMONIA, [("C", 0, 0, 0), ("F", 1.3, 0, 0)]] * 6
IN_SDF = [
    *((f" {symbol} ", f" {other} ") for symbol in "OF" for other in ("S", "X", "o", "8")),
    *(("  3  0", new) for new in ("  2  0", "  4  0", "  0  0", " -1  0", "  3  1", "  a  0")),
    *(("0.9600", new) for new in ("   nan", "   inf", "0.0000", "9.6*^-1", "0.96D0")),
    ("M  END", ""),
    (r"\$\$\$\$", ""),
    ("gdb_2", "gdb_3"),
    ("\n", "\r\n"),
]
IN_TABLE = [
    *((f"\\b{name}\\b", new) for name in ("u0", "mol_id", "cv", "B") for new in ("", "x", "gap")),
    *((r"\.07", new) for new in (".07*^0", "nan", "inf", ".07D0", ".07,", ",07", " .07")),
    (r"\d+\.07", ""),
    (r"gdb_2,", "gdb_3,"),
    (r"gdb_(\d+),", r"\1,"),
    (r"(gdb_2,.*)\n(gdb_3,.*)", r"\2\n\1"),
    (r"(?m)$", ","),
    (",", ";"),
    ("\n", "\n\n"),
]


@pytest.mark.tried(KIND, "QM9's files with one thing changed at random", "right")
@given(st.data())
def test_qm9_files(data):
    draw = data.draw

    def maybe(file, replacements, text):
        if changed_file != file:
            return text
        if draw(st.booleans()):
            pattern, new = draw(st.sampled_from(replacements))
            return re.sub(pattern, new, text, count=draw(st.sampled_from([0, 1])))
        return changed(draw, text, ("", "<html>"))

    changed_file = draw(st.sampled_from(["structures", "table", "list", "archive"]))
    dataset = QM9(target="u0", source="pyg", samples={"train": 13, "valid": 1, "test": None})
    with tempfile.TemporaryDirectory() as folder:
        raw = test_qm9.raw_files(
            Path(folder),
            MOLECULES,
            structures=lambda text: maybe("structures", IN_SDF, text),
            table=lambda text: maybe("table", IN_TABLE, text),
        )
        if changed_file == "list":
            path = raw / qm9_pyg.LEFT_OUT
            # A blank within a number makes another list of as many.
            text = changed(draw, path.read_text(), ("", "<html>"), inserted="#@?x~é")
            path.write_text(text)
        if changed_file == "archive":
            path = raw / qm9_pyg.MOLECULES
            content = path.read_bytes()
            path.write_bytes(content[: draw(st.integers(0, len(content)))])
        found = numbers_after(dataset, Path(folder) / "data", raw)
    if found is None:
        return
    kept = [k for k in range(len(MOLECULES)) if k not in (2, 4)]
    arrays = found["molecules"]
    np.testing.assert_allclose(arrays["targets"], HARTREE * (np.array(kept) + 1.07), rtol=1e-9)
    positions = np.concatenate([np.array([atom[1:] for atom in MOLECULES[k]]) for k in kept])
    np.testing.assert_allclose(arrays["positions"], positions)
    symbols = "".join(atom[0] for k in kept for atom in MOLECULES[k])
    assert "".join("HCNOF"[k] for k in arrays["scalars"].argmax(axis=1)) == symbols

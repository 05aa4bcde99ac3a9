"""Extended XYZ: what is read, what is refused, and comments that are a language of their own."""

import numpy as np
import pytest

from symbench.data.molecules.extended_xyz import ATOMIC_NUMBERS, read_extended_xyz
from symbench.errors import DataError

PROPERTIES = "Properties=species:S:1:pos:R:3:forces:R:3"
ATOMS = "H 0 0 0 0.1 0 0\nO 0 0 1 -0.1 0 0\n"
GOOD = f'2\n{PROPERTIES} energy=-1.5 pbc="F F F"\n{ATOMS}'


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "some.xyz"
        path.write_text(text)
        return read_extended_xyz(path)

    return read_text


def test_configurations(read):
    arrays = read(GOOD * 2)
    np.testing.assert_array_equal(arrays["atomic_number"], [1, 8])
    np.testing.assert_array_equal(arrays["energy"], [-1.5, -1.5])
    np.testing.assert_array_equal(arrays["position"][1, 1], [0, 0, 1])
    np.testing.assert_array_equal(arrays["force"][1, 1], [-0.1, 0, 0])


@pytest.mark.parametrize("between", ["\n", "  \n\n", "\n\n\n"])
def test_blank_lines_are_left_out(read, between):
    assert len(read(between.join([GOOD] * 4) + between)["energy"]) == 4
    assert len(read(between + GOOD)["energy"]) == 1


@pytest.mark.parametrize(
    ("comment", "energy"),
    [
        (f"{PROPERTIES} energy=-1.00D+02", -100),
        (f"{PROPERTIES} energy=-1.00d+02", -100),
        (f"{PROPERTIES} energy = -2.5e1", -25),
        (f'{PROPERTIES} energy="-3"', -3),
        (f"energy=-3 {PROPERTIES}", -3),
        (f"{PROPERTIES} REF_energy=7", 7),
        (f'{PROPERTIES} comment="energy=5 pbc=T" energy=-4', -4),
        (f"{PROPERTIES} comment='the energy=5' energy=-4", -4),
        (f'"energy=5" {PROPERTIES} energy=-4', -4),
        (f"{PROPERTIES} free_energy=9 energy=-4 total_energy=8", -4),
        (f'{PROPERTIES} virial="1 0 0 0 1 0 0 0 1" energy=-4', -4),
        (f'{PROPERTIES} config={{"energy": 5}} energy=-4', -4),
        (f'{PROPERTIES} Lattice="9 0 0 0 9 0 0 0 9" pbc="F F F" energy=-4', -4),
        (f"{PROPERTIES} pbc=[F, F, F] energy=-4", -4),
    ],
)
def test_comments(read, comment, energy):
    arrays = read(f"2\n{comment}\n{ATOMS}")
    assert arrays["energy"].tolist() == [energy]
    assert arrays["force"].shape == (1, 2, 3)


@pytest.mark.parametrize("name", ["forces", "force", "REF_forces"])
def test_names_of_forces_wherever_they_stand(read, name):
    columns = f"Properties={name}:R:3:species:S:1:Z:I:1:pos:R:3"
    arrays = read(f"1\n{columns} energy=1\n1.0D-1 2 3 H 1 4 5 6\n")
    assert arrays["force"].tolist() == [[[0.1, 2, 3]]]
    assert arrays["position"].tolist() == [[[4, 5, 6]]]


def test_files_without_forces(read):
    arrays = read("1\nProperties=species:S:1:pos:R:3 energy=1\nHe 0 0 0\n")
    assert "force" not in arrays


def test_all_elements(read):
    assert len(ATOMIC_NUMBERS) == 118
    known = {"H": 1, "Ne": 10, "Ar": 18, "Br": 35, "Kr": 36, "Xe": 54, "Lu": 71, "Rn": 86}
    assert {name: ATOMIC_NUMBERS[name] for name in known} == known
    assert ATOMIC_NUMBERS["Og"] == 118
    assert read(GOOD.replace("O 0", "Br 0"))["atomic_number"].tolist() == [1, 35]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD[:-12], "other columns than its Properties"),
        (GOOD.rsplit("O", 1)[0], "ends within a configuration of 2 atoms"),
        ("two\n", "invalid literal"),
        ("0\n\n", "ends within a configuration of 0 atoms"),
        ("-1\nenergy=1\n", "of -1 atoms"),
        ("", "holds no configuration"),
        ("\n\n", "holds no configuration"),
        (GOOD + GOOD.replace("forces", "momenta"), "configuration 2 gives energy, and the first"),
        (
            GOOD.replace(":forces:R:3", "").replace(" 0.1 0 0", "").replace(" -0.1 0 0", "") + GOOD,
            "configuration 2 gives energy and forces",
        ),
        (GOOD + GOOD.replace("energy", "REF_energy"), "gives REF_energy and forces"),
        (GOOD + GOOD.replace("O 0", "S 0"), "configuration 2 differs from the first in its atoms"),
        (GOOD.replace("energy=-1.5", ""), "has no energy"),
        (GOOD.replace("energy=-1.5", "energy=1 REF_energy=2"), "both energy and REF_energy"),
        (GOOD.replace(PROPERTIES, ""), "no Properties"),
        (GOOD.replace("pos", "positions"), "lack species or pos"),
        (GOOD.replace("forces:R:3", "forces:R:2:charge:R:1"), "other than three columns"),
        (GOOD.replace("-1.5", "nan"), "'nan' is not finite"),
        (GOOD.replace("-1.5", "-1.5eV"), "could not convert"),
        (GOOD.replace("0.1", "inf", 1), "'inf' is not finite"),
        (GOOD.replace("O 0", "Xx 0"), "'Xx' is no chemical element"),
        (GOOD.replace('"F F F"', '"T T T"'), "periodic"),
        (GOOD.replace('"F F F"', '"F F T"'), "periodic"),
        (GOOD.replace('"F F F"', "[False, False, True]"), "periodic"),
        (GOOD.replace('pbc="F F F"', 'Lattice="3 0 0 0 3 0 0 0 3"'), "periodic"),
    ],
)
def test_what_is_no_file_of_one_isolated_molecule(read, text, message):
    with pytest.raises(DataError, match=message) as raised:
        read(text)
    assert "some.xyz" in str(raised.value)


def test_the_place_of_a_mistake_is_said(read):
    with pytest.raises(DataError, match=r"\(after 2 configurations\)"):
        read(GOOD * 2 + GOOD.replace("-1.5", "nan"))
    with pytest.raises(DataError, match=r"\(after 1 configurations\)"):
        read(GOOD + GOOD.replace("O 0", "S 0"))


def test_what_is_no_text(tmp_path):
    path = tmp_path / "some.xyz"
    path.write_bytes(b"\xff\xfe\x00")
    for bad in (path, tmp_path / "nowhere.xyz", tmp_path):
        with pytest.raises(DataError, match=bad.name):
            read_extended_xyz(bad)

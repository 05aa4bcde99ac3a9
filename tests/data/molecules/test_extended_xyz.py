"""Extended XYZ: what is read, what is refused, and comments that are a language of their own."""

import gzip
import io

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import chemical_symbols
from ase.io import write

from symbench.data.molecules.check_configurations import check_configurations, configuration_files
from symbench.data.molecules.extended_xyz import Keys, read_all, read_extended_xyz
from symbench.errors import DataError

KIND = "molecules and atoms"
PROPERTIES = "Properties=species:S:1:pos:R:3:forces:R:3"
ATOMS = "H 0 0 0 0.1 0 0\nO 0 0 1 -0.1 0 0\n"
CELL = "3 0 0 0 3 0 0 0 3"
GOOD = f'2\n{PROPERTIES} energy=-1.5 pbc="F F F"\n{ATOMS}'


@pytest.fixture
def read(tmp_path):
    def read_text(text, **keys):
        path = tmp_path / "some.xyz"
        path.write_text(text)
        return read_extended_xyz(path, Keys(**keys))[0]

    return read_text


def test_configurations(read):
    arrays = read(GOOD * 2)
    np.testing.assert_array_equal(arrays["atomic_number"], [1, 8])
    np.testing.assert_array_equal(arrays["energy"], [-1.5, -1.5])
    np.testing.assert_array_equal(arrays["position"][1, 1], [0, 0, 1])
    np.testing.assert_array_equal(arrays["force"][1, 1], [-0.1, 0, 0])


@pytest.mark.tried(KIND, "blank lines between configurations", "right")
@pytest.mark.parametrize("between", ["\n", "  \n\n", "\n\n\n"])
def test_blank_lines_are_left_out(read, between):
    assert len(read(between.join([GOOD] * 4) + between)["energy"]) == 4
    assert len(read(between + GOOD)["energy"]) == 1


@pytest.mark.parametrize(
    ("comment", "energy"),
    [
        pytest.param(
            f"{PROPERTIES} energy=-1.00D+02",
            -100,
            marks=pytest.mark.tried(KIND, "exponents of Fortran, 1.00D+02", "right"),
        ),
        (f"{PROPERTIES} energy=-1.25*^2", -125),
        (f"{PROPERTIES} energy=-1.00d+02", -100),
        (f"{PROPERTIES} energy = -2.5e1", -25),
        (f'{PROPERTIES} energy="-3"', -3),
        (f"energy=-3 {PROPERTIES}", -3),
        (f"{PROPERTIES} REF_energy=7", 7),
        pytest.param(
            f'{PROPERTIES} comment="energy=5 pbc=T" energy=-4',
            -4,
            marks=pytest.mark.tried(KIND, "keys inside of quoted text", "right"),
        ),
        (f"{PROPERTIES} energy=-4 energy_unit=eV units='eV/Angstrom'", -4),
        (f"{PROPERTIES} energy=-4 eV", -4),
        (f"{PROPERTIES} energy=-4 surface=Au converged=T 'a remark on Hartree'", -4),
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
    assert read("1\nenergy=1\nHe 0 0 2\n")["position"].tolist() == [[[0, 0, 2]]]


@pytest.mark.tried(KIND, "all elements of the periodic table, by symbol or by number", "right")
def test_all_elements(read):
    symbols = chemical_symbols[1:]
    assert len(symbols) == 118
    rows = "".join(f"{symbol} 0 0 {place}\n" for place, symbol in enumerate(symbols))
    by_symbol = read(f"118\nenergy=1\n{rows}")
    rows = "".join(f"{place + 1} 0 0 {place}\n" for place in range(118))
    by_number = read(f"118\nProperties=Z:I:1:pos:R:3 energy=1\n{rows}")
    for arrays in (by_symbol, by_number):
        assert arrays["atomic_number"].tolist() == list(range(1, 119))
    assert read(GOOD.replace("O 0", "BR 0"))["atomic_number"].tolist() == [1, 35]


@pytest.mark.tried(KIND, "files that ASE writes", "right")
def test_what_ase_writes_is_read(read):
    rng = np.random.default_rng(0)
    written = []
    for _ in range(3):
        atoms = Atoms("C2H6O", rng.normal(size=(9, 3)), info={"config_type": "a 'b' = c"})
        forces = rng.normal(size=(9, 3))
        atoms.calc = SinglePointCalculator(atoms, energy=rng.normal(), forces=forces)
        written.append(atoms)
    text = io.StringIO()
    write(text, written, format="extxyz")
    arrays = read(text.getvalue())
    np.testing.assert_allclose(arrays["energy"], [a.get_potential_energy() for a in written])
    for key, values in (("position", "positions"), ("force", "forces")):
        expected = [a.get_forces() if values == "forces" else a.positions for a in written]
        np.testing.assert_allclose(arrays[key], expected, atol=1e-8)


@pytest.mark.tried(KIND, "energies and forces under other names, which the config gives", "right")
def test_names_that_are_asked_for(read):
    text = GOOD.replace("forces:R:3", "dft_forces:R:3").replace("energy=-1.5", "dft=-1.5 energy=0")
    arrays = read(text, energy="dft", forces="dft_forces")
    assert arrays["energy"].tolist() == [-1.5]
    assert arrays["force"][0, 1].tolist() == [-0.1, 0, 0]
    with pytest.raises(DataError, match=r"columns dft_forces are not .*REF_forces.*'forces_key'"):
        read(text)
    with pytest.raises(DataError, match="columns dft_forces are not b3lyp_forces"):
        read(text, forces="b3lyp_forces")
    with pytest.raises(DataError, match=r"no b3lyp and gives .*dft, energy.*'energy_key'"):
        read(text, energy="b3lyp")
    for column in ("pos", "species"):
        with pytest.raises(DataError, match=f"its column {column} holds no forces"):
            read(GOOD, forces=column)
    both = GOOD.replace("energy=-1.5", "energy=1 REF_energy=2")
    assert read(both, energy="REF_energy")["energy"].tolist() == [2]


@pytest.mark.tried(KIND, "energies under one name in one file and another in the next", "refused")
def test_files_of_other_names_are_refused(tmp_path):
    paths = {name: tmp_path / f"{name}.xyz" for name in ("train", "test")}
    for changed, other in (("energy", "REF_energy"), ("forces", "REF_forces")):
        paths["train"].write_text(GOOD)
        paths["test"].write_text(GOOD.replace(changed, other))
        with pytest.raises(DataError, match=rf"test.xyz gives the {changed} as {other}"):
            read_all(paths)


@pytest.mark.tried(KIND, "a file that may be cut in its last number", "warned")
def test_a_file_without_a_last_line_feed(read):
    with pytest.warns(UserWarning, match="may have been cut"):
        read(GOOD[:-1])


def bad(text, message, tried=None):
    marks = pytest.mark.tried(KIND, tried, "refused") if tried else ()
    return pytest.param(text, message, marks=marks)


WITHOUT = GOOD.replace(":forces:R:3", "").replace(" 0.1 0 0", "").replace(" -0.1 0 0", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        bad(GOOD[:-12], "atom 2 has 3 columns, and its Properties 7"),
        bad(GOOD.rsplit("O", 1)[0], "atom 2 has 0 columns"),
        bad(GOOD[:20], "ends within a configuration of 2 atoms", "a file that is cut"),
        bad("two\n", "'two' stands where a number of atoms should"),
        bad("0\n\n", "'0' stands where"),
        bad("-1\nenergy=1\n", "'-1' stands where"),
        bad(GOOD.replace("2", "1", 1), "stands where a number"),
        bad("", "holds no configuration"),
        bad("\n\n", "holds no configuration", "an empty file"),
        bad(GOOD + GOOD.replace("forces", "momenta"), "2, it gives energy, the first"),
        bad(WITHOUT + GOOD, "2, it gives energy and forces", "some configurations without forces"),
        bad(GOOD + GOOD.replace("energy", "REF_energy"), "gives REF_energy and forces"),
        bad(GOOD + GOOD.replace("O 0", "S 0"), "2, it differs from the first one in its atoms"),
        bad(GOOD.replace("energy=-1.5", ""), "comment has no energy or REF_energy", "no energy"),
        bad(GOOD.replace("energy", "Energy"), "gives Properties, Energy, pbc; name the energy"),
        bad(GOOD.replace("energy=-1.5", "energy=1 REF_energy=2"), "'energy_key'"),
        bad(GOOD.replace("-1.5", "-1.5 energy=2"), "gives energy twice", "one key twice"),
        bad(GOOD.replace(PROPERTIES, ""), "has 7 columns, and its Properties 4"),
        bad(GOOD.replace(PROPERTIES, "Properties=3"), "no names, types and widths"),
        bad(GOOD.replace("pos", "positions"), "lack pos"),
        bad(GOOD.replace("forces", "gradient"), "columns gradient are not forces", "gradients"),
        bad(GOOD.replace("forces", "f"), "columns f are not forces", "forces in a column f"),
        bad(GOOD.replace("forces:R:3", "forces:R:2:charge:R:1"), "forces:R:2 is no vector"),
        bad(GOOD.replace("forces:R", "forces:L"), "forces:L:3 is no vector", "logical columns"),
        bad(GOOD.replace("pos:R", "pos:L"), "pos:L:3 is no vector"),
        bad(GOOD.replace("forces:R:3", "pos:R:3"), "give pos twice", "a column twice"),
        bad(
            "1\nProperties=species:S:1:Z:I:1:pos:R:3 energy=1\nH 2 0 0 0\n",
            "columns species and Z are of different elements",
            "symbols and atomic numbers that disagree",
        ),
        bad(GOOD.replace(PROPERTIES, "= " + PROPERTIES), "ASE cannot read it"),
        bad(GOOD.replace("-1.5", "nan"), "1, energy is nan, which is not", "an energy that is NaN"),
        bad(GOOD + GOOD.replace("-1.5", "1e999"), "2, energy is inf"),
        bad(GOOD.replace("-1.5", "-1.5eV"), "energy is '-1.5eV', which is no number"),
        bad(GOOD.replace("-1.5", "T"), "energy is True, which is no number"),
        bad(GOOD.replace("energy=-1.5", 'energy="1 2"'), "which is no number"),
        bad(GOOD.replace("0.1", "inf", 1), "a number of forces is not finite"),
        bad(GOOD.replace("0.1", "many", 1), "ASE cannot read it .*many"),
        bad(GOOD.replace("O 0", "Xx 0"), "ASE cannot read it .*Xx", "what is no element"),
        bad(GOOD.replace("O 0", "X 0"), "an atom X is of no chemical element", "dummy atoms"),
        bad(
            "1\nProperties=Z:I:1:pos:R:3 energy=1\n119 0 0 0\n",
            "of a number beyond 118",
            "atomic numbers of no element",
        ),
        bad("1\nProperties=Z:R:1:pos:R:3 energy=1\n1.5 0 0 0\n", "holds no whole numbers"),
        *(
            bad(
                f"1\nProperties=species:S:1:pos:R:3:{column} energy=1\nH 0 0 0 8{rest}\n",
                "goes by the name of species, Z or pos",
                "columns that ASE would take for elements or positions",
            )
            for column, rest in (("numbers:I:1", ""), ("positions:R:3", " 8 8"))
        ),
        bad(GOOD.replace("pbc", "unit_cell"), "and not unit_cell"),
        bad(GOOD.replace('pbc="F F F"', "periodic=xyz"), "and not periodic"),
        bad(GOOD.replace('"F F F"', '"T T T"'), "periodic"),
        bad(GOOD.replace('"F F F"', '"F F T"'), "periodic", "a slab: periodic along one axis"),
        bad(GOOD.replace('"F F F"', "[False, False, True]"), "periodic"),
        bad(GOOD.replace('pbc="F F F"', f'Lattice="{CELL}"'), "periodic", "a cell without pbc"),
        bad(GOOD.replace('pbc="F F F"', f'lattice="{CELL}"'), "and not lattice", "a misspelt cell"),
        bad(GOOD.replace("-1.5", "-1.5 energy_unit=kcal/mol"), "in eV", "energies in kcal/mol"),
        *(
            bad(GOOD.replace("-1.5", f"-1.5 {unit}"), message, "a unit written after the energy")
            for unit, message in (
                ("Hartree", "has the word Hartree, which is the value of no key; energies in eV"),
                ("kcal/mol", "has the word kcal/mol"),
                ("Units:Hartree", "has the word Units:Hartree"),
                ("hundred", "has the word hundred, .* remarks in quotes"),
                ('"Ha"', "Ha is True; energies in eV"),
                ("length=Bohr", "length is Bohr; energies in eV"),
                ("of_forces='Hartree/Bohr'", "of_forces is Hartree/Bohr;"),
                ("system=a.u.", "system is a.u.;"),
            )
        ),
    ],
)
def test_what_is_no_file_of_one_isolated_molecule(read, text, message):
    with pytest.raises(DataError, match=message) as raised:
        read(text)
    assert "some.xyz" in str(raised.value)


@pytest.mark.tried(KIND, "a compressed file", "refused")
def test_compressed_files(tmp_path):
    path = tmp_path / "some.xyz.gz"
    path.write_bytes(gzip.compress(GOOD.encode()))
    with pytest.raises(DataError, match="compressed: unpack it first"):
        read_extended_xyz(path)
    [problem] = check_configurations(configuration_files(tmp_path)).problems
    assert "unpack" in problem


def test_what_is_no_text(tmp_path):
    path = tmp_path / "some.xyz"
    path.write_bytes(b"\xff\xfe\x00")
    for bad in (path, tmp_path / "nowhere.xyz", tmp_path):
        with pytest.raises(DataError, match=bad.name):
            read_extended_xyz(bad)

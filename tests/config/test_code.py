"""A change in the code of a stage is noticed, and one that changes nothing is not."""

import shutil
from pathlib import Path

import pytest

from symbench.config import code, registry
from symbench.config.read import read_configuration
from tests.config.configs import CONFIG, FIELDS

FILES = {
    "__init__.py": "",
    "files.py": "SIZE = 1\n",
    "config/__init__.py": "",
    "data/__init__.py": "",
    "data/fields.py": (
        '"""Fields."""\n'
        "from typing import TYPE_CHECKING\n\n"
        "from symbench.data import grid\n"
        "from symbench.files import SIZE\n\n"
        "if TYPE_CHECKING:\n"
        "    from symbench.data.types import Type\n\n\n"
        "class Fields:\n"
        '    """A data set."""\n\n'
        "    width: int = 3\n"
        '    """Of the grid."""\n\n'
        "    def open(self):\n"
        '        """Open it."""\n'
        "        import symbench.data.opened\n\n"
        "        return symbench.data.opened\n\n"
        "    def fetch(self):\n"
        "        if self.width:\n"
        "            from symbench.data.maker import make\n\n"
        "        return make()\n"
    ),
    "data/grid.py": (
        "try:\n    import missing\nexcept ImportError:\n    import symbench.data.other\n"
    ),
    "data/maker.py": "def make():\n    from symbench.data import written\n",
    "data/opened.py": "from symbench.symmetry.groups import C4\n",
    "data/other.py": "OTHER = 1\n",
    "data/types.py": "Type = int\n",
    "data/unrelated.py": "UNRELATED = 1\n",
    "data/written.py": "WRITTEN = 1\n",
    "symmetry/__init__.py": "",
    "symmetry/groups.py": "C4 = 4\n",
}
CACHED = (code.code_of, code.tree, code._digest, code._imports)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package in place of the real one: a function that changes a file and hashes it."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(code, "_ROOT", tmp_path)

    def hashed(changed=None, old="", new="", deep=True):
        for name, text in FILES.items():
            (tmp_path / name).write_text(text)
        if changed:
            assert old in FILES[changed]
            (tmp_path / changed).write_text(FILES[changed].replace(old, new) if old else new)
        for function in CACHED:
            function.cache_clear()
        return code.code_of("symbench.data.fields", deep=deep)

    yield hashed
    for function in CACHED:
        function.cache_clear()


@pytest.mark.parametrize(
    ("changed", "old", "new", "noticed"),
    [
        ("data/fields.py", "= 3", "= 4", True),
        ("data/fields.py", "self):", "self, more):", True),
        ("data/other.py", "", "OTHER = 2\n", True),  # in the branch of an exception
        ("data/grid.py", "import missing", "import found", True),
        ("data/__init__.py", "", "X = 1\n", True),
        ("data/maker.py", "", "def make():\n    return 1\n", True),  # within `fetch`
        ("data/written.py", "= 1", "= 2", True),
        ("data/fields.py", "A data set.", "Data.", False),
        ("data/fields.py", "Of the grid.", "Its width.", False),
        ("data/fields.py", '"""Open it."""', "# Open it.", False),
        ("data/fields.py", "    width: int = 3", "    width: int = (3)  # wide\n", False),
        ("data/fields.py", '"""Fields."""\n', "", False),
        ("data/types.py", "", "Type = float\n", False),
        ("data/unrelated.py", "", "UNRELATED = 2\n", False),
        ("files.py", "", "SIZE = 2\n", False),
        ("config/__init__.py", "", "X = 1\n", False),
    ],
)
def test_what_is_noticed(package, changed, old, new, noticed):
    for deep in (True, False):
        assert (package(changed, old, new, deep) != package(deep=deep)) == noticed


def test_imports_inside_functions_that_open_data_count_only_if_asked_for(package):
    for changed, old, new in (
        ("data/opened.py", "", "X = 1\n"),
        ("symmetry/groups.py", "4", "5"),
        ("symmetry/__init__.py", "", "X = 1\n"),
    ):
        assert package(changed, old, new) != package()
        assert package(changed, old, new, deep=False) == package(deep=False)
    # The function itself is part of its module.
    changed = ("data/fields.py", "return symbench", "return 3 * symbench")
    assert package(*changed, deep=False) != package(deep=False)


def test_a_module_that_is_gone_or_new_is_noticed(package, tmp_path):
    before = package()
    (tmp_path / "data/other.py").unlink()
    for function in CACHED:
        function.cache_clear()
    assert code.code_of("symbench.data.fields") != before


def test_code_of_a_user_counts_too(tmp_path, monkeypatch, package):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.py").write_text("from symbench.symmetry.groups import C4\n")
    before = code.code_of("mine")
    for text, root in (
        ("from symbench.symmetry.groups import C4\nX = 1\n", "C4 = 4\n"),
        ("from symbench.symmetry.groups import C4\n", "C4 = 5\n"),
    ):
        (tmp_path / "mine.py").write_text(text)
        (tmp_path / "symmetry/groups.py").write_text(root)
        for function in CACHED:
            function.cache_clear()
        assert code.code_of("mine") != before


def test_the_code_of_the_package_itself():
    """Training depends on its loop and losses, fetching not on what trains."""
    trained = set(_reached("symbench.training.loop", deep=True))
    assert "symbench.training.schedule" in trained
    assert not any(name.startswith(("symbench.config", "symbench.figures")) for name in trained)
    for name in registry.names("datasets"):
        module = registry.module_of("datasets", name)
        fetched = set(_reached(module, deep=False))
        assert not any(
            name.startswith(("symbench.training", "symbench.models")) for name in fetched
        )
        opened = set(_reached(module, deep=True))
        # These check what they write with the module that opens it.
        assert fetched <= opened
        assert (fetched == opened) == (name in {"glass", "near_copies", "pedestrians"})


@pytest.mark.parametrize(
    ("dataset", "file", "used"),
    [
        ("decaying_turbulence", "data/fields/well_writer.py", "def field_statistics("),
        ("well", "data/fields/well_writer.py", "def field_statistics("),
        ("pedestrians", "data/points/pedestrian_data.py", "def read_windows("),
        ("glass", "data/points/glass_data.py", "def check_arrays("),
        ("darcy", "data/arrays.py", "def write_files("),
        ("ammonia", "symmetry/points/matrix_groups.py", "class OrthogonalGroup"),
        ("near_copies", "data/graphs/links.py", "def check_trial("),
    ],
)
def test_what_makes_data_is_part_of_them(tmp_path, monkeypatch, dataset, file, used):
    """Makers are imported inside of `fetch`: a mended mistake in them went unnoticed."""
    root = Path(code.__file__).parents[1]
    for folder in ("data", "symmetry"):
        shutil.copytree(root / folder, tmp_path / folder)
    monkeypatch.setattr(code, "_ROOT", tmp_path)
    module = registry.module_of("datasets", dataset)

    def hashed():
        for function in CACHED:
            function.cache_clear()
        return code.code_of(module, deep=False)

    before = hashed()
    text = (tmp_path / file).read_text()
    assert used in text
    (tmp_path / file).write_text(f"{text}\n\nMENDED = 1\n")
    after = hashed()
    for function in CACHED:
        function.cache_clear()
    assert after != before


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("report/answer.py", {"report"}),
        ("report/violations.py", {"report"}),
        ("figures/draw.py", {"figure", "report"}),
        ("figures/gain.py", {"figure"}),
        ("figures/results.py", {"figure", "report"}),
        ("figures/cost.py", set()),
        ("report/template.html.j2", {"report"}),
        ("report/style.css", {"report"}),
        ("report/report.js", {"report"}),
    ],
)
def test_code_that_shows_results_is_part_of_what_it_shows(tmp_path, monkeypatch, file, shown):
    root = Path(code.__file__).parents[1]
    shutil.copytree(root, tmp_path / "symbench")
    monkeypatch.setattr(code, "_ROOT", tmp_path / "symbench")

    def fingerprints():
        for function in CACHED:
            function.cache_clear()
        study = read_configuration(size="smoke", folder=CONFIG).study(FIELDS)
        return {
            "comparison": study.comparison_fingerprint,
            "figure": study.figure_fingerprint("gain"),
            "report": study.report_fingerprint,
        }

    before = fingerprints()
    with (tmp_path / "symbench" / file).open("a") as stream:
        stream.write("\n\nMENDED = 1\n")
    after = fingerprints()
    for function in CACHED:
        function.cache_clear()
    assert {kind for kind in before if after[kind] != before[kind]} == shown


def _reached(module, deep):
    seen, waiting = set(), [module]
    while waiting:
        if (name := waiting.pop()) not in seen:
            seen.add(name)
            waiting += code._imports(name, deep)
    return seen

"""Raw files by name: what is found, what is not, what is another file than is meant."""

import hashlib

import pytest

from symbench.data.raw_files import FOLDERS_VARIABLE, RawFiles
from symbench.errors import DataError


@pytest.fixture
def raw(tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDERS_VARIABLE, raising=False)
    (tmp_path / "below").mkdir()
    return RawFiles((tmp_path,))


def test_names_are_no_patterns(raw, tmp_path):
    path = tmp_path / "below" / "run[1].xyz"
    path.touch()
    for name in ("run[1].xyz", "below/run[1].xyz", str(path)):
        assert raw.find(name) == path
    for name in ("run*.xyz", "*", "a**", "below", "/nowhere/run.xyz", 300 * "a", "a\0b", ".", ""):
        assert raw.find(name) is None


@pytest.mark.tried(
    "molecules and atoms", "a raw file of another checksum than the config's", "refused"
)
def test_a_file_at_hand_is_checked_too(raw, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("good")
    known = {path.name: hashlib.sha256(b"good").hexdigest()}
    urls = {path.name: "https://nowhere.invalid/table.csv"}
    assert raw.find_or_download(urls, known, tmp_path) == {path.name: path}
    path.write_text("bad")
    with pytest.raises(DataError, match=r"table\.csv is not the table\.csv that is meant"):
        raw.find_or_download(urls, known, tmp_path)

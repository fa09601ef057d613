from importlib.resources import files

import pytest

from switch.adapters import code_digest
from switch.adapters.code_digest import FOLDING_ROOMS, read_code_digest


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the rooms that fold; the digest is read from there."""
    for room in FOLDING_ROOMS:
        target = tmp_path / room
        for source in files(room).rglob("*.py"):
            path = target / source.relative_to(files(room))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read_bytes())
    monkeypatch.setattr(code_digest, "files", lambda room: tmp_path / room)
    return tmp_path


def read_again():
    return read_code_digest.__wrapped__()


def test_the_same_sources_give_the_same_digest(copied):
    assert read_again() == read_code_digest()
    (copied / "switch.handlers" / "__pycache__").mkdir()
    (copied / "switch.handlers" / "notes.txt").write_text("no source")
    assert read_again() == read_code_digest()


@pytest.mark.parametrize("name", ["switch.domain/payment/state.py", "switch.handlers/book.py"])
def test_one_letter_anywhere_in_what_folds_gives_another(copied, name):
    path = copied / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert read_again() != read_code_digest()


def test_a_file_that_moves_gives_another(copied):
    before = read_again()
    (copied / "switch.handlers/shelf.py").rename(copied / "switch.handlers/shelves.py")
    assert read_again() != before


def test_without_sources_there_is_no_digest(copied):
    for source in (copied / "switch.eventlog").glob("*.py"):
        source.unlink()
    with pytest.raises(FileNotFoundError):
        read_again()

import pytest

from infra.write import HERE, list_files, main


@pytest.mark.parametrize("path", list_files(), ids=lambda path: path.name)
def test_a_written_file_is_what_the_program_would_write(path):
    assert path.read_text(encoding="utf-8") == list_files()[path], "write it with `make docs`"


def test_writing_changes_nothing_that_is_as_it_should_be(capsys):
    before = {path: path.read_bytes() for path in list_files()}
    assert main() == 0
    assert {path: path.read_bytes() for path in list_files()} == before
    assert len(capsys.readouterr().out.splitlines()) == len(before)
    assert all(path.is_relative_to(HERE) for path in before)

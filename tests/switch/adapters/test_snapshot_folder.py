import os

import pytest

from switch.adapters.snapshot_folder import (
    PIECE_BYTES,
    SnapshotFolder,
    read_pieces,
    write_whole,
)


@pytest.fixture
def folder(tmp_path):
    folder = SnapshotFolder(tmp_path / "snapshots")
    folder.prepare()
    return folder


def put(folder, partition, next_offset, content=b"content"):
    path = folder.begin(partition, next_offset)
    write_whole(path, [content])
    return folder.keep(path, partition, next_offset)


def test_the_newest_two_of_each_partition_are_kept(folder):
    for next_offset in (100, 2_000, 30_000):
        put(folder, 3, next_offset)
    put(folder, 4, 50)
    assert [one.next_offset for one in folder.list(3)] == [30_000, 2_000]
    assert [one.next_offset for one in folder.list(4)] == [50]
    assert folder.list(5) == []


def test_what_is_not_finished_is_not_there(folder):
    write_whole(folder.begin(3, 100), [b"half of it"])
    assert folder.list(3) == []


def test_what_was_left_unfinished_is_cleared_away_at_the_start(folder, tmp_path):
    put(folder, 3, 50)
    write_whole(folder.begin(3, 100), [b"half of it"])
    folder.prepare()
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == [
        "03-000000000000050.snapshot"
    ]


def test_pieces_come_back_as_they_were_written(folder):
    content = os.urandom(3 * PIECE_BYTES + 17)
    path = folder.begin(1, 9)
    write_whole(path, [content[:5], b"", content[5:]])
    kept = folder.keep(path, 1, 9)
    pieces = list(read_pieces(kept))
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert kept.stat().st_mode & 0o077 == 0


def test_files_of_others_are_left_alone(folder, tmp_path):
    (tmp_path / "snapshots" / "readme").write_text("mine")
    (tmp_path / "snapshots" / "3-7.snapshot").write_text("mine too")
    put(folder, 3, 7)
    assert [one.next_offset for one in folder.list(3)] == [7]


def test_a_folder_that_is_gone_holds_nothing(tmp_path):
    folder = SnapshotFolder(tmp_path / "gone")
    assert folder.list(0) == []
    folder.drop(tmp_path / "gone" / "file")


def test_a_full_disk_is_told_and_keeps_no_name(folder):
    path = folder.begin(1, 9)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, write_until_full())
    assert folder.list(1) == []
    folder.drop(path)
    assert not path.exists()


def write_until_full():
    yield b"some of it"
    raise OSError(28, "No space left on device")

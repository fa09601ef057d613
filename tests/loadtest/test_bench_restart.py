import pytest

from loadtest.bench_restart import bench_restart, fill_journal
from loadtest.journal_file import JournalFile
from loadtest.trail import Journal
from switch.adapters.sqlite_log import SqliteLog


async def test_a_journal_is_filled_and_can_be_filled_again(tmp_path):
    path = tmp_path / "log.db"
    await SqliteLog(path, partition_count=2).close()
    assert await fill_journal(path, 400) == 2 + 200
    assert await fill_journal(path, 40) == 2 + 20
    with JournalFile(tmp_path) as file:
        journal = Journal().feed_all(file.read_new())
    assert journal.void_count == 0
    assert len(journal.trails) == 100 + 10
    assert journal.count_unsettled() == 0


@pytest.mark.process
async def test_a_switch_is_started_from_the_start_and_from_a_snapshot():
    measured = await bench_restart(6_000)
    assert measured.journal_records == 3_000 + 1
    assert measured.snapshot_megabytes > 0
    assert measured.snapshot_pause_ms > 0
    assert measured.ready_s > 0
    assert measured.snapshot_ready_s > 0

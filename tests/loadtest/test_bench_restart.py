from loadtest.bench_restart import fill_journal
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

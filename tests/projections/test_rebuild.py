import asyncio

import asyncpg
import pytest

from projections.catalogue import AUDIT, PROJECTIONS, SETTLEMENT
from projections.rebuild import RebuildBusy, rebuild
from projections.runner import RunnerSettings, connect, disconnect, run_projector
from projections.status import ProjectorStatus
from switch.eventlog.port import LogUnavailable


async def rebuild_now(dsn, log, projection, **options):
    connection = await connect(dsn, projection.name)
    logs = {p: await log.open_partition("journal", p) for p in range(log.partition_count)}
    try:
        return await rebuild(projection, connection, logs, **options)
    finally:
        await disconnect(connection)


async def run_statement(dsn, statement):
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


async def test_rebuilt_tables_equal_the_live_ones_row_by_row(dsn, make_log, fill, read_tables):
    log = make_log(400)
    await fill(dsn, log)
    before = await read_tables(dsn)
    seen = []
    for projection in PROJECTIONS.values():
        report = await rebuild_now(
            dsn, log, projection, progress=lambda done, total: seen.append((done, total))
        )
        assert report.is_switched
        assert report.compared == "all"
        assert report.differing == ()
        assert report.record_count == 800
        assert report.void_count > 0
    assert await read_tables(dsn) == before
    assert seen[-1] == (800, 800)


async def test_small_batches_and_reads_rebuild_the_same(
    dsn, make_log, fill, read_tables, monkeypatch
):
    monkeypatch.setattr("projections.rebuild.BATCH_RECORDS", 37)
    monkeypatch.setattr("projections.rebuild.READ_RECORDS", 11)
    log = make_log(300, partition_count=3)
    await fill(dsn, log)
    before = await read_tables(dsn)
    for projection in PROJECTIONS.values():
        report = await rebuild_now(dsn, log, projection)
        assert report.is_switched
        assert report.compared == "all"
    assert await read_tables(dsn) == before


class EndsEarly:
    """A partition that says it ends before it does: what was appended since the replay began."""

    def __init__(self, opened, end_offset=250):
        self.read = opened.read
        self._end_offset = end_offset

    async def end(self):
        return self._end_offset


async def test_what_was_appended_during_the_replay_is_caught_up_before_the_switch(
    dsn, make_log, fill, read_tables
):
    log = make_log(300)
    await fill(dsn, log)
    before = await read_tables(dsn)
    for projection in PROJECTIONS.values():
        connection = await connect(dsn, projection.name)
        logs = {p: EndsEarly(await log.open_partition("journal", p)) for p in range(2)}
        report = await rebuild(projection, connection, logs)
        await disconnect(connection)
        assert report.is_switched
        assert report.compared == "all"
    assert await read_tables(dsn) == before


async def test_a_gap_in_the_offsets_below_the_mark_is_no_end(dsn, make_log, fill, read_tables):
    log, more = make_log(100, partition_count=1), make_log(120, partition_count=1)
    stored = log.partitions["journal", 0]
    stored.skip(50)
    for record in more.partitions["journal", 0].records[100:]:
        stored.put(record.value)
    await fill(dsn, log)
    before = await read_tables(dsn)
    connection = await connect(dsn, "audit")
    logs = {0: EndsEarly(await log.open_partition("journal", 0), 120)}
    report = await rebuild(AUDIT, connection, logs)
    await disconnect(connection)
    assert report.compared == "all"
    assert await read_tables(dsn) == before


async def test_the_new_tables_have_every_index_and_nothing_of_the_old_stays(dsn, make_log, fill):
    log = make_log(50)
    await fill(dsn, log)
    connection = await asyncpg.connect(dsn)
    ask = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'audit'"
    before = {tuple(row) for row in await connection.fetch(ask)}
    await rebuild_now(dsn, log, AUDIT)
    assert {tuple(row) for row in await connection.fetch(ask)} == before
    schemas = await connection.fetch("SELECT nspname FROM pg_namespace")
    assert not {row["nspname"] for row in schemas} & {"audit_next", "audit_old"}
    assert await connection.fetchval("SELECT min(generation) FROM audit.position") == 2
    await connection.close()


async def test_a_rebuild_under_a_running_projector_loses_nothing(
    dsn, make_log, fill, read_tables, wait_until
):
    whole, log = make_log(600), make_log(600)
    for partition in range(2):
        stored = log.partitions["journal", partition]
        del stored.records[200:]
        stored.next_offset = 200
    status, stop = ProjectorStatus(), asyncio.Event()
    settings = RunnerSettings(
        batch_records_max=20, linger_ms=1, read_wait_ms=10, retry_ms_min=2, retry_ms_max=20
    )
    running = asyncio.create_task(
        run_projector(log=log, dsn=dsn, stop=stop, status=status, settings=settings)
    )

    def offsets():
        return {
            one.next_offset
            for shown in status.projections.values()
            for one in shown.partitions.values()
        }

    await wait_until(lambda: offsets() == {200})

    async def go_on():
        for index in range(200, 600):
            for partition in range(2):
                value = whole.partitions["journal", partition].records[index].value
                log.partitions["journal", partition].put(value)
            await asyncio.sleep(0)

    writing = asyncio.create_task(go_on())
    for _ in range(3):
        for projection in PROJECTIONS.values():
            report = await rebuild_now(dsn, log, projection)
            assert report.is_switched, report
    await writing
    await wait_until(lambda: offsets() == {600})
    stop.set()
    await running
    assert not status.faults
    followed = await read_tables(dsn)
    for name in PROJECTIONS:
        await run_statement(dsn, f"DROP SCHEMA {name} CASCADE")
    await fill(dsn, whole)
    assert followed == await read_tables(dsn)


@pytest.mark.parametrize(
    ("statement", "differing"),
    [
        ("UPDATE settlement.lines SET agent_id = 'x' WHERE ctid = '(0,1)'", ("lines",)),
        ("DELETE FROM settlement.postings WHERE entry = 2", ("postings",)),
        ("UPDATE settlement.totals SET fee_minor = fee_minor + 1", ("totals",)),
        ("UPDATE settlement.position SET void_count = 99", ("position",)),
    ],
)
async def test_differences_keep_the_live_tables_unless_accepted(
    dsn,
    make_log,
    fill,
    read_tables,
    *,
    statement,
    differing,
):
    log = make_log(300)
    await fill(dsn, log)
    right = await read_tables(dsn)
    await run_statement(dsn, statement)
    wrong = await read_tables(dsn)
    report = await rebuild_now(dsn, log, SETTLEMENT)
    assert (report.is_switched, report.differing) == (False, differing)
    assert await read_tables(dsn) == wrong
    report = await rebuild_now(dsn, log, SETTLEMENT, accept_differences=True)
    assert (report.is_switched, report.differing) == (True, differing)
    assert await read_tables(dsn) == right


async def test_live_tables_that_are_behind_are_compared_as_far_as_they_are(
    dsn, make_log, fill, read_tables
):
    log = make_log(300)
    await fill(dsn, log)
    for partition in range(2):
        for record in make_log(400).partitions["journal", partition].records[300:]:
            log.partitions["journal", partition].put(record.value)
    report = await rebuild_now(dsn, log, AUDIT)
    assert (report.is_switched, report.compared) == (True, "appended")
    rebuilt = await read_tables(dsn)
    assert [row[1] for row in rebuilt["audit.position"]] == [400, 400]


async def test_without_live_tables_a_rebuild_makes_them(dsn, make_log, read_tables, fill):
    log = make_log(100)
    for projection in PROJECTIONS.values():
        report = await rebuild_now(dsn, log, projection)
        assert (report.is_switched, report.compared) == (True, "nothing")
    rebuilt = await read_tables(dsn)
    for name in PROJECTIONS:
        await run_statement(dsn, f"DROP SCHEMA {name} CASCADE")
    await fill(dsn, log)
    assert rebuilt == await read_tables(dsn)


async def test_a_rebuild_that_broke_off_is_begun_afresh(dsn, make_log, fill):
    log = make_log(100)
    await fill(dsn, log)
    await run_statement(dsn, "CREATE SCHEMA audit_next; CREATE TABLE audit_next.events (a text)")
    report = await rebuild_now(dsn, log, AUDIT)
    assert report.is_switched


async def test_only_one_rebuild_of_a_projection_runs(dsn, make_log):
    first = await asyncpg.connect(dsn)
    await first.execute("SELECT pg_advisory_lock(hashtextextended('switch-rebuild-audit', 0))")
    with pytest.raises(RebuildBusy):
        await rebuild_now(dsn, make_log(10), AUDIT)
    await first.close()


async def test_a_journal_that_ends_too_early_is_said(dsn, make_log, monkeypatch):
    monkeypatch.setattr("projections.rebuild.READ_WAIT_MS", 10)
    log = make_log(10)
    log.partitions["journal", 1].skip(3)
    with pytest.raises(LogUnavailable, match="partition 1 gives nothing from 10 on, expected 13"):
        await rebuild_now(dsn, log, AUDIT)

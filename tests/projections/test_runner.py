import asyncio
import contextlib

import asyncpg
import pytest

from projections.catalogue import AUDIT, PROJECTIONS, SETTLEMENT, Projection
from projections.runner import RunnerSettings, connect, disconnect, explain_failure, run_projector
from projections.status import RETRYING, RUNNING, STOPPED, ProjectorStatus
from switch.adapters.embedded_postgres import EmbeddedPostgres
from switch.eventlog.port import LogUnavailable, PositionOutOfRange

QUICK = RunnerSettings(
    linger_ms=1, read_wait_ms=20, retry_ms_min=5, retry_ms_max=50, lag_interval_ms=10
)
SMALL = RunnerSettings(
    batch_records_max=16, linger_ms=1, read_wait_ms=20, retry_ms_min=5, retry_ms_max=50,
    lag_interval_ms=10,
)  # fmt: skip


@contextlib.asynccontextmanager
async def projector(log, dsn, *, settings=QUICK, **options):
    """Run a projector around a test's body."""
    status, stop = ProjectorStatus(), asyncio.Event()
    running = asyncio.create_task(
        run_projector(log=log, dsn=dsn, stop=stop, status=status, settings=settings, **options)
    )
    try:
        await asyncio.sleep(0)  # the task's first step fills the status
        yield status
    finally:
        stop.set()
        async with asyncio.timeout(90):
            await running


def is_level(status, log):
    """Whether every projection has every record of the journal."""
    ends = {p: log.partitions["journal", p].next_offset for p in range(log.partition_count)}
    shown = status.projections.values()
    return bool(shown) and all(
        {p: one.next_offset for p, one in each.partitions.items()} == ends for each in shown
    )


async def test_rows_follow_the_journal_and_equal_its_fold(
    dsn, make_log, fill, read_tables, wait_until
):
    log = make_log(300)
    async with projector(log, dsn, settings=SMALL) as status:
        await wait_until(lambda: is_level(status, log))
        assert status.lag_count == 0
        assert not status.faults
        assert status.projections["audit"].transaction_count > 10
        followed = await read_tables(dsn)
    await forget(dsn)
    await fill(dsn, log)
    assert followed == await read_tables(dsn)


async def forget(dsn):
    connection = await asyncpg.connect(dsn)
    for name in PROJECTIONS:
        await connection.execute(f"DROP SCHEMA {name} CASCADE")
    await connection.close()


async def test_a_second_start_goes_on_where_the_first_stopped(
    dsn, make_log, read_tables, wait_until
):
    whole, log = make_log(200), make_log(200)
    for partition in range(2):
        stored = log.partitions["journal", partition]
        del stored.records[120:]
        stored.next_offset = 120
    async with projector(log, dsn) as status:
        await wait_until(lambda: is_level(status, log))
    before = await read_tables(dsn)
    async with projector(log, dsn) as status:
        await wait_until(lambda: is_level(status, log))
        assert status.projections["audit"].applied_count == 0
        assert await read_tables(dsn) == before
        for partition in range(2):
            for record in whole.partitions["journal", partition].records[120:]:
                log.partitions["journal", partition].put(record.value)
        await wait_until(lambda: is_level(status, log))
        assert status.projections["audit"].applied_count == 160


async def test_batches_grow_when_the_projection_is_behind(dsn, make_log, wait_until):
    log = make_log(2_000, partition_count=1)
    async with projector(log, dsn) as status:
        await wait_until(lambda: is_level(status, log))
        assert status.projections["settlement"].transaction_count <= 4


class Cutting(asyncpg.Connection):
    """Loses its server process around some commits, before or after the server has heard."""

    plan = ()

    async def execute(self, query, *args, timeout=None):  # noqa: ASYNC109 - asyncpg's signature
        if query == "COMMIT;" and type(self).plan:
            step, *type(self).plan = type(self).plan
            if step == "before":
                self.terminate()
            elif step == "after":
                await super().execute(query, timeout=timeout)
                self.terminate()
                raise ConnectionResetError("cut after COMMIT was sent")
        return await super().execute(query, *args, timeout=timeout)


@pytest.mark.parametrize("step", ["before", "after"])
async def test_a_connection_cut_around_commit_applies_nothing_twice_and_loses_nothing(
    dsn,
    make_log,
    fill,
    read_tables,
    wait_until,
    *,
    step,
):
    log = make_log(200)
    plan = [step, "", "", step, step, "", step] * 2  # the first commits are the migrations'

    async def connect_cutting(dsn, schema):
        return await asyncpg.connect(
            dsn, connection_class=Cutting, server_settings={"search_path": schema}
        )

    Cutting.plan = tuple(plan)
    async with projector(log, dsn, settings=SMALL, connect=connect_cutting) as status:
        await wait_until(lambda: is_level(status, log) and not Cutting.plan)
        assert sum(one.retry_count for one in status.projections.values()) >= 6
        followed = await read_tables(dsn)
    await forget(dsn)
    await fill(dsn, log)
    assert followed == await read_tables(dsn)


async def test_two_projectors_at_once_apply_each_record_once(
    dsn, make_log, fill, read_tables, wait_until
):
    log = make_log(300)
    async with (
        projector(log, dsn, settings=SMALL) as first,
        projector(log, dsn, settings=SMALL) as second,
    ):
        await wait_until(lambda: is_level(first, log) or is_level(second, log))
        await wait_until(
            lambda: sum(s.projections["audit"].applied_count for s in (first, second)) == 600
        )
        followed = await read_tables(dsn)
    await forget(dsn)
    await fill(dsn, log)
    assert followed == await read_tables(dsn)


async def test_an_unknown_event_stops_one_projection_at_its_place_only(dsn, make_log, wait_until):
    log = make_log(50, partition_count=1)
    stored = log.partitions["journal", 0]
    stored.put(stored.records[7].value.replace(b'"type":"', b'"type":"new-'))
    async with projector(log, dsn) as status:
        await wait_until(lambda: {one.state for one in status.projections.values()} == {STOPPED})
        for one in status.projections.values():
            assert "partition 0 offset 50" in one.error
            assert "newer program" in one.error
            assert one.partitions[0].next_offset == 50
            assert one.lag_count == 1


class Faulty:
    def add(self, _record, _place):
        raise ValueError("a bug")

    async def write(self, _connection):
        raise AssertionError("never reached")


async def test_a_projection_with_a_bug_stops_and_the_others_go_on(dsn, make_log, wait_until):
    log = make_log(100)
    broken = Projection("settlement", Faulty, SETTLEMENT.appended, SETTLEMENT.folded)
    async with projector(log, dsn, projections=(broken, AUDIT)) as status:
        await wait_until(lambda: status.projections["audit"].partitions[1].next_offset == 100)
        await wait_until(lambda: status.projections["settlement"].state == STOPPED)
        error = status.projections["settlement"].error
        assert error == ("a fault of the projection: ValueError: a bug at partition 0 offset 0")
        assert status.projections["audit"].state == RUNNING
        await wait_until(lambda: status.projections["settlement"].lag_count == 200)


async def test_while_postgresql_is_down_lag_shows_and_afterwards_it_catches_up(
    tmp_path, make_log, wait_until
):
    log = make_log(100)
    server = EmbeddedPostgres(tmp_path / "pg")
    await asyncio.to_thread(server.start)
    async with projector(log, server.dsn) as status:
        await wait_until(lambda: is_level(status, log))
        await asyncio.to_thread(server.stop)
        more = make_log(150)
        for partition in range(2):
            for record in more.partitions["journal", partition].records[100:]:
                log.partitions["journal", partition].put(record.value)
        await wait_until(
            lambda: all(
                one.state == RETRYING and one.lag_count == 100
                for one in status.projections.values()
            )
        )
        assert "check that it runs" in status.faults[0] or "PostgreSQL says" in status.faults[0]
        await asyncio.to_thread(server.start)
        await wait_until(lambda: is_level(status, log))
        assert not status.faults
    await asyncio.to_thread(server.stop)


class LogThatGoesAway:
    """A log that answers nothing while `is_away`, as one does whose brokers are gone."""

    def __init__(self, log):
        self.log = log
        self.partition_count = log.partition_count
        self.is_away = False

    async def open_partition(self, name, partition):
        opened = await self.log.open_partition(name, partition)
        read = opened.read

        async def read_unless_away(offset, *, count_max, wait_ms):
            if self.is_away:
                raise LogUnavailable("no broker answers")
            return await read(offset, count_max=count_max, wait_ms=wait_ms)

        opened.read = read_unless_away
        return opened


async def test_while_the_log_is_away_no_projection_says_that_it_runs(dsn, make_log, wait_until):
    log = LogThatGoesAway(make_log(50))
    async with projector(log, dsn) as status:
        await wait_until(lambda: is_level(status, log.log) and not status.faults)
        log.is_away = True
        await wait_until(lambda: all(s.retry_count > 2 for s in status.projections.values()))
        assert {one.state for one in status.projections.values()} == {RETRYING}
        assert "no broker answers" in status.faults[0]
        log.is_away = False
        await wait_until(lambda: {s.state for s in status.projections.values()} == {RUNNING})
        assert not status.faults


async def test_a_journal_that_lost_the_position_stops_the_projection(dsn, make_log, wait_until):
    log = make_log(100)
    async with projector(log, dsn) as status:
        await wait_until(lambda: is_level(status, log))
    async with projector(make_log(50), dsn) as status:
        await wait_until(lambda: all(s.state == STOPPED for s in status.projections.values()))
        assert "if the journal was replaced" in status.faults[0]


async def test_only_the_partitions_asked_for_are_followed(dsn, make_log, wait_until):
    log = make_log(60, partition_count=3)
    async with projector(log, dsn, partitions=[2]) as status:
        await wait_until(lambda: status.projections["audit"].partitions[2].next_offset == 60)
        assert list(status.projections["audit"].partitions) == [2]


async def test_a_connection_that_will_not_close_is_dropped(dsn):
    connection = await connect(dsn, "audit")
    sleeping = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
    await asyncio.sleep(0)  # the statement is sent
    await disconnect(connection)
    assert connection.is_closed()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await sleeping


def test_failures_are_explained_in_one_line():
    assert explain_failure(ConnectionRefusedError("refused")).startswith("PostgreSQL cannot be")
    assert "TimeoutError" in explain_failure(TimeoutError())
    assert "start with new tables" in explain_failure(PositionOutOfRange("above the end"))
    assert explain_failure(asyncpg.PostgresError("odd")) == "PostgreSQL says: odd"


async def test_no_batch_scans_a_whole_table_whatever_its_statistics_say(dsn, make_log, wait_until):
    log = make_log(600)
    async with projector(log, dsn, settings=SMALL) as status:
        await wait_until(lambda: is_level(status, log))
        transaction_count = status.projections["audit"].transaction_count
    connection = await asyncpg.connect(dsn)
    try:
        scans = await connection.fetchval(
            "SELECT sum(seq_scan) FROM pg_stat_user_tables"
            " WHERE schemaname IN ('audit', 'settlement') AND relname <> 'position'"
        )
    finally:
        await connection.close()
    assert transaction_count > 20
    assert scans < transaction_count

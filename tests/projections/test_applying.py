import asyncio
import itertools

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projections.applying import RecordUnreadable, add_records
from projections.catalogue import AUDIT, PROJECTIONS
from projections.migrations import migrate, read_migrations
from projections.position import Position, load_positions, move_positions
from projections.runner import connect, disconnect
from switch.eventlog.port import StoredRecord

RECORD_COUNT = 90
numbers = itertools.count(1)


def cut(records, sizes):
    """Cut records into batches of the given sizes, the last sizes over and over."""
    rest = list(records)
    for size in itertools.chain(sizes, itertools.repeat(max(sizes[-1], 20))):
        if not rest:
            return
        yield rest[:size]
        rest = rest[size:]


async def apply_in_batches(dsn, log, sizes, read_tables):
    for projection in PROJECTIONS.values():
        connection = await connect(dsn, projection.name)
        await connection.execute(f"DROP SCHEMA IF EXISTS {projection.name} CASCADE")
        await migrate(connection, projection.name, read_migrations(projection.name))
        positions = await load_positions(connection, range(log.partition_count))
        for partition in positions:
            for part in cut(log.partitions["journal", partition].records, sizes):
                batch = projection.new_batch()
                after = add_records(batch, positions[partition], part)
                async with connection.transaction():
                    await move_positions(connection, [(positions[partition], after)])
                    await batch.write(connection)
                positions[partition] = after
        await disconnect(connection)
    return await read_tables(dsn)


def test_any_batch_size_gives_the_same_rows(postgres, make_log, read_tables):
    """Sync, so that Hypothesis may run a loop for each example."""
    log = make_log(RECORD_COUNT, trouble=0.8)
    name = f"splits_{next(numbers)}"

    async def ask(statement):
        connection = await asyncpg.connect(postgres.dsn)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(ask(f"CREATE DATABASE {name} STRATEGY file_copy"))
    dsn = postgres.dsn.replace("/postgres?", f"/{name}?")
    expected = asyncio.run(apply_in_batches(dsn, log, [RECORD_COUNT], read_tables))
    assert all(expected.values())

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=12))
    def check(sizes):
        assert asyncio.run(apply_in_batches(dsn, log, sizes, read_tables)) == expected

    check()
    asyncio.run(ask(f"DROP DATABASE {name} WITH (FORCE)"))


def test_an_unknown_event_stops_at_its_own_place_and_keeps_what_came_before(
    make_log,
):
    records = make_log(30, partition_count=1).partitions["journal", 0].records[:20]
    strange = StoredRecord(20, records[5].value.replace(b'"type":"', b'"type":"new-'))
    batch = AUDIT.new_batch()
    with pytest.raises(RecordUnreadable, match=r"partition 0 offset 20.*newer program") as caught:
        add_records(batch, Position(partition=0), [*records, strange])
    assert caught.value.position.next_offset == 20
    assert caught.value.position.record_count == 20


def test_a_fault_of_a_projection_names_the_record(make_log):
    class Faulty:
        def add(self, _record, _place):
            raise ValueError("no")

    records = make_log(3, partition_count=1).partitions["journal", 0].records
    with pytest.raises(ValueError, match="no") as caught:
        add_records(Faulty(), Position(partition=0), records)
    assert caught.value.__notes__ == ["at partition 0 offset 0"]


def test_the_void_rule_goes_on_where_it_was(make_log):
    records = make_log(500, partition_count=1).partitions["journal", 0].records
    whole = add_records(AUDIT.new_batch(), Position(partition=0), records)
    position = Position(partition=0)
    for record in records:
        position = add_records(AUDIT.new_batch(), position, [record])
    assert position == whole
    assert position.void_count > 0
    assert position.epoch >= 0

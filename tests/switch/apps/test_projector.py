import asyncio

import asyncpg
import msgspec
import pytest

from projections.status import PartitionStatus, ProjectionStatus, ProjectorStatus
from switch.adapters.sqlite_log import SqliteLog
from switch.adapters.telemetry import make_telemetry
from switch.apps.children import KeptChild
from switch.apps.payment_status import AuditStatus
from switch.apps.projector import ProjectorOrder, describe_projections, tell_projections
from switch.eventlog.journal import JournalRecord, PartitionClaimed, encode_record

pytestmark = pytest.mark.process
DEADLINE_S = 60.0


def make_child(tmp_path):
    order = ProjectorOrder(
        log_url=f"sqlite://{tmp_path}/log.db",
        dsn="",
        postgres_path=str(tmp_path / "pg"),
        batch_count_max=100,
        in_background=True,
        log_format="json",
        log_level="warning",
        uvloop=True,
    )
    return KeptChild(
        "projector",
        "switch.apps.projector",
        lambda: msgspec.json.encode(order),
        make_telemetry("test").log,
    )


async def append(partition, value):
    acked = asyncio.get_running_loop().create_future()
    partition.append(value, acked.set_result)
    assert isinstance(await asyncio.wait_for(acked, DEADLINE_S), int)


async def test_it_waits_for_the_log_brings_its_database_up_and_follows(tmp_path):
    child = make_child(tmp_path)
    await child.start()
    assert await child.wait_report("faults", DEADLINE_S), "there is no log yet"
    log = SqliteLog(tmp_path / "log.db", partition_count=1)
    journal = await log.open_partition("journal", 0)
    claim = PartitionClaimed(owner="test", claim_id="c", at=1)
    record = JournalRecord(claim_id="c", at=1, watermark=0, registry_position=0, events=(claim,))
    await append(journal, encode_record(record))
    assert await child.wait_report("ready", DEADLINE_S)
    dsn = str(child.report["dsn"])
    async with asyncio.timeout(DEADLINE_S):
        connection = await asyncpg.connect(dsn)
        while not await connection.fetchval("SELECT count(*) FROM audit.events"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await connection.close()
    status = AuditStatus(lambda: dsn)
    assert await status.list_last(10) == ()
    assert await status.find_by_rrn("000000000042") is None
    assert await status.find_by_key("partner", "m", "k") is None
    await status.close()
    await child.stop()
    await log.close()


async def test_how_a_projection_runs_and_how_far_it_is_shows_in_the_metrics():
    metrics = make_telemetry("test").metrics
    behind = {0: PartitionStatus(next_offset=40, end_offset=47), 1: PartitionStatus(end_offset=3)}
    status = ProjectorStatus(
        projections={
            "audit": ProjectionStatus(name="audit", state="running", partitions=behind),
            "settlement": ProjectionStatus(name="settlement", state="stopped", error="a bug"),
        }
    )
    described = describe_projections(status)
    assert [one["error"] for one in described] == ["", "a bug"]
    tell_projections(metrics, described)
    text = (await metrics.render()).decode()
    assert 'switch_projection_running{projection="audit"} 1.0' in text
    assert 'switch_projection_running{projection="settlement"} 0.0' in text
    assert 'switch_projection_lag{projection="audit"} 10.0' in text
    assert 'switch_projection_lag{projection="settlement"} 0.0' in text
    assert 'switch_projection_position{partition="0",projection="audit"} 40.0' in text
    assert 'switch_projection_position{partition="1",projection="audit"} -1.0' in text

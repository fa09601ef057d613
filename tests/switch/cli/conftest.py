import asyncio
import json
from pathlib import Path
from typing import NamedTuple

import pytest

from loadtest.generated_journal import JournalMaker
from projections.runner import RunnerSettings, run_projector
from projections.status import ProjectorStatus
from switch.adapters.embedded_postgres import EmbeddedPostgres
from switch.adapters.sqlite_log import SqliteLog
from switch.domain.registry.entities import SealedKey
from switch.eventlog.inbound import RequestReceived, encode_request

RECORD_COUNT = 500


class ReadableInstance(NamedTuple):
    """A data folder as a running instance leaves it: addresses, logs, filled tables."""

    data_dir: Path
    dsn: str


async def _append(log, name, partition, values):
    opened = await log.open_partition(name, partition)
    done = asyncio.get_running_loop().create_future()
    for value in values[:-1]:
        opened.append(value, lambda _: None)
    opened.append(values[-1], done.set_result)
    await done
    await opened.close()


async def _fill(data_dir, dsn):
    log = SqliteLog(data_dir / "log.db", partition_count=2)
    for partition in range(2):
        maker = JournalMaker(partition, 1, trouble=0.6, merchant_count=4)
        await _append(log, "journal", partition, maker.make(RECORD_COUNT))
    request = RequestReceived(
        inbound_id="gateway-1-1",
        gateway="gateway-1",
        channel="unionpay-pos",
        acquirer="48981",
        partition_key="48981|m",
        mti="0200",
        fields={"stan": "000001"},
        received_at=1,
        start_before=2,
        deadline_at=3,
        minute_key_id="minute-1",
        sealed_message=b"a sealed message",
    )
    await _append(log, "inbound", 0, [encode_request(request)])
    key = json.dumps({"key_id": "k", "sealed": "AAECAwQFBgc=", "kcv": "12345678"})
    assert set(SealedKey.__struct_fields__) == set(json.loads(key))
    claim = b'{"claim_id":"c1","at":1,"actor":"","events":[{"type":"partition-claimed.v1","owner":"r","claim_id":"c1","at":1}]}'  # noqa: E501
    strange = (
        b'{"claim_id":"c1","at":2,"actor":"","events":[{"type":"from-the-future.v1","mak":%s}]}'
    )
    await _append(log, "registry", 0, [claim, strange % key.encode()])
    status, stop = ProjectorStatus(), asyncio.Event()
    settings = RunnerSettings(linger_ms=1, read_wait_ms=20, lag_interval_ms=10)
    running = asyncio.create_task(
        run_projector(log=log, dsn=dsn, stop=stop, status=status, settings=settings)
    )
    async with asyncio.timeout(90):
        while not status.projections or any(  # noqa: ASYNC110 - the status is there to be polled
            at.next_offset != RECORD_COUNT
            for one in status.projections.values()
            for at in one.partitions.values()
        ):
            await asyncio.sleep(0.01)
    stop.set()
    await running
    await log.close()


@pytest.fixture(scope="session")
def readable_instance(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("instance") / "data"
    data_dir.mkdir()
    with EmbeddedPostgres(data_dir / "pg") as server:
        asyncio.run(_fill(data_dir, server.dsn))
        addresses = {"postgres": server.dsn, "log": f"sqlite://{data_dir / 'log.db'}"}
        (data_dir / "addresses.json").write_text(json.dumps(addresses))
        yield ReadableInstance(data_dir, server.dsn)

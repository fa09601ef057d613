"""`switch projector` as a real process over a real broker."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from switch.adapters.kafka_topic_check import TopicWishes
from switch.adapters.open_log import open_log
from switch.apps.addresses import read_addresses
from switch.cli.client import InstanceClient
from switch.cli.status import status
from switch.eventlog.journal import JournalRecord, PartitionClaimed, encode_record

pytestmark = [pytest.mark.process, pytest.mark.kafka]
DEADLINE_S = 60.0


async def until(condition, process):
    deadline = time.monotonic() + DEADLINE_S
    while not await asyncio.to_thread(condition):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def append_claim(url):
    log = await open_log(url, partition_count=1, topics=TopicWishes(single_broker=True))
    journal = await log.open_partition("journal", 0)
    claim = PartitionClaimed(owner="test", claim_id="c", at=1)
    record = JournalRecord(claim_id="c", at=1, watermark=0, registry_position=0, events=(claim,))
    acked = asyncio.get_running_loop().create_future()
    journal.append(encode_record(record), acked.set_result)
    assert isinstance(await asyncio.wait_for(acked, DEADLINE_S), int)
    await log.close()


async def test_it_waits_for_its_topics_then_follows_and_says_how_far(tmp_path, kafka_bootstrap):
    url = f"kafka://{kafka_bootstrap}?prefix=t{secrets.token_hex(4)}-"
    command = [sys.executable, "-m", "switch", "projector", "--data", str(tmp_path / "data")]
    environment = {
        **os.environ,
        "SWITCH__LOG__URL": url,
        "SWITCH__LOG__SINGLE_BROKER": "true",
        "SWITCH__HTTP__ADDRESS": "127.0.0.1:0",
    }
    process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    try:
        await until(lambda: read_addresses(tmp_path / "data"), process)
        client = InstanceClient(tmp_path / "data")
        await append_claim(url)

        def has_read():
            projections = client.get("/v1/status")["projections"]
            return projections and all(
                one["state"] == "running" and one["position"]["0"] == 1 for one in projections
            )

        await until(has_read, process)
        assert str(client.addresses["postgres"]).startswith("postgres")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, DEADLINE_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


async def test_one_that_waits_for_its_log_is_shown_with_what_it_waits_for(tmp_path):
    command = [sys.executable, "-m", "switch", "projector", "--data", str(tmp_path / "data")]
    environment = {
        **os.environ,
        "SWITCH__LOG__URL": "kafka://127.0.0.1:1",
        "SWITCH__HTTP__ADDRESS": "127.0.0.1:0",
    }
    process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    try:
        await until(lambda: read_addresses(tmp_path / "data"), process)

        def shown():
            return CliRunner().invoke(status, ["--data", str(tmp_path / "data")])

        await until(lambda: "Kafka" in shown().output, process)
        found = shown()
        assert found.exit_code == 7
        first, second = found.output.splitlines()[:2]
        assert first.startswith("NOT WELL  the other processes cannot be heard, because the log")
        assert second.startswith("NOT WELL  projector ")
        assert "is not ready, projections: " in second
        assert "is running" not in found.output
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, DEADLINE_S) == 0
        assert read_addresses(tmp_path / "data") is None
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()

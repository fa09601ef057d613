import asyncio

import pytest

from switch.adapters.kafka_log import KafkaLog
from switch.adapters.kafka_membership import GroupProposer
from switch.adapters.telemetry import make_telemetry
from switch.apps.log_settings import OwnershipSettings
from switch.apps.ownership import StaticProposer, make_proposer, parse_partitions
from switch.apps.settings_sources import SettingsError
from switch.eventlog.memory_log import MemoryLog


@pytest.mark.parametrize(
    ("text", "partitions"),
    [("", {0, 1, 2, 3}), ("2", {2}), ("0-2", {0, 1, 2}), ("0-1,3", {0, 1, 3}), ("1,1-2", {1, 2})],
)
def test_partitions_are_named_alone_and_as_ranges(text, partitions):
    assert parse_partitions(text, 4) == partitions


@pytest.mark.parametrize("text", ["4", "0-4", "3-1"])
def test_partitions_that_the_log_does_not_have_stop_the_start(text):
    with pytest.raises(SettingsError, match="from 0 to 3"):
        parse_partitions(text, 4)


async def test_ordinals_propose_once_and_know_of_nobody():
    proposed = []
    proposer = StaticProposer({1, 2})
    await proposer.start("me", proposed.append)
    await proposer.retire()
    await proposer.stop()
    assert proposed == [{1, 2}]
    assert await proposer.find_members() is None
    assert not proposer.waits_for_members


def propose(settings, event_log):
    return make_proposer(settings, event_log, make_telemetry("test").log)


async def test_over_an_embedded_log_one_process_is_proposed_for_everything():
    log = MemoryLog(3, call_soon=asyncio.get_running_loop().call_soon)
    proposed = []
    proposer = propose(OwnershipSettings(partitions="1"), log)
    await proposer.start("me", proposed.append)
    assert proposed == [{0, 1, 2}]


async def test_over_kafka_the_settings_say_who_proposes():
    log = KafkaLog("127.0.0.1:1", partition_count=3, prefix="p-")
    group = propose(OwnershipSettings(session_timeout_ms=900), log)
    assert isinstance(group, GroupProposer)
    assert (group.group, group.absence_ms) == ("p-handlers", 450)
    proposed = []
    static = propose(OwnershipSettings(proposer="static", partitions="1-2"), log)
    await static.start("me", proposed.append)
    assert proposed == [{1, 2}]

import msgspec
import pytest

from switch.domain.registry.entities import Agent, AgentStatus
from switch.domain.registry.events import AgentRegistered, RegistryLoaded
from switch.eventlog.journal import PartitionClaimed, UnknownEvent
from switch.eventlog.journal_reader import RecordReader
from switch.eventlog.registry_record import (
    RegistryRecord,
    decode_registry_record,
    encode_registry_record,
)

AGENT = Agent(agent_id="a", name="A", status=AgentStatus.ACTIVE)


def make_record(claim_id, *events):
    return RegistryRecord(claim_id=claim_id, at=1, actor="me", events=events)


def claim(claim_id):
    return make_record(claim_id, PartitionClaimed(owner="o", claim_id=claim_id, at=1))


def test_a_record_comes_back_as_it_was():
    record = make_record(
        "c1",
        AgentRegistered(agent=AGENT),
        RegistryLoaded(actor="me", at=1, digest="d", change_count=1),
    )
    assert decode_registry_record(encode_registry_record(record)) == record


def test_the_claim_rules_of_the_journal_hold_here():
    reader = RecordReader(decode_registry_record)
    change = AgentRegistered(agent=AGENT)
    records = [
        make_record("c1", change),  # before any claim
        claim("c1"),
        make_record("c1", change),
        claim("c2"),
        make_record("c1", change),  # a stray of the old writer
        make_record("c2", change),
    ]
    valid = [
        reader.feed(offset, encode_registry_record(record)) is not None
        for offset, record in enumerate(records)
    ]
    assert valid == [False, True, True, True, False, True]
    assert reader.void_count == 2


@pytest.mark.parametrize(
    "change",
    [
        {"events": [{"type": "agent-vanished.v1"}]},
        {"events": [{"type": "agent-registered.v1", "agent": {}}]},
        {"claim_id": 1},
    ],
)
def test_what_a_newer_program_wrote_stops_the_reader(change):
    content = {"claim_id": "c", "at": 1, "actor": "a", "events": []} | change
    with pytest.raises(UnknownEvent, match="registry log"):
        decode_registry_record(msgspec.json.encode(content))

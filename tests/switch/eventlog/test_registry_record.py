import pytest

from switch.domain.registry.entities import Agent, AgentStatus
from switch.domain.registry.events import AgentRegistered
from switch.eventlog.journal import PartitionClaimed, UnknownEvent
from switch.eventlog.journal_reader import RecordReader, is_claim
from switch.eventlog.registry_record import (
    RegistryRecord,
    decode_registry_record,
    encode_registry_record,
)

AGENT = AgentRegistered(agent=Agent(agent_id="a-1", name="Agent", status=AgentStatus.ACTIVE))


def make_record(claim_id: str, *events) -> RegistryRecord:
    return RegistryRecord(claim_id=claim_id, at=1, actor="operator", events=events)


def make_claim(claim_id: str) -> RegistryRecord:
    return make_record(claim_id, PartitionClaimed(owner="o", claim_id=claim_id, at=1))


def test_a_record_is_read_as_it_was_written():
    record = make_record("c-1", AGENT)
    assert decode_registry_record(encode_registry_record(record)) == record


def test_a_claim_of_the_registry_is_recognised():
    assert is_claim(make_claim("c-1"))
    assert not is_claim(make_record("c-1", AGENT))


def test_the_void_rule_holds_for_the_registry_as_for_the_journal():
    reader = RecordReader(decode_registry_record)
    records = [make_claim("c-1"), make_claim("c-2"), make_record("c-1", AGENT)]
    read = [
        reader.feed(offset, encode_registry_record(record)) for offset, record in enumerate(records)
    ]
    assert read == [*records[:2], None]
    assert reader.void_count == 1


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        b'{"claim_id":"c","at":1,"actor":"a","events":[{"type":"agent-renamed.v7"}]}',
    ],
)
def test_what_this_program_does_not_know_stops_the_reader(value):
    with pytest.raises(UnknownEvent, match="cannot read a record of the registry log"):
        decode_registry_record(value)

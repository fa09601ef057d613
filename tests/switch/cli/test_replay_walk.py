import pytest
from msgspec.structs import replace

from switch.cli.replay_walk import PartitionReplay, RegistryTimeline, ReplayFault, list_differences
from switch.domain.payment.rules import DecisionRules
from switch.domain.registry.entities import Agent, AgentStatus
from switch.domain.registry.events import AgentChanged, AgentRegistered
from switch.eventlog.journal import JournalRecord, PartitionClaimed, UnknownEvent, encode_record
from switch.eventlog.registry_record import RegistryRecord, encode_registry_record
from tests.switch.handlers.conftest import make_message, make_registry, world  # noqa: F401 - fixtures of that room

RULES = DecisionRules()
CLAIM = PartitionClaimed(owner="o", claim_id="claim-1", at=0)


def encode_claim(claim_id="claim-1"):
    claim = replace(CLAIM, claim_id=claim_id)
    return encode_record(
        JournalRecord(claim_id=claim_id, at=0, watermark=0, registry_position=0, events=(claim,))
    )


def encode_registry(*events, claim_id="claim-1"):
    return encode_registry_record(RegistryRecord(claim_id=claim_id, at=0, actor="t", events=events))


class FixedTimeline(RegistryTimeline):
    """The handlers' test registry, as of any position."""

    def __init__(self, view):
        super().__init__()
        self.asked = []
        self._fixed = view

    def at(self, position):
        self.asked.append(position)
        return self._fixed


def walk(world, records, *, rrn=""):  # noqa: F811
    replaying = PartitionReplay(1, 4, RULES, FixedTimeline(make_registry(world.keys)))
    replaying.take(0, encode_claim())
    found = []
    for offset, record in enumerate(records, 1):
        replayed = replaying.take(offset, encode_record(record), rrn=rrn)
        if replayed is not None:
            found.append(replayed)
    return found


@pytest.fixture
def told_98(world, make_message):  # noqa: F811
    """Make a sale whose issuer never answers, reversed until answered; and an approved one."""
    world.send(make_message())
    world.pass_ms(3_100)
    world.issuer_says("00")
    world.pass_ms(7_000)
    world.issuer_says("00")
    world.send(make_message(stan="000124"))
    world.issuer_says("00")
    world.send(make_message("0400", stan="000124"))
    world.send(make_message(stan="000125", currency="840"))
    return world


def test_every_recorded_decision_comes_out_the_same(told_98):
    found = walk(told_98, told_98.journal)
    assert len(found) == len(told_98.journal)
    assert all(one.is_same for one in found)
    facts = {type(one.record.events[0]).__name__ for one in found if one.decided is not None}
    assert facts >= {
        "PaymentRequested",
        "IssuerTimedOut",
        "ReversalAnswered",
        "IssuerAnswered",
        "ReversalRequested",
    }


def test_only_the_records_of_the_payment_are_compared(told_98):
    rrn = told_98.journal[0].events[0].rrn
    found = walk(told_98, told_98.journal, rrn=rrn)
    assert [one.offset for one in found] == list(range(1, len(found) + 1))
    assert 0 < len(found) < len(told_98.journal)


def test_an_altered_decision_is_different_and_says_where(told_98):
    record = told_98.journal[0]
    fact, routed = record.events
    altered = replace(record, events=(fact, replace(routed, upstream_stan="000777")))
    first = walk(told_98, [altered])[0]
    assert not first.is_same
    assert list_differences(first.recorded, first.decided) == [
        f"payment-routed.v1.upstream_stan: 000777 -> {routed.upstream_stan}"
    ]


def test_another_kind_of_decision_is_named(told_98):
    one, other = told_98.journal[0].events
    assert list_differences((one,), (other,)) == ["payment-requested.v1 -> payment-routed.v1"]
    assert list_differences((), (other,)) == ["nothing -> payment-routed.v1"]


def test_a_record_decided_with_another_registry_is_different(told_98):
    merchant = told_98.registry.find_merchant("898110154110001")
    frozen = make_registry(told_98.keys)
    frozen._merchants["898110154110001"] = replace(merchant, mcc="7995")
    replaying = PartitionReplay(1, 4, RULES, FixedTimeline(frozen))
    replaying.take(0, encode_claim())
    assert not replaying.take(1, encode_record(told_98.journal[0])).is_same


def test_void_records_are_neither_compared_nor_folded(told_98):
    replaying = PartitionReplay(1, 4, RULES, FixedTimeline(told_98.registry))
    replaying.take(0, encode_claim("another"))
    assert replaying.take(1, encode_record(told_98.journal[0])) is None
    assert replaying.reader.void_count == 1


def test_a_record_that_todays_code_cannot_decide_is_different_not_a_crash(told_98):
    """A reversal answered before it was ever asked for: impossible, so altered by somebody."""
    record = told_98.journal[0]
    fact, routed = record.events
    twisted = replace(record, events=(replace(fact, request=None), routed))
    replaying = PartitionReplay(1, 4, RULES, FixedTimeline(told_98.registry))
    replaying.take(0, encode_claim())
    compared = replaying._compare(1, twisted)
    assert not compared.is_same
    assert compared.fault.startswith("AttributeError")


def test_an_unknown_tag_stops_the_walk(told_98):
    replaying = PartitionReplay(1, 4, RULES, FixedTimeline(told_98.registry))
    with pytest.raises(UnknownEvent):
        replaying.take(0, b'{"type":"x"}')


def agent(name):
    return Agent(agent_id="a", name=name, status=AgentStatus.ACTIVE)


def test_the_registry_stands_at_the_position_asked_for():
    timeline = RegistryTimeline()
    timeline.feed(0, encode_registry(CLAIM))
    timeline.feed(1, encode_registry(AgentRegistered(agent=agent("first"))))
    timeline.feed(2, encode_registry(AgentChanged(agent=agent("stray")), claim_id="void"))
    timeline.feed(4, encode_registry(AgentChanged(agent=agent("second"))))
    names = []
    for position in (1, 2, 3, 5, 2):
        view = timeline.at(position)
        assert view.position == position
        found = view.find_agent("a")
        names.append(found.name if found else "")
    assert names == ["", "first", "first", "second", "first"]


def test_a_registry_log_that_lost_its_end_is_a_fault():
    timeline = RegistryTimeline()
    timeline.feed(0, encode_registry(CLAIM))
    with pytest.raises(ReplayFault, match="lost"):
        timeline.at(2)

import json

import msgspec
import pytest

from loadtest.trail import Journal, RawRecord
from switch.domain.money import Money
from switch.domain.payment.events import OutcomeUnknown, PaymentApproved, PaymentRequested
from switch.domain.payment.payment import SettlementLine
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.transactions import TransactionType
from switch.eventlog.journal import JournalRecord, PartitionClaimed, encode_record


def record(offset, claim_id, *events, partition=0):
    value = {"claim_id": claim_id, "at": 1000 + offset, "events": list(events)}
    return RawRecord(partition, offset, json.dumps(value).encode())


def claim(claim_id):
    return {"type": "partition-claimed.v1", "claim_id": claim_id}


def routed(rrn):
    return {"type": "payment-routed.v1", "rrn": rrn}


def test_only_records_of_the_latest_claim_before_them_count():
    journal = Journal().feed_all(
        [
            record(0, "a", claim("a")),
            record(1, "a", routed("1")),
            record(2, "b", claim("b")),
            record(3, "a", routed("2")),
            record(4, "b", routed("3")),
        ]
    )
    assert sorted(journal.trails) == ["1", "3"]
    assert journal.void_count == 1
    assert journal.record_count == 5


def test_partitions_are_claimed_apart():
    journal = Journal().feed_all(
        [
            record(0, "a", claim("a"), partition=0),
            record(0, "b", claim("b"), partition=1),
            record(1, "a", routed("1"), partition=0),
            record(1, "a", routed("2"), partition=1),
        ]
    )
    assert list(journal.trails) == ["1"]
    assert journal.void_count == 1


def test_a_record_before_any_claim_is_void():
    assert Journal().feed_all([record(0, "a", routed("1"))]).void_count == 1


def test_a_value_that_is_not_json_stops_the_audit():
    with pytest.raises(msgspec.DecodeError):
        Journal().feed(RawRecord(0, 0, b"{"))


def test_it_reads_what_the_switch_writes():
    answer = Answer(response_code="00", at=1, rrn="000000000001", authorization_id="A1")
    request = PaymentRequest(
        idempotency_key="k",
        fingerprint="f",
        channel="unionpay-pos",
        acquirer="demo",
        merchant_id="m",
        transaction=TransactionType.SALE,
        received_at=1,
        start_before=2,
        deadline_at=3,
        amount=Money(500, "156"),
    )
    line = SettlementLine(
        acquirer="demo",
        merchant_id="m",
        settlement_date="2026-01-01",
        currency="156",
        gross_minor=500,
        fee_minor=3,
    )
    events = (
        PaymentRequested(rrn="000000000001", request=request, at=1),
        PaymentApproved(rrn="000000000001", answer=answer, line=line),
        OutcomeUnknown(rrn="000000000002", cause="timeout", answer=answer),
    )
    claimed = PartitionClaimed(owner="o", claim_id="c", at=1)
    values = [
        encode_record(
            JournalRecord(claim_id="c", at=9, watermark=0, registry_position=0, events=some)
        )
        for some in ((claimed,), events)
    ]
    journal = Journal().feed_all(RawRecord(0, i, value) for i, value in enumerate(values))
    trail = journal.trails["000000000001"]
    assert (trail.key, trail.amount_minor) == ("k", 500)
    assert trail.approved == {
        "response_code": "00",
        "at": 1,
        "rrn": "000000000001",
        "authorization_id": "A1",
    }
    assert trail.lines[0]["fee_minor"] == 3
    assert journal.trails["000000000002"].unknown is not None
    assert journal.rrns_of == {"k": ["000000000001"]}


def test_an_advice_is_approved_at_once_and_told_until_the_issuer_has_taken_it():
    accepted = {
        "type": "advice-accepted.v1",
        "rrn": "1",
        "terms": {"issuer_id": "i"},
        "answer": {"response_code": "00"},
        "line": {"gross_minor": 50},
        "sent_amount": {"minor": 50, "currency": "156"},
        "original_rrn": "7",
    }
    journal = Journal().feed_all([record(0, "a", claim("a")), record(1, "a", accepted)])
    trail = journal.trails["1"]
    assert (trail.stands, trail.approved_minor, trail.original_rrn) == (True, 50, "7")
    assert (trail.is_telling_unfinished, journal.count_unsettled()) == (True, 1)
    journal.feed(record(2, "a", {"type": "advice-confirmed.v1", "rrn": "1"}))
    assert journal.count_unsettled() == 0


def test_an_advice_that_nobody_can_be_told_of_waits_for_nothing():
    accepted = {"type": "advice-accepted.v1", "rrn": "1", "answer": {"response_code": "00"}}
    journal = Journal().feed_all([record(0, "a", claim("a")), record(1, "a", accepted)])
    assert journal.count_unsettled() == 0
    assert journal.trails["1"].routed is None


def test_a_refund_without_an_answer_is_open_until_it_has_one():
    awaited = {"type": "outcome-awaited.v1", "rrn": "1"}
    approved = {"type": "payment-approved.v1", "rrn": "1", "answer": {"response_code": "00"}}
    events = [claim("a"), routed("1"), awaited]
    journal = Journal().feed_all(record(i, "a", event) for i, event in enumerate(events))
    trail = journal.trails["1"]
    assert (trail.is_outcome_missing, trail.is_telling_unfinished) == (False, True)
    journal.feed(record(3, "a", approved))
    assert not trail.is_unsettled
    assert trail.lines == []


def test_a_return_that_an_operator_orders_is_a_reversal_to_be_finished():
    ordered = {"type": "return-ordered.v1", "rrn": "1"}
    journal = Journal().feed_all([record(0, "a", claim("a")), record(1, "a", ordered)])
    assert journal.trails["1"].is_reversal_unfinished


def test_what_was_declined_while_its_terminal_took_it_back_is_over():
    accepted = {"type": "reversal-accepted.v1", "rrn": "1", "upstream": True}
    declined = {"type": "payment-declined.v1", "rrn": "1", "answer": {"response_code": "96"}}
    events = [claim("a"), routed("1"), accepted]
    journal = Journal().feed_all(record(i, "a", event) for i, event in enumerate(events))
    trail = journal.trails["1"]
    assert trail.is_reversal_unfinished
    journal.feed(record(3, "a", declined))
    assert not trail.is_unsettled

import json

from switch.demo.tour_journal import describe, find_rrn, has_event, list_lines
from switch.eventlog.port import StoredRecord

REQUEST = {
    "idempotency_key": "k",
    "fingerprint": "f",
    "channel": "unionpay-pos",
    "acquirer": "a",
    "merchant_id": "m",
    "transaction": "sale",
    "received_at": 1,
    "start_before": 2,
    "deadline_at": 3,
    "terminal_id": "t1",
    "stan": "000007",
    "amount": {"minor": 1234, "currency": "156"},
}


def stored(offset, claim_id, *events):
    record = {
        "claim_id": claim_id,
        "at": 1,
        "watermark": 0,
        "registry_position": 0,
        "events": events,
    }
    return StoredRecord(offset, json.dumps(record).encode())


def claim(offset, claim_id):
    event = {"type": "partition-claimed.v1", "owner": "o", "claim_id": claim_id, "at": 1}
    return stored(offset, claim_id, event)


def requested(rrn, stan="000007"):
    request = {**REQUEST, "stan": stan}
    return {"type": "payment-requested.v1", "rrn": rrn, "request": request, "at": 1}


def timed_out(rrn):
    return {"type": "issuer-timed-out.v1", "rrn": rrn, "cause": "taken-over", "at": 1}


RECORDS = [
    claim(0, "c1"),
    stored(1, "c1", requested("r1")),
    stored(2, "c1", requested("r2", "000008")),
    claim(3, "c2"),
    stored(4, "c1", timed_out("r1")),
    stored(5, "c2", timed_out("r1")),
    claim(6, "c3"),
]


def test_the_events_of_a_payment_are_listed_with_void_marks_and_the_claims_between():
    lines = list_lines(1, RECORDS, "r1")
    assert [(line.offset, line.tag, line.is_void) for line in lines] == [
        (1, "payment-requested.v1", False),
        (3, "partition-claimed.v1", False),
        (4, "issuer-timed-out.v1", True),
        (5, "issuer-timed-out.v1", False),
    ]
    assert {line.partition for line in lines} == {1}
    assert lines[0].words == "12.34, STAN 000007"
    assert lines[-1].words == "taken-over"


def test_a_void_event_does_not_count_as_there():
    lines = list_lines(1, RECORDS[:5], "r1")
    assert has_event(lines, "payment-requested.v1")
    assert not has_event(lines, "issuer-timed-out.v1")


def test_a_payment_is_found_by_its_trace_number():
    assert find_rrn(RECORDS, "t1", "000008") == "r2"
    assert find_rrn(RECORDS, "t2", "000008") == ""
    assert find_rrn([stored(0, "c1", requested("r1"))], "t1", "000007") == ""  # void: no claim


def test_what_tells_events_apart_is_picked():
    answer = {"response_code": "94", "at": 1, "reason": "duplicate-conflict"}
    assert describe({"answer": answer}) == "answer 94 duplicate-conflict"
    assert describe({"attempt": 2}) == "attempt 2"
    assert describe({"terms": {"link": "l1"}, "upstream_stan": "000009"}) == "over l1, STAN 000009"
    assert describe({}) == ""

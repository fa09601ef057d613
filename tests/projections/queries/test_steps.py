import json
from typing import get_args

import msgspec

from projections.audit.events import TAGS
from projections.audit.events import apply as apply_record
from projections.position import Place
from projections.queries.steps import _DESCRIBERS, describe, describe_steps
from switch.domain.cases.events import CaseEvent
from switch.domain.payment.events import PaymentEvent
from switch.domain.payment.requests import Answer
from switch.eventlog.journal import decode_record


def test_every_event_has_its_words():
    assert set(_DESCRIBERS) == set(TAGS.values())


def test_an_event_of_another_program_is_shown_by_its_tag():
    assert describe("payment-teleported.v9", "{}").title == "payment-teleported.v9"


def test_every_generated_event_is_described(make_log):
    titles: dict[str, set[str]] = {}
    stored = make_log(2_000, partition_count=1).partitions["journal", 0].records
    for offset, value in stored:
        rows = apply_record(decode_record(value), Place(0, offset))
        for step in describe_steps(rows):
            assert step.title
            assert json.loads(bytes(step.detail))["type"] == step.tag
            titles.setdefault(step.tag, set()).add(step.title)
    kinds = (*get_args(PaymentEvent), *get_args(CaseEvent))
    assert {TAGS[kind] for kind in kinds} <= set(titles)
    assert titles["duplicate-conflicted.v1"] == {"same key, other content: refused"}


def test_what_decided_and_who_was_told():
    detail = {
        "answer": Answer(
            response_code="03", at=1, reason="merchant-config-incomplete", detail="fee_plan"
        )
    }
    words = describe("payment-declined.v1", msgspec.json.encode(detail).decode())
    assert words.rule == "merchant-config-incomplete: fee_plan"
    assert words.told_terminal == "03 merchant-config-incomplete (fee_plan)"
    assert describe("issuer-answered.v1", '{"response_code":"51","fault":"bad MAC"}').rule == (
        "not trusted: bad MAC"
    )
    bare = describe("payment-declined.v1", "{}")
    assert (bare.rule, bare.told_terminal) == ("", "")
    assert describe("payment-approved.v1", "{}").rule == ""
    assert describe("issuer-timed-out.v1", '{"cause":"timeout"}').rule == "timeout"


def test_what_people_did_to_a_case_is_told_with_their_names_and_reasons():
    detail = {"by": "anna", "text": "in the file", "resolution": "returned", "owner": "ben"}
    assert describe("case-noted.v1", json.dumps(detail)).rule == "in the file"
    assert describe("case-assigned.v1", json.dumps(detail)).title == "anna gives the case to ben"
    proposed = describe("case-resolution-proposed.v1", json.dumps(detail))
    assert proposed.title == "anna proposes returned; a second person must agree"
    second = detail | {"confirmed_by": "ben", "confirmed_text": "agreed"}
    resolved = describe("case-resolved.v1", json.dumps(second))
    assert resolved.title == "case resolved by anna and ben: returned"
    assert resolved.rule == "in the file; agreed"


def test_what_terminals_do_is_told_with_what_both_sides_counted():
    closed = {
        "batch": "000001",
        "next_batch": "000002",
        "totals": {"debit_minor": 1_000, "debit_count": 1},
        "claimed": {"credit_count": 2},
        "running_count": 1,
        "answer": {"response_code": "00", "at": 1},
    }
    words = describe("batch-closed.v1", json.dumps(closed))
    assert words.title == "batch 000001 closed: unbalanced"
    assert words.rule == (
        "counted 1 debits 1000, 0 credits 0; the terminal counts 0 debits 0, 2 credits 0;"
        " 1 still without an outcome; 000002 is open"
    )
    balanced = describe("batch-closed.v1", '{"batch":"000001","is_balanced":true}')
    assert balanced.rule == "counted 0 debits 0, 0 credits 0"
    asked = {"channel": "unionpay-pos", "mti": "0800", "network_code": "003", "stan": "000001"}
    words = describe("terminal-asked.v1", json.dumps({"request": asked | {"operation": "sign-on"}}))
    assert words.title == "terminal asks: sign-on (unionpay-pos 0800 003, STAN 000001)"
    signed_on = describe("terminal-signed-on.v1", '{"batch":"000001","key_version":2}')
    assert signed_on.rule == "batch 000001, working keys 2"
    assert describe("terminal-signed-on.v1", '{"batch":"000001"}').rule == "batch 000001, no keys"


def test_a_reversal_names_who_asked_for_it_and_what_was_answered():
    partner = json.dumps({"request": {"channel": "json", "transaction": "unknown"}})
    assert describe("reversal-requested.v1", partner).title == "partner asks to reverse it (json)"
    terminal = json.dumps({"request": {"mti": "0400", "terminal_id": "1", "reversal_reason": "98"}})
    asked = describe("reversal-requested.v1", terminal).title
    assert asked == "terminal takes it back (0400, reason 98)"
    answer = {"response_code": "25", "at": 1, "reason": "original-held"}
    refused = describe("reversal-accepted.v1", json.dumps({"answer": answer}))
    assert (refused.title, refused.rule) == ("reversal refused", "original-held")
    assert refused.told_terminal == "25 original-held"
    done = json.dumps({"answer": {"response_code": "00", "at": 1}, "upstream": True})
    assert describe("reversal-accepted.v1", done).title == "reversal answered"

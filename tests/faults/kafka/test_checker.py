"""The judge is judged first: it finds a sound run sound, and each thing that must not be."""

import pytest

from tests.faults.kafka.checker import find_backlog, read_ledger
from tests.faults.kafka.made_history import T0, Run, answer, claimed, requested
from tests.faults.kafka.story import Journal


@pytest.fixture
def run():
    return Run()


def test_a_sound_run_is_found_sound(run):
    run.sale("000001", 100)
    run.tell("000001", rrn="030000000001", kind="repeat")
    run.tell("000001", code="94", kind="conflict", minor=200)
    lost = run.route("000002", 200)
    run.debit(lost, 200)
    run.claim("c2")
    run.lose(lost)
    run.tell("000002", "98", lost, minor=200)
    run.reverse(lost, 200)
    run.finish(lost)
    refused = run.route("000003", 300)
    run.debit(refused, 300, outcome="declined", moved_minor=0)
    run.decline(refused)
    run.tell("000003", "51", refused, minor=300)
    unknown_there = run.route("000004", 400)
    run.lose(unknown_there)
    run.open_case(unknown_there)
    run.tell("000005", "96", minor=500, reason="log-unavailable")
    run.tell("000006", "", minor=500, mac_valid=None)
    assert run.judge() == []


def test_void_records_count_for_nothing_and_are_counted(run):
    rrn = run.route()
    run.claim("c2")
    run.append({"type": "payment-approved.v1", "rrn": rrn, "answer": answer("00")}, claim_id="c1")
    run.lose(rrn)
    run.finish(rrn)
    assert run.judge() == []
    journal = Journal(run.journal)
    assert journal.void_count(3) == 1
    assert journal.stories[rrn].state == "reversed"


def test_1_two_debits_of_one_rrn(run):
    rrn = run.sale()
    run.debit(rrn)
    assert (1, "debited-twice") in run.kinds()


def test_1_two_debits_of_one_key_under_two_rrns(run):
    first = run.sale()
    second = run.route()
    run.debit(second)
    run.approve(second)
    assert {(1, "debited-twice"), (1, "one-payment-two-debits"), (5, "key-decided-twice")} <= (
        run.kinds()
    )
    assert first != second


def test_1_a_debit_whose_route_is_void_beside_a_valid_one(run):
    run.claim("c2")
    run.append(requested("030000000009", "000001", 100), claim_id="c1")
    run.debit("030000000009")
    run.sale()
    assert {(1, "debited-twice"), (4, "debit-without-route")} <= run.kinds()


def test_1_an_ignored_debit_is_none(run):
    rrn = run.sale()
    run.debit(rrn, outcome="ignored", moved_minor=0)
    assert run.judge() == []


def test_2_an_approval_that_is_not_in_the_journal(run):
    rrn = run.route()
    run.debit(rrn)
    run.tell(rrn=rrn)
    run.lose(rrn)
    run.reverse(rrn)
    run.finish(rrn)
    assert run.kinds() == {(2, "approval-not-in-journal")}


def test_2_an_approval_that_only_a_void_record_knows(run):
    rrn = run.route()
    run.claim("c2")
    run.approve(rrn, claim_id="c1")
    run.tell(rrn=rrn)
    run.lose(rrn)
    run.finish(rrn)
    assert run.kinds() == {(2, "approval-not-in-journal")}


@pytest.mark.parametrize(
    "told", [{"minor": 200}, {"authorization_id": "999999"}, {"stan": "000077"}]
)
def test_2_an_approval_of_other_content(run, told):
    rrn = run.route()
    run.debit(rrn)
    run.approve(rrn)
    run.tell(**{"stan": "000001", "rrn": rrn} | told)
    assert (2, "approval-of-other-content") in run.kinds()


def test_2_a_wrong_mac(run):
    rrn = run.route()
    run.debit(rrn)
    run.approve(rrn)
    run.tell(rrn=rrn, mac_valid=False)
    assert run.kinds() == {(2, "wrong-mac")}


def test_3_a_debit_that_the_journal_declined(run):
    rrn = run.route()
    run.debit(rrn)
    run.decline(rrn)
    run.tell("000001", "51", rrn)
    assert {(3, "money-elsewhere"), (3, "declined-but-debited")} == run.kinds()


def test_3_an_approval_without_a_debit(run):
    rrn = run.route()
    run.approve(rrn)
    assert run.kinds() == {(3, "approval-without-debit")}


def test_3_a_debit_after_its_reversal(run):
    rrn = run.route()
    run.lose(rrn)
    run.reverse(rrn, moved_minor=0, outcome="unknown")
    run.finish(rrn)
    run.debit(rrn)
    assert {(3, "debit-after-its-reversal"), (3, "money-elsewhere")} == run.kinds()


def test_3_a_debit_after_its_reversal_that_is_reversed_again_is_still_found(run):
    rrn = run.route()
    run.lose(rrn)
    run.reverse(rrn, moved_minor=0, outcome="unknown")
    run.debit(rrn)
    run.reverse(rrn)
    run.finish(rrn)
    assert run.kinds() == {(3, "debit-after-its-reversal")}


def test_3_a_reversal_that_nobody_decided(run):
    rrn = run.sale()
    run.reverse(rrn)
    assert {(3, "reversal-without-intent"), (3, "approval-without-debit")} == run.kinds()


def test_3_a_terminal_that_took_its_payment_back_and_is_debited(run):
    run.sale()
    run.tell(kind="reversal")
    assert run.kinds() == {(3, "reversed-but-debited")}


def test_3_a_debit_that_is_in_no_journal(run):
    run.debit("030000000042")
    assert {(3, "debit-of-nobody"), (4, "debit-without-route")} == run.kinds()


def test_4_a_debit_before_its_route(run):
    rrn = run.route(at=T0 + 60_000)
    run.debit(rrn)
    run.approve(rrn)
    assert run.kinds() == {(4, "debit-before-route")}


def test_4_a_debit_of_another_amount(run):
    rrn = run.route()
    run.debit(rrn, 900)
    run.approve(rrn)
    assert (4, "debit-of-other-amount") in run.kinds()


def test_4_an_event_of_a_payment_that_nobody_asked_for(run):
    run.approve("030000000009")
    assert run.kinds() == {(4, "event-without-payment")}


def test_4_a_request_without_an_inbound_record(run):
    rrn = "030000000001"
    run.append(requested(rrn, "000001", 100), inbound_offset=5)
    run.decline(rrn)
    assert run.kinds() == {(4, "request-without-inbound")}


def test_4_a_request_of_another_inbound_record(run):
    run.receive("000077")
    rrn = "030000000001"
    run.append(requested(rrn, "000001", 100), inbound_offset=0)
    run.decline(rrn)
    assert run.kinds() == {(4, "request-of-other-inbound")}


def test_4_payments_of_a_terminal_decided_in_another_order_than_they_came(run):
    first, second = run.receive("000001"), run.receive("000002")
    for stan, offset in (("000002", second), ("000001", first)):
        rrn = f"03{len(run.journal):010d}"
        run.append(requested(rrn, stan, 100), inbound_offset=offset)
        run.decline(rrn)
    assert run.kinds() == {(4, "decided-out-of-order")}


def test_4_an_inbound_record_that_was_decided_twice(run):
    run.receive()
    for number, stan in enumerate(("000001", "000002"), 1):
        rrn = f"03{number:010d}"
        run.append(requested(rrn, stan, 100), inbound_offset=0)
        run.append({"type": "payment-declined.v1", "rrn": rrn, "answer": answer("51")})
    assert (4, "inbound-decided-twice") in run.kinds()


def test_4_a_claim_under_an_id_that_was_used_before(run):
    run.claim("c2")
    run.claim("c1")
    assert run.kinds() == {(4, "claim-rule-broken")}


def test_4_a_claim_written_under_another_id(run):
    run.append(claimed("c3"), claim_id="c1")
    assert (4, "claim-rule-broken") in run.kinds()


def test_4_a_parked_record(run):
    run.append({"type": "inbound-parked.v1", "inbound_offset": 0})
    assert run.kinds() == {(4, "undecidable")}


def test_5_a_conflict_that_was_approved(run):
    rrn = run.sale()
    run.tell(rrn=rrn, kind="conflict", minor=200)
    assert run.kinds() == {(5, "conflict-approved")}


def test_5_a_repeat_that_was_told_something_else(run):
    rrn = run.route()
    run.debit(rrn, outcome="declined", moved_minor=0)
    run.decline(rrn)
    run.tell(code="51", rrn=rrn)
    run.tell(code="55", rrn=rrn, kind="repeat")
    assert run.kinds() == {(5, "repeat-told-otherwise")}


def test_6_a_debit_for_a_merchant_that_is_not_active(run):
    run.merchant("suspended")
    run.sale()
    assert run.kinds() == {(6, "debit-for-inactive-merchant")}


def test_6_a_decision_that_knew_no_better(run):
    run.sale()
    run.merchant("suspended")
    assert run.judge() == []


@pytest.mark.parametrize("is_lost", [False, True])
def test_8_a_payment_that_never_ends(run, is_lost):
    rrn = run.route()
    if is_lost:
        run.lose(rrn)
    assert run.kinds() == {(8, "unfinished")}


def test_8_what_was_declined_while_it_was_to_be_taken_back_is_over(run):
    rrn = run.route()
    run.append({"type": "reversal-accepted.v1", "rrn": rrn, "upstream": True})
    run.decline(rrn, "96")
    run.tell(kind="reversal")
    assert run.judge() == []
    run.debit(rrn)
    assert (3, "money-elsewhere") in run.kinds()


def test_8_what_was_called_not_sent_and_is_in_the_log(run):
    run.sale()
    run.exchanges.clear()
    run.tell(code="96", reason="log-unavailable")
    assert {(8, "not-sent-but-handed-over"), (3, "declined-but-debited")} == run.kinds()


def test_8_a_repeat_after_it_was_not_sent_is_another_message(run):
    run.tell(code="96", reason="log-unavailable")
    run.sale()
    assert run.judge() == []


def test_12_an_inbound_record_that_nobody_decided(run):
    run.sale()
    run.receive("000002")
    assert run.kinds() == {(12, "not-drained")}
    assert find_backlog({3: 2}, {3: 1}) == ["partition 3: decided up to 1 of 2"]


def test_a_torn_last_line_of_the_ledger_is_left_out(tmp_path):
    path = tmp_path / "ledger.jsonl"
    assert read_ledger(path) == []
    path.write_bytes(b'{"op": "debit"}\n{"op": "rev')
    assert read_ledger(path) == [{"op": "debit"}]

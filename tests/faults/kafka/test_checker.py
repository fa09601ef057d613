"""The judge is judged first: it finds a sound run sound, and each thing that must not be."""

import json

import pytest

from tests.faults.kafka.checker import Evidence, find_backlog, judge, read_ledger
from tests.faults.kafka.memory import Exchange
from tests.faults.kafka.raw_topics import RawRecord
from tests.faults.kafka.story import Journal

MERCHANT, TERMINAL = "898110154115000", "90000000"
T0 = 1_800_000_000_000


def key_of(stan):
    return f"00000001|{MERCHANT}|{TERMINAL}|000001|{stan}|payment"


class Run:
    """A hand-made run of one partition; what a test leaves out or adds is what is wrong with it."""

    def __init__(self):
        self.journal, self.inbound, self.registry = [], [], []
        self.ledger, self.exchanges = [], []
        self.claim_id = ""
        self.registry_append("r1", claimed("r1"))
        self.merchant("activated")
        self.claim("c1")

    # -- the logs

    def registry_append(self, claim_id, *events):
        content = {"claim_id": claim_id, "at": T0, "actor": "x", "events": events}
        value = json.dumps(content).encode()
        self.registry.append(RawRecord("registry", 0, len(self.registry), value))

    def merchant(self, status):
        merchant = {"merchant_id": MERCHANT, "status": status}
        self.registry_append("r1", {"type": "merchant-changed.v1", "merchant": merchant})

    def append(self, *events, claim_id=None, inbound_offset=-1, at=None, **more):
        content = {
            "claim_id": self.claim_id if claim_id is None else claim_id,
            "at": T0 + len(self.journal) if at is None else at,
            "watermark": len(self.inbound),
            "registry_position": len(self.registry),
            "events": events,
            "inbound_offset": inbound_offset,
            "inbound_id": f"01.a-{inbound_offset}" if inbound_offset >= 0 else "",
        }
        value = json.dumps(content | more).encode()
        self.journal.append(RawRecord("journal", 3, len(self.journal), value))

    def claim(self, claim_id):
        self.claim_id = claim_id
        self.append(claimed(claim_id))

    def receive(self, stan="000001", mti="0200"):
        fields = {"terminal_id": TERMINAL, "stan": stan}
        offset = len(self.inbound)
        content = {"inbound_id": f"01.a-{offset}", "mti": mti, "fields": fields}
        self.inbound.append(RawRecord("inbound", 3, offset, json.dumps(content).encode()))
        return offset

    # -- one payment

    def route(self, stan="000001", minor=100, **more):
        """Take a request and route it; return its RRN."""
        rrn = f"03{len(self.journal):010d}"
        self.append(
            requested(rrn, stan, minor),
            {"type": "payment-routed.v1", "rrn": rrn},
            inbound_offset=self.receive(stan),
            **more,
        )
        return rrn

    def debit(self, rrn, minor=100, **more):
        line = {"op": "debit", "outcome": "approved", "amount_minor": minor, "moved_minor": minor}
        self.tell_issuer(line | {"rrn": rrn} | more)

    def reverse(self, rrn, minor=100, **more):
        line = {"op": "reversal", "outcome": "reversed", "amount_minor": minor}
        self.tell_issuer(line | {"rrn": rrn, "moved_minor": -minor} | more)

    def tell_issuer(self, line):
        known = {"at": T0 + 1_000 + len(self.ledger), "stan": "000009", "terminal_id": TERMINAL}
        self.ledger.append(known | line)

    def approve(self, rrn, **more):
        self.append(
            {
                "type": "payment-approved.v1",
                "rrn": rrn,
                "answer": answer("00"),
                "line": {"gross_minor": 100, "fee_minor": 1},
            },
            **more,
        )

    def decline(self, rrn, code="51"):
        self.append({"type": "payment-declined.v1", "rrn": rrn, "answer": answer(code)})

    def lose(self, rrn):
        self.append({"type": "outcome-unknown.v1", "rrn": rrn, "answer": answer("98")})

    def finish(self, rrn):
        self.append({"type": "payment-reversed.v1", "rrn": rrn})

    def open_case(self, rrn, kind="reversal-not-found"):
        event = {"type": "case-opened.v1", "case_id": f"{kind}-{rrn}", "kind": kind, "rrn": rrn}
        self.append(event)

    def tell(self, stan="000001", code="00", rrn="", kind="sale", minor=100, **more):
        authorization_id = "123456" if code == "00" else ""
        self.exchanges.append(
            Exchange(
                kind=kind,
                acquirer="00000001",
                merchant_id=MERCHANT,
                terminal_id=TERMINAL,
                batch="000001",
                stan=stan,
                amount_minor=minor,
                sent_at=T0,
                ended_at=T0 + 9,
                code=code,
                rrn=rrn,
                **{"authorization_id": authorization_id, "mac_valid": True} | more,
            )
        )

    def sale(self, stan="000001", minor=100):
        """A whole sale: received, routed, debited, approved, told."""
        rrn = self.route(stan, minor)
        self.debit(rrn, minor)
        self.approve(rrn)
        self.tell(stan, rrn=rrn, minor=minor)
        return rrn

    def judge(self):
        records = [*self.journal, *self.inbound, *self.registry]
        return judge(Evidence(records, self.ledger, self.exchanges))

    def kinds(self):
        return {(found.invariant, found.kind) for found in self.judge()}


def claimed(claim_id):
    return {"type": "partition-claimed.v1", "owner": "h", "claim_id": claim_id, "at": T0}


def requested(rrn, stan, minor):
    request = {
        "idempotency_key": key_of(stan),
        "merchant_id": MERCHANT,
        "terminal_id": TERMINAL,
        "stan": stan,
        "amount": {"minor": minor, "currency": "156"},
    }
    return {"type": "payment-requested.v1", "rrn": rrn, "request": request, "at": T0}


def answer(code):
    return {"response_code": code, "at": T0} | (
        {"authorization_id": "123456"} if code == "00" else {}
    )


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

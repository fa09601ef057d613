from switch.demo.issuer_book import LedgerLine
from switch.demo.tour_ledger import NO_DEBIT, ONE_DEBIT
from switch.demo.tour_stage import StepNotes
from switch.domain.payment.events import IssuerTimedOut
from switch.terminal.orders import SaleOrder

RRN = "010000000001"
ORDER = SaleOrder(amount_minor=1234, pan="6200000000000005", expiration_date="3012")
DEBIT = LedgerLine(op="debit", outcome="approved", at=1, rrn=RRN, amount_minor=1234, currency="156")


def make_notes():
    return StepNotes(1, "t", "t", ONE_DEBIT)


def test_the_verdict_is_the_ledgers_whatever_the_terminal_was_told(stand, scripted_switch):
    scripted_switch.codes = ["00"]
    notes = make_notes()
    notes.hear(stand.stage.terminal.sell(ORDER))
    step = stand.stage.report(notes)
    assert step.rrn == RRN
    assert step.verdict == NO_DEBIT
    assert not step.is_good
    stand.book(DEBIT)
    assert stand.stage.report(notes).is_good
    assert "交易成功" in step.receipt
    stand.book(DEBIT)
    assert stand.stage.report(notes).verdict == "2 debits"


def test_a_step_that_never_learned_its_rrn_is_not_good(stand):
    step = stand.stage.report(make_notes())
    assert not step.is_good
    assert "no RRN was learned" in step.complaints[0]


def test_a_debit_is_awaited_by_its_amount_and_never_taken_for_an_earlier_one(stand):
    stand.book(DEBIT)
    assert stand.stage.wait_debit(1234) == RRN
    stand.stage.rrns.append(RRN)
    second = LedgerLine(op="debit", outcome="silent", at=2, rrn="010000000009", amount_minor=1234)
    stand.book(second)
    assert stand.stage.wait_debit(1234) == "010000000009"


def test_events_are_awaited_in_the_journal(stand):
    stand.record(IssuerTimedOut(rrn=RRN, cause="timeout", at=1), claim_id="stray")
    assert not stand.stage.wait_event(RRN, "issuer-timed-out.v1", within_s=0)
    stand.record(IssuerTimedOut(rrn=RRN, cause="timeout", at=1))
    assert stand.stage.wait_event(RRN, "issuer-timed-out.v1", within_s=0)
    assert [line.is_void for line in stand.stage.list_journal(RRN)] == [True, False]


def test_a_payment_that_is_nowhere_is_not_found(stand):
    assert stand.stage.find_rrn_of_last_payment() == ""
    assert stand.stage.list_journal("") == []
    assert stand.stage.read_ledger() == []

import pytest
from msgspec.structs import replace

from switch.domain.card import Card
from switch.domain.cases.commands import CaseCommand, CommandKind
from switch.domain.cases.events import (
    CaseAssigned,
    CaseClosed,
    CaseNoted,
    CaseResolved,
    Resolution,
)
from switch.domain.cases.rules import CaseRules
from switch.domain.cases.state import CaseState
from switch.domain.money import Money
from switch.domain.payment.events import CaseOpened
from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.transactions import TransactionType
from switch.eventlog.journal import InboundParked
from switch.handlers.case_shelf import CaseShelf

AT = 1_700_000_000_000
RRN = "010000000042"
RULES = CaseRules(open_after_ms=1_000, memory_ms=10_000)


def make_payment(phase=Phase.APPROVED, rrn=RRN, **changes):
    request = PaymentRequest(
        idempotency_key="k",
        fingerprint="f",
        channel="json",
        acquirer="demo",
        merchant_id="m",
        transaction=TransactionType.SALE,
        received_at=AT,
        start_before=AT,
        deadline_at=AT,
        amount=Money(500, "156"),
        card=Card(
            token="t",
            token_key_id="k1",
            masked_pan="620000******0005",
            bin="62000000",
            sealed_pan=b"",
            seal_key_id="s1",
            seal_id="1",
        ),
    )
    return replace(Payment(rrn=rrn, request=request, opened_at=AT, phase=phase), **changes)


def opened(kind="not-served", at=AT, **changes):
    return CaseOpened(case_id=f"{kind}-{RRN}", kind=kind, at=at, rrn=RRN, **changes)


def resolved(case_id=f"not-served-{RRN}", at=AT, command_id="r"):
    return CaseResolved(
        case_id=case_id,
        by="anna",
        at=at,
        resolution=Resolution.STANDS,
        text="t",
        command_id=command_id,
        rrn=RRN,
    )


@pytest.fixture
def shelf():
    return CaseShelf(1, RULES)


def take(shelf, *events, at=AT, payment=None):
    shelf.apply(events, at, lambda _: payment)


def test_a_case_is_about_the_amount_that_was_approved(shelf):
    approved = Answer(response_code="10", at=AT, amount=Money(300, "156"))
    take(shelf, opened(), payment=make_payment(answer=approved))
    assert shelf.find(f"not-served-{RRN}").amount == Money(300, "156")
    take(shelf, opened("reversal-mismatch"), payment=make_payment(Phase.ROUTED))
    assert shelf.find(f"reversal-mismatch-{RRN}").amount == Money(500, "156")


def test_an_open_case_keeps_its_payment_and_the_last_to_end_lets_it_go(shelf):
    take(shelf, opened(), opened("reversal-mismatch"))
    assert (shelf.has_open(RRN), len(shelf)) == (True, 2)
    take(shelf, resolved())
    assert (shelf.has_open(RRN), len(shelf)) == (True, 1)
    take(shelf, CaseClosed(case_id=f"reversal-mismatch-{RRN}", at=AT, cause="settled", rrn=RRN))
    assert (shelf.has_open(RRN), len(shelf)) == (False, 0)


def test_the_same_finding_made_again_leaves_an_open_case_and_takes_up_an_ended_one(shelf):
    take(shelf, opened())
    assigned = CaseAssigned(case_id=f"not-served-{RRN}", by="a", at=AT, owner="b", command_id="1")
    take(shelf, assigned)
    take(shelf, opened(at=AT + 1))
    assert shelf.find(f"not-served-{RRN}").owner == "b"
    take(shelf, resolved())
    take(shelf, opened(at=AT + 2))
    case = shelf.find(f"not-served-{RRN}")
    assert (case.state, case.owner, case.opened_at) == (CaseState.OPEN, "", AT + 2)
    assert len(shelf) == 1


def test_an_ended_case_is_no_longer_changed_and_is_forgotten_in_its_time(shelf):
    take(shelf, opened())
    take(shelf, resolved())
    noted = CaseNoted(case_id=f"not-served-{RRN}", by="a", at=AT, text="t", command_id="n")
    take(shelf, noted)
    take(shelf, resolved(at=AT + 5, command_id="r-2"))
    assert shelf.find(f"not-served-{RRN}").ended_at == AT
    take(shelf, opened("reversal-mismatch"), at=AT + RULES.memory_ms)
    assert shelf.find(f"not-served-{RRN}") is None
    assert len(shelf) == 1


def test_an_event_of_a_case_that_is_long_forgotten_is_nothing(shelf):
    take(shelf, resolved())
    assert len(shelf) == 0


def test_a_parked_record_is_a_case_of_its_partition(shelf):
    take(shelf, InboundParked(inbound_offset=7, inbound_id="g-1", fault="KeyError", at=AT))
    case = shelf.find("inbound-parked-01-7")
    assert (case.kind, case.rrn, case.amount) == ("inbound-parked", "", None)


def test_a_command_is_remembered_for_its_time(shelf):
    take(shelf, opened())
    take(shelf, resolved())
    asked = CaseCommand(kind=CommandKind.RESOLVE, command_id="r", by="anna", at=AT + 1)
    assert shelf.find_command(asked) is not None
    assert shelf.find_command(replace(asked, by="ben")) is None
    assert shelf.find_command(replace(asked, at=AT + RULES.memory_ms)) is None
    take(shelf, opened("reversal-mismatch"), at=AT + RULES.memory_ms)
    assert shelf.find_command(asked) is None


# -- outcomes that are awaited ---------------------------------------------------------------------


def begin(shelf, rrn=RRN, at=AT):
    shelf.note_change(make_payment(Phase.ROUTED, rrn), make_payment(Phase.REVERSING, rrn), at)


def end(shelf, rrn=RRN, at=AT):
    shelf.note_change(make_payment(Phase.REVERSING, rrn), make_payment(Phase.REVERSED, rrn), at)


def test_an_outcome_is_overdue_after_its_time_the_longest_wait_first(shelf):
    begin(shelf, "010000000001", AT)
    begin(shelf, "010000000002", AT + 300)
    assert shelf.find_overdue(AT + 999) == ""
    assert shelf.find_overdue(AT + 1_000) == "010000000001"
    end(shelf, "010000000001")
    assert shelf.find_overdue(AT + 1_000) == ""
    assert shelf.find_overdue(AT + 1_300) == "010000000002"


def test_what_ends_in_the_middle_is_not_found_later(shelf):
    for number in range(5):
        begin(shelf, f"01000000000{number}", AT + number)
    for number in (2, 4, 0, 3):
        end(shelf, f"01000000000{number}")
    assert shelf.find_overdue(AT + 9_999) == "010000000001"
    end(shelf, "010000000001")
    assert shelf.find_overdue(AT + 9_999) == ""
    assert not shelf._oldest


def test_a_change_that_leaves_the_issuer_waiting_does_not_begin_anew(shelf):
    begin(shelf)
    repeating = make_payment(Phase.REPEATING)
    shelf.note_change(make_payment(Phase.REVERSING), repeating, AT + 900)
    assert shelf.find_overdue(AT + 1_000) == RRN


def test_a_case_is_opened_once_and_settled_when_the_answer_comes(shelf):
    begin(shelf)
    take(shelf, opened("outcome-open", at=AT + 1_000))
    assert shelf.find_overdue(AT + 9_999) == ""
    assert shelf.list_settled(9) == []
    end(shelf)
    [case] = shelf.list_settled(9)
    assert case.case_id == f"outcome-open-{RRN}"
    take(shelf, CaseClosed(case_id=case.case_id, at=AT, cause="settled", rrn=RRN))
    assert shelf.list_settled(9) == []


def test_a_late_approval_is_settled_when_the_debit_is_back(shelf):
    begin(shelf)
    take(shelf, opened("late-approval"))
    assert shelf.list_settled(9) == []
    end(shelf)
    assert [case.case_id for case in shelf.list_settled(9)] == [f"late-approval-{RRN}"]


def test_a_late_approval_of_what_is_back_waits_for_a_person(shelf):
    begin(shelf)
    end(shelf)
    take(shelf, opened("late-approval"))
    assert shelf.list_settled(9) == []


def test_a_case_that_a_person_settled_first_is_not_closed_again(shelf):
    begin(shelf)
    take(shelf, opened("outcome-open"))
    take(shelf, resolved(f"outcome-open-{RRN}"))
    end(shelf)
    assert shelf.list_settled(9) == []


def test_a_payment_that_is_asked_about_again_keeps_its_open_case(shelf):
    begin(shelf)
    take(shelf, opened("outcome-open"))
    end(shelf)
    begin(shelf, at=AT + 5)
    assert shelf.list_settled(9) == []
    assert shelf.find_overdue(AT + 9_999) == ""


def test_a_case_about_no_payment_ends_like_any_other(shelf):
    take(shelf, InboundParked(inbound_offset=7, inbound_id="g-1", fault="KeyError", at=AT))
    take(shelf, replace(resolved("inbound-parked-01-7"), rrn=""))
    assert shelf.find("inbound-parked-01-7").state is CaseState.RESOLVED
    assert len(shelf) == 0

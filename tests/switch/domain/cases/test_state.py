from switch.domain.cases.events import CaseNoted
from switch.domain.cases.state import (
    CaseState,
    evolve,
    outcome_case_id,
    parked_case_id,
    start_case,
)
from switch.domain.money import Money
from switch.domain.payment.events import CaseOpened

OPENED = CaseOpened(case_id="c", kind="k", at=1, rrn="010000000042")


def test_a_case_is_about_what_its_opening_says_else_its_payment():
    assert start_case(OPENED, Money(5, "156")).amount == Money(5, "156")
    own = CaseOpened(case_id="c", kind="k", at=1, amount=Money(7, "156"))
    assert start_case(own, Money(5, "156")).amount == Money(7, "156")
    assert start_case(OPENED, None).amount is None


def test_a_note_leaves_the_case_as_it_is():
    case = start_case(OPENED, None)
    assert evolve(case, CaseNoted(case_id="c", by="a", at=2, text="t", command_id="1")) is case


def test_only_people_and_time_end_a_case():
    ended = {state for state in CaseState if state in {CaseState.RESOLVED, CaseState.CLOSED}}
    for state in CaseState:
        case = start_case(OPENED, None)
        assert type(case)(case_id="c", kind="k", opened_at=1, state=state).is_ended == (
            state in ended
        )


def test_a_case_is_found_by_a_name_that_anybody_can_work_out():
    assert outcome_case_id("010000000042") == "outcome-open-010000000042"
    assert parked_case_id(3, 77) == "inbound-parked-03-77"
    assert parked_case_id(3, 77, "ab") == parked_case_id(3, 78, "ab") == "inbound-parked-03-ab"

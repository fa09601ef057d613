import pytest
from msgspec.structs import replace

from switch.domain.cases.commands import LOCAL_OPERATOR, CaseCommand, CommandKind, read_command
from switch.domain.cases.decide import (
    OTHER_CASE,
    SETTLED,
    Refusal,
    Refused,
    decide_command,
    decide_overdue,
    decide_settled,
)
from switch.domain.cases.events import (
    CaseAssigned,
    CaseClosed,
    CaseNoted,
    CaseResolutionProposed,
    CaseResolved,
    Resolution,
)
from switch.domain.cases.rules import CaseRules
from switch.domain.cases.state import CaseState, evolve
from switch.domain.money import Money
from switch.domain.payment.events import CaseOpened, PaymentReversed, ReturnOrdered
from switch.domain.payment.payment import Phase
from switch.domain.payment.rules import DecisionRules

RULES = DecisionRules(cases=CaseRules(second_person_over_minor=10_000))
LARGE = Money(10_001, "156")
AT = 1_700_000_000_000
R = Resolution


def decide(command, case, payment=None, original=None):
    return decide_command(command, case, payment, original, RULES)


def claim(**changes):
    command = CaseCommand(
        kind=CommandKind.OPEN,
        command_id="o-1",
        by="anna",
        at=AT,
        text="no goods",
        rrn="010000000042",
        amount=Money(77, "156"),
        acquirer="told",
        merchant_id="told",
    )
    return replace(command, **changes)


def act(kind, **changes):
    command = CaseCommand(
        kind=kind, command_id="c-1", by="anna", at=AT, case_id="not-served-010000000042"
    )
    return replace(command, **changes)


# -- opening -------------------------------------------------------------------------------------


def test_a_claim_takes_its_payment_from_memory_and_notes_who_made_it(make_payment):
    opened, noted = decide(claim(), None, make_payment())
    assert isinstance(opened, CaseOpened)
    assert (opened.case_id, opened.kind) == ("not-served-010000000042", "not-served")
    assert (opened.acquirer, opened.merchant_id, opened.terminal_id) == (
        "demo",
        "898110154110001",
        "00000001",
    )
    assert opened.amount is None  # its payment says it
    assert isinstance(noted, CaseNoted)
    assert (noted.by, noted.text, noted.command_id) == ("anna", "no goods", "o-1")


def test_a_claim_about_a_forgotten_payment_believes_who_asks():
    opened, _ = decide(claim(), None)
    assert (opened.merchant_id, opened.amount) == ("told", Money(77, "156"))


def test_a_claim_that_is_open_is_not_opened_twice(case):
    refused = decide(claim(), case)
    assert refused.refusal is Refusal.ALREADY_OPEN
    ended = replace(case, state=CaseState.RESOLVED)
    assert isinstance(decide(claim(), ended)[0], CaseOpened)


# -- notes and owners ----------------------------------------------------------------------------


def test_a_note_is_taken_whatever_has_become_of_the_case(case):
    for state in CaseState:
        [noted] = decide(act(CommandKind.NOTE, text="hello"), replace(case, state=state))
        assert isinstance(noted, CaseNoted)
        assert (noted.text, noted.rrn) == ("hello", case.rrn)


def test_a_case_is_given_to_somebody(case):
    [assigned] = decide(act(CommandKind.ASSIGN, owner="ben"), case)
    assert isinstance(assigned, CaseAssigned)
    assert evolve(case, assigned).owner == "ben"


@pytest.mark.parametrize("kind", [CommandKind.NOTE, CommandKind.ASSIGN, CommandKind.RESOLVE])
def test_what_nobody_knows_cannot_be_worked_on(kind):
    refused = decide(act(kind, resolution=R.NO_ACTION), None)
    assert refused.refusal is Refusal.NOT_FOUND


@pytest.mark.parametrize("kind", [CommandKind.ASSIGN, CommandKind.RESOLVE])
def test_a_case_that_has_ended_says_by_whom(case, kind):
    ended = replace(
        case,
        state=CaseState.RESOLVED,
        resolution=R.STANDS,
        resolved_by="anna",
        confirmed_by="ben",
    )
    refused = decide(act(kind, resolution=R.NO_ACTION), ended)
    assert refused == Refused(Refusal.ENDED, "The case is resolved: stands, by anna and ben.")
    closed = replace(case, state=CaseState.CLOSED)
    assert decide(act(kind, resolution=R.NO_ACTION), closed).detail == "The case is closed."


# -- resolving -----------------------------------------------------------------------------------


def test_one_person_settles_a_case_up_to_the_amount(case, resolve, make_payment):
    resolved, ordered = decide(resolve(R.RETURN_MONEY), case, make_payment())
    assert isinstance(resolved, CaseResolved)
    assert (resolved.by, resolved.confirmed_by) == ("anna", "")
    assert isinstance(ordered, ReturnOrdered)
    [alone] = decide(resolve(R.NO_ACTION, by=LOCAL_OPERATOR), case, make_payment())
    assert alone.by == LOCAL_OPERATOR


def test_above_the_amount_the_second_person_settles_it(case, resolve, make_payment):
    large, payment = replace(case, amount=LARGE), make_payment(Phase.CASE)
    [proposed] = decide(resolve(R.RETURNED), large, payment)
    assert isinstance(proposed, CaseResolutionProposed)
    waiting = evolve(large, proposed)
    assert waiting.state is CaseState.PROPOSED
    second = resolve(R.RETURNED, by="ben", text="seen", command_id="r-2")
    resolved, reversed_ = decide(second, waiting, payment)
    assert isinstance(resolved, CaseResolved)
    assert (resolved.by, resolved.text) == ("anna", "looked at the slip")
    assert (resolved.confirmed_by, resolved.confirmed_text) == ("ben", "seen")
    assert isinstance(reversed_, PaymentReversed)
    ended = evolve(waiting, resolved)
    assert (ended.state, ended.proposal) == (CaseState.RESOLVED, None)
    assert ended.is_ended


def test_the_same_person_twice_is_one_person(case, resolve, make_payment):
    large = replace(case, amount=LARGE)
    waiting = evolve(large, decide(resolve(R.STANDS), large, make_payment(Phase.CASE))[0])
    refused = decide(resolve(R.STANDS, command_id="r-2"), waiting, make_payment(Phase.CASE))
    assert refused.refusal is Refusal.SECOND_PERSON_NEEDED
    assert "anna" in refused.detail


def test_another_opinion_is_a_new_proposal_and_waits_again(case, resolve, make_payment):
    large, payment = replace(case, amount=LARGE), make_payment(Phase.CASE)
    waiting = evolve(large, decide(resolve(R.STANDS), large, payment)[0])
    [other] = decide(resolve(R.RETURNED, by="ben"), waiting, payment)
    assert isinstance(other, CaseResolutionProposed)
    waiting = evolve(waiting, other)
    assert waiting.proposal is not None
    assert (waiting.proposal.by, waiting.proposal.resolution) == ("ben", R.RETURNED)
    resolved = decide(resolve(R.RETURNED, by="anna", command_id="r-3"), waiting, payment)[0]
    assert (resolved.by, resolved.confirmed_by) == ("ben", "anna")


def test_the_token_of_the_machine_is_no_person(case, resolve):
    large = replace(case, amount=LARGE)
    refused = decide(resolve(by=LOCAL_OPERATOR), large)
    assert refused.refusal is Refusal.NAMED_OPERATOR_NEEDED


def test_what_cannot_be_done_is_not_even_proposed(case, resolve, make_payment):
    large = replace(case, amount=LARGE)
    refused = decide(resolve(R.RETURN_MONEY), large, make_payment(Phase.DECLINED))
    assert refused.refusal is Refusal.NOT_POSSIBLE


def test_a_case_of_an_amount_that_nobody_knows_takes_one_person(case, resolve):
    [resolved] = decide(resolve(), replace(case, amount=None, rrn=""))
    assert isinstance(resolved, CaseResolved)


# -- what time does ------------------------------------------------------------------------------


def test_an_issuer_that_does_not_answer_is_a_case_that_says_what_was_tried(make_payment):
    [opened] = decide_overdue(make_payment(Phase.REVERSING, reversal_attempt_count=7), AT)
    assert (opened.kind, opened.case_id) == ("outcome-open", "outcome-open-010000000042")
    assert opened.detail.startswith("bank was asked 7 times to give it back")
    [opened] = decide_overdue(make_payment(Phase.REPEATING, repeat_attempt_count=3), AT)
    assert opened.detail.startswith("bank was told 3 times")


def test_an_answer_closes_the_case_and_another_case_takes_its_place(case, make_payment):
    [closed] = decide_settled(case, make_payment(Phase.REVERSED), AT)
    assert isinstance(closed, CaseClosed)
    assert closed.cause == SETTLED
    assert evolve(case, closed).state is CaseState.CLOSED
    assert decide_settled(case, make_payment(Phase.CASE), AT)[0].cause == OTHER_CASE


# -- what was decided can be decided again ---------------------------------------------------------


def test_a_record_of_each_command_gives_the_command_back(case, resolve, make_payment):
    large, payment = replace(case, amount=LARGE), make_payment(Phase.CASE)
    proposed = decide(resolve(R.RETURNED), large, payment)
    waiting = evolve(large, proposed[0])
    steps = [
        (claim(), None, payment),
        (act(CommandKind.NOTE, text="n"), case, None),
        (act(CommandKind.ASSIGN, owner="ben", text="t"), case, None),
        (resolve(R.RETURN_MONEY), case, payment),
        (resolve(R.RETURNED), large, payment),
        (resolve(R.RETURNED, by="ben", text="seen", command_id="r-2"), waiting, payment),
    ]
    for command, before, about in steps:
        events = decide(command, before, about)
        again = read_command(events)
        assert again is not None
        assert (again.key, again.content, again.at) == (command.key, command.content, command.at)
        assert decide(again, before, about) == events


def test_a_claim_that_states_little_still_takes_two_for_the_payment_that_it_is_about(
    case, resolve, make_payment
):
    small = replace(case, amount=Money(1, "156"))
    payment = make_payment(minor=10_001)
    decided = decide_command(resolve(R.RETURN_MONEY), small, payment, None, RULES)
    assert isinstance(decided[0], CaseResolutionProposed)

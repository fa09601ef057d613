import pytest

from loadtest.errands import ERRANDS, Answered, Ask
from loadtest.lean_terminal import Course
from switch.demo.issuer_behaviours import ADVICE, REQUEST, VOID, Behaviour, find_rule
from switch.terminal.operations import PAYMENT_ROWS, Operation

ALL = [errand for errands in ERRANDS.values() for errand in errands]
AMOUNT = 12_300
VOIDS = {Operation.VOID, Operation.PRE_AUTHORIZATION_VOID, Operation.COMPLETION_VOID}
UNHEARD = {Behaviour.SILENT, Behaviour.LATE, Behaviour.OTHER_AMOUNT}


def run(errand):
    """Run an errand as if all went well; return what it asked."""
    asked, steps = [], errand(AMOUNT)
    answer = None
    while True:
        try:
            ask = steps.send(answer)
        except StopIteration:
            return asked
        asked.append(ask)
        number = f"{len(asked):06d}"
        answer = Answered(ask.operation, number, f"000000{number}", number)
        if ask.is_lost and ask.is_reversed:
            answer = None


def rule_of(ask):
    kind = VOID if ask.operation in VOIDS else ADVICE if ask.is_resent else REQUEST
    return find_rule(kind, ask.amount_minor)


@pytest.mark.parametrize("errand", ALL)
def test_an_errand_quotes_what_it_has_done_and_asks_for_amounts(errand):
    asked = run(errand)
    assert asked
    for ask in asked:
        row = PAYMENT_ROWS[ask.operation]
        assert (ask.original is not None) == bool(row.originals)
        if ask.original is not None:
            assert ask.original.operation in row.originals
        assert (ask.amount_minor > 0) == row.has_amount


@pytest.mark.parametrize("errand", ALL)
def test_what_is_expected_is_what_the_issuer_was_ordered_to_do(errand):
    for ask in run(errand):
        rule = rule_of(ask)
        if ask.expects == "98":
            assert rule is not None
            assert rule.behaviour in UNHEARD or ask.is_resent
        elif rule is not None and rule.behaviour is Behaviour.DECLINE and not ask.is_resent:
            assert ask.expects == rule.response_code
        elif rule is not None and rule.behaviour in UNHEARD:
            pytest.fail(f"{errand.__name__} does not expect that {rule.words}")


def test_what_a_terminal_owes_depends_on_the_operation():
    assert Ask(Operation.SALE).is_reversed
    assert Ask(Operation.OFFLINE).is_resent
    inquiry = Ask(Operation.BALANCE)
    assert [inquiry.is_reversed, inquiry.is_resent] == [False, False]


def test_every_course_beside_the_plain_ones_has_errands():
    plain = {"plain", "repeat", "conflict", "reversal", "decline", "silent"}
    assert set(ERRANDS) == {course for course in Course if course.value not in plain}

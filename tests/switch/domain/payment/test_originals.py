"""What may be done to a payment, by how it stands; and what touches it."""

import pytest
from msgspec.structs import replace

from switch.domain.money import Money
from switch.domain.payment.originals import (
    TOUCHES_COUNT_MAX,
    Objection,
    Standing,
    adjusted_minor,
    check_original,
    debited_minor,
    give_back_line,
    is_refunded_with,
    refunded_minor,
    standing_of,
    touch_of,
    with_touch,
)
from switch.domain.payment.outcomes import make_line
from switch.domain.payment.payment import Phase, Touch
from switch.domain.payment.requests import Answer, OriginalReference
from switch.domain.payment.rules import DecisionRules
from switch.domain.reasons import Reason
from switch.domain.transactions import TRAITS, TransactionType

T, S = TransactionType, Standing
RULES = DecisionRules()
AT = 1_700_000_000_000
DAY_MS = 86_400_000
RRN, OTHER_RRN = "010000000007", "010000000009"
APPROVED = Answer(response_code="00", at=AT, rrn=RRN, authorization_id="AUTH01")


def touch(kind, minor=100, *, is_done=True, rrn=OTHER_RRN):
    return Touch(rrn=rrn, transaction=kind, minor=minor, is_done=is_done)


# how a payment of 1.00 comes to stand so
TOUCHES = {
    S.NORMAL: (),
    S.PRE_AUTHORIZATION_OPEN: (),
    S.HELD: (touch(T.SALE_VOID, is_done=False),),
    S.VOIDED: (touch(T.SALE_VOID),),
    S.ADJUSTED: (touch(T.ADJUSTMENT_ADVICE, 20),),
    S.PARTLY_REFUNDED: (touch(T.REFUND, 40),),
    S.REFUNDED: (touch(T.REFUND, 40), touch(T.REFUND, 60, rrn="010000000011")),
    S.COMPLETED: (touch(T.COMPLETION),),
    S.REVERSED: (),
    S.NOT_APPROVED: (),
}


@pytest.fixture
def original(routed):
    """An approved payment of 1.00 with its settlement line; `stand` makes it stand otherwise."""
    request = replace(routed.request, amount=Money(100, "156"))
    line = make_line(request, routed.terms, Money(100, "156"), "2023-11-15")
    return replace(
        routed, request=request, phase=Phase.APPROVED, answer=APPROVED, line=line, opened_at=AT
    )


@pytest.fixture
def ask(request_):
    """Ask for something to be done to `original`, in the same batch and at the same terminal."""

    def build(kind, minor=100, **changes):
        return replace(
            request_,
            transaction=kind,
            stan="000200",
            amount=Money(minor, "156"),
            original=OriginalReference(rrn=RRN, batch="000001", stan="000123"),
            **changes,
        )

    return build


def stand(original, kind, standing):
    payment = replace(
        original,
        request=replace(original.request, transaction=kind),
        touches=TOUCHES[standing],
    )
    if standing is S.REVERSED:
        return replace(payment, phase=Phase.REVERSING)
    return replace(payment, phase=Phase.DECLINED) if standing is S.NOT_APPROVED else payment


def can_stand(kind, standing):
    is_hold = kind is T.PRE_AUTHORIZATION
    if kind is T.INSTALMENT_SALE and standing in {S.ADJUSTED, S.PARTLY_REFUNDED}:
        return False
    if standing in {S.PRE_AUTHORIZATION_OPEN, S.COMPLETED}:
        return is_hold
    return not is_hold or standing not in {S.NORMAL, S.ADJUSTED, S.PARTLY_REFUNDED, S.REFUNDED}


CHANGEABLE = (
    T.SALE,
    T.INSTALMENT_SALE,
    T.PRE_AUTHORIZATION,
    T.COMPLETION,
    T.COMPLETION_ADVICE,
    T.OFFLINE_ADVICE,
    T.ADJUSTMENT_ADVICE,
)
STANDINGS = [(kind, one) for kind in CHANGEABLE for one in S if can_stand(kind, one)]


@pytest.mark.parametrize(("kind", "standing"), STANDINGS, ids=lambda one: one.value)
def test_a_payment_stands_as_those_that_touch_it_left_it(original, kind, standing):
    assert standing_of(stand(original, kind, standing)) is standing


@pytest.mark.parametrize("phase", [Phase.ROUTED, Phase.DECLINED, Phase.REPEATING, Phase.CASE])
def test_what_is_not_approved_cannot_be_changed(original, phase):
    assert standing_of(replace(original, phase=phase)) is S.NOT_APPROVED


def test_what_its_terminal_took_back_counts_as_reversed_before_the_issuer_has_answered(original):
    assert standing_of(replace(original, phase=Phase.ROUTED, reverse_requested=True)) is S.REVERSED


# -- every standing, every request -----------------------------------------------------------------

# what may be done: request -> kinds of original -> standings in which it is taken
_SALES = (T.SALE, T.INSTALMENT_SALE)
_COMPLETED = (T.COMPLETION, T.COMPLETION_ADVICE)
ALLOWED = {
    T.SALE_VOID: {kind: {S.NORMAL} for kind in _SALES},
    T.COMPLETION_VOID: {kind: {S.NORMAL} for kind in _COMPLETED},
    T.PRE_AUTHORIZATION_VOID: {T.PRE_AUTHORIZATION: {S.PRE_AUTHORIZATION_OPEN}},
    T.COMPLETION: {T.PRE_AUTHORIZATION: {S.PRE_AUTHORIZATION_OPEN}},
    T.COMPLETION_ADVICE: {T.PRE_AUTHORIZATION: {S.PRE_AUTHORIZATION_OPEN}},
    T.REFUND: {
        kind: {S.NORMAL, S.ADJUSTED, S.PARTLY_REFUNDED}
        for kind in (T.SALE, T.INSTALMENT_SALE, *_COMPLETED, T.OFFLINE_ADVICE)
    },
    T.ADJUSTMENT_ADVICE: {
        kind: {S.NORMAL, S.ADJUSTED} for kind in (T.SALE, *_COMPLETED, T.OFFLINE_ADVICE)
    },
}


def test_every_request_with_an_original_is_in_the_table():
    assert set(ALLOWED) == {kind for kind, traits in TRAITS.items() if traits.originals}
    for kind, originals in ALLOWED.items():
        assert set(originals) == TRAITS[kind].originals


@pytest.mark.parametrize("request_kind", ALLOWED, ids=lambda one: one.value)
@pytest.mark.parametrize(("kind", "standing"), STANDINGS, ids=lambda one: one.value)
def test_what_may_be_done_to_a_payment_by_how_it_stands(
    original, ask, request_kind, kind, standing
):
    payment = stand(original, kind, standing)
    found = check_original(ask(request_kind, 10), payment, AT, RULES)
    full = check_original(ask(request_kind), payment, AT, RULES)
    originals = ALLOWED[request_kind]
    if kind not in originals:
        assert found == Objection(Reason.ORIGINAL_NOT_FOUND, f"it is a {kind.value}")
    elif standing in originals[kind]:
        assert None in {found, full}, "in part or in whole, it is taken"
    elif standing is S.HELD:
        assert found.reason is Reason.ORIGINAL_HELD
    elif standing is S.REFUNDED and request_kind is T.REFUND:
        assert found.reason is Reason.REFUND_OVER_REST, "nothing is left of it"
    elif standing in {S.ADJUSTED, S.PARTLY_REFUNDED}:
        assert found == Objection(Reason.ORIGINAL_REFUND_ONLY, standing.value)
    else:
        assert found == Objection(Reason.ORIGINAL_NOT_OPEN, standing.value)


# -- what is compared, in this order ---------------------------------------------------------------


def test_an_original_that_is_not_there(ask):
    assert check_original(ask(T.REFUND), None, AT, RULES) == Objection(Reason.ORIGINAL_NOT_FOUND)


def test_a_request_that_quotes_nothing_has_no_original(original, ask):
    request = replace(ask(T.REFUND), original=None)
    objection = check_original(request, original, AT, RULES)
    assert objection.reason is Reason.ORIGINAL_NOT_FOUND


@pytest.mark.parametrize("change", [{"merchant_id": "898110154110002"}, {"acquirer": "other"}])
def test_only_the_merchant_itself_may_change_its_payments(original, ask, change):
    objection = check_original(ask(T.REFUND, **change), original, AT, RULES)
    assert objection.reason is Reason.ORIGINAL_NOT_FOUND


@pytest.mark.parametrize(
    ("quoted", "is_found"),
    [
        ({}, True),
        ({"stan": "000123"}, True),
        ({"stan": "000000", "batch": "000000"}, True),  # unknown parts are zero
        ({"stan": "000124"}, False),
        ({"stan": "000123", "batch": "000002"}, False),
    ],
)
def test_whatever_is_quoted_of_the_original_must_be_its_own(original, ask, quoted, is_found):
    request = replace(ask(T.REFUND), original=OriginalReference(rrn=RRN, **quoted))
    assert (check_original(request, original, AT, RULES) is None) is is_found


def test_another_card_is_14_before_anything_is_said_about_the_payment(original, ask):
    card = replace(original.request.card, token="o" * 64)
    payment = stand(original, T.SALE, S.VOIDED)
    objection = check_original(ask(T.SALE_VOID, card=card), payment, AT, RULES)
    assert objection == Objection(Reason.ORIGINAL_CARD_MISMATCH)


@pytest.mark.parametrize(
    "change", [{"batch": "000002"}, {"terminal_id": "00000002"}], ids=["batch", "terminal"]
)
@pytest.mark.parametrize(
    ("void", "kind"), [(T.SALE_VOID, T.SALE), (T.COMPLETION_VOID, T.COMPLETION)]
)
def test_a_void_belongs_to_the_batch_and_terminal_of_its_original(
    original, ask, change, void, kind
):
    payment = stand(original, kind, S.NORMAL)
    objection = check_original(ask(void, **change), payment, AT, RULES)
    assert objection.reason is Reason.ORIGINAL_OF_OTHER_BATCH


def test_a_refund_comes_from_any_terminal_and_batch_of_the_merchant(original, ask):
    request = ask(T.REFUND, batch="000007", terminal_id="00000002")
    assert check_original(request, original, AT, RULES) is None


@pytest.mark.parametrize(
    ("request_kind", "kind", "days"),
    [
        (T.REFUND, T.SALE, 180),
        (T.ADJUSTMENT_ADVICE, T.SALE, 180),
        (T.COMPLETION, T.PRE_AUTHORIZATION, 30),
        (T.COMPLETION_ADVICE, T.PRE_AUTHORIZATION, 30),
        (T.PRE_AUTHORIZATION_VOID, T.PRE_AUTHORIZATION, 30),
    ],
)
def test_the_days_within_which_a_payment_may_be_changed(original, ask, request_kind, kind, days):
    payment = replace(original, request=replace(original.request, transaction=kind))
    last = AT + days * DAY_MS
    assert check_original(ask(request_kind), payment, last, RULES) is None
    objection = check_original(ask(request_kind), payment, last + 1, RULES)
    assert objection == Objection(Reason.ORIGINAL_TOO_OLD, f"over {days} days")


@pytest.mark.parametrize("minor", [99, 101])
def test_a_void_is_of_the_whole_amount(original, ask, minor):
    objection = check_original(ask(T.SALE_VOID, minor), original, AT, RULES)
    assert objection.reason is Reason.ORIGINAL_AMOUNT_MISMATCH


def test_a_partial_approval_is_voided_by_what_was_given(original, ask):
    given = replace(APPROVED, response_code="10", amount=Money(40, "156"))
    partial = replace(original, answer=given)
    assert check_original(ask(T.SALE_VOID, 40), partial, AT, RULES) is None
    objection = check_original(ask(T.SALE_VOID, 100), partial, AT, RULES)
    assert objection.reason is Reason.ORIGINAL_AMOUNT_MISMATCH


@pytest.mark.parametrize("kind", ALLOWED, ids=lambda one: one.value)
def test_another_currency_is_64(original, ask, kind):
    of = next(iter(ALLOWED[kind]))
    payment = replace(original, request=replace(original.request, transaction=of))
    request = replace(ask(kind), amount=Money(100, "840"))
    assert check_original(request, payment, AT, RULES).reason is Reason.ORIGINAL_AMOUNT_MISMATCH


@pytest.mark.parametrize("kind", [T.COMPLETION, T.COMPLETION_ADVICE])
def test_a_completion_takes_at_most_115_percent(original, ask, kind):
    hold = replace(original, request=replace(original.request, transaction=T.PRE_AUTHORIZATION))
    assert check_original(ask(kind, 1), hold, AT, RULES) is None
    assert check_original(ask(kind, 115), hold, AT, RULES) is None
    objection = check_original(ask(kind, 116), hold, AT, RULES)
    assert objection == Objection(Reason.COMPLETION_OVER_LIMIT, "limit 1.15 CNY")


def test_a_refund_takes_at_most_what_neither_was_nor_may_be_refunded(original, ask):
    held = touch(T.REFUND, 30, is_done=False, rrn="010000000012")
    payment = replace(original, touches=(touch(T.REFUND, 40), held))
    assert (refunded_minor(payment), refunded_minor(payment, with_held=True)) == (40, 70)
    assert check_original(ask(T.REFUND, 30), payment, AT, RULES) is None
    objection = check_original(ask(T.REFUND, 31), payment, AT, RULES)
    assert objection == Objection(Reason.REFUND_OVER_REST, "rest 0.30 CNY")


def test_refunds_run_side_by_side_also_of_an_adjusted_payment(original, ask):
    adjusted = touch(T.ADJUSTMENT_ADVICE, 20, rrn="010000000012")
    running = touch(T.REFUND, 30, is_done=False)
    payment = replace(original, touches=(adjusted, running))
    assert check_original(ask(T.REFUND, 90), payment, AT, RULES) is None
    objection = check_original(ask(T.REFUND, 91), payment, AT, RULES)
    assert objection == Objection(Reason.REFUND_OVER_REST, "rest 0.90 CNY")
    assert (adjusted_minor(payment), debited_minor(payment)) == (20, 120)


def test_what_an_issuer_is_still_told_of_is_not_given_back_yet(original, ask):
    told = replace(touch(T.ADJUSTMENT_ADVICE, 20), is_told=False)
    payment = replace(original, touches=(told,))
    assert check_original(ask(T.REFUND, 100), payment, AT, RULES) is None
    assert check_original(ask(T.REFUND, 101), payment, AT, RULES).reason is Reason.ORIGINAL_HELD


def test_an_adjustment_is_given_back_with_its_sale_and_names_it(original, ask):
    request = replace(original.request, transaction=T.ADJUSTMENT_ADVICE)
    adjustment = replace(original, request=request, original_rrn=OTHER_RRN)
    objection = check_original(ask(T.REFUND, 10), adjustment, AT, RULES)
    assert objection == Objection(Reason.ORIGINAL_NOT_FOUND, f"it adjusts {OTHER_RRN}")


def test_an_adjustment_cannot_be_taken_back_once_what_it_added_was_refunded(original):
    adjustment = replace(
        original,
        rrn="010000000012",
        request=replace(original.request, transaction=T.ADJUSTMENT_ADVICE),
        sent_amount=Money(20, "156"),
    )
    added = touch(T.ADJUSTMENT_ADVICE, 20, rrn="010000000012")
    for refunded, want in ((100, False), (101, True)):
        for is_done in (True, False):
            given = touch(T.REFUND, refunded, is_done=is_done)
            sale = replace(original, touches=(added, given))
            assert is_refunded_with(sale, adjustment) is want
            assert not is_refunded_with(sale, original), "only of an adjustment"


def test_what_an_adjustment_had_refunded_by_itself_is_not_refunded_with_its_sale(original, ask):
    request = replace(original.request, transaction=T.ADJUSTMENT_ADVICE)
    adjustment = replace(
        original,
        rrn="010000000012",
        request=request,
        original_rrn=original.rrn,
        sent_amount=Money(20, "156"),
        touches=(replace(touch(T.REFUND, 15), fee_minor=-1),),
    )
    added = touch_of(adjustment)
    assert (added.minor, added.returned_minor) == (20, 15)
    assert added.fee_minor == original.line.fee_minor - 1
    sale = with_touch(original, adjustment.rrn, added)
    assert (adjusted_minor(sale), debited_minor(sale)) == (20, 105)
    objection = check_original(ask(T.REFUND, 106), sale, AT, RULES)
    assert objection == Objection(Reason.REFUND_OVER_REST, "rest 1.05 CNY")


@pytest.mark.parametrize("change", [{}, {"is_done": False}, {"is_told": False}])
def test_an_adjustment_stays_if_others_that_may_go_back_would_not_cover_what_was_refunded(
    original, change
):
    request = replace(original.request, transaction=T.ADJUSTMENT_ADVICE)
    adjustment = replace(
        original, rrn="010000000012", request=request, sent_amount=Money(20, "156")
    )
    other = replace(touch(T.ADJUSTMENT_ADVICE, 10, rrn="010000000013"), **change)
    added = touch(T.ADJUSTMENT_ADVICE, 20, rrn="010000000012")
    sale = replace(original, touches=(added, other, touch(T.REFUND, 105)))
    assert is_refunded_with(sale, adjustment) is bool(change)


def test_an_instalment_sale_is_refunded_whole_or_not_at_all(original, ask):
    request = replace(original.request, transaction=T.INSTALMENT_SALE)
    instalment = replace(original, request=request)
    assert check_original(ask(T.REFUND, 100), instalment, AT, RULES) is None
    objection = check_original(ask(T.REFUND, 99), instalment, AT, RULES)
    assert objection == Objection(
        Reason.ORIGINAL_AMOUNT_MISMATCH, "an instalment sale is refunded whole"
    )
    over = check_original(ask(T.REFUND, 101), instalment, AT, RULES)
    assert over.reason is Reason.REFUND_OVER_REST
    whole = touch(T.REFUND, 100, is_done=False)
    twice = check_original(ask(T.REFUND, 100), replace(instalment, touches=(whole,)), AT, RULES)
    assert twice.reason is Reason.REFUND_OVER_REST


def test_a_refund_waits_for_whatever_else_runs(original, ask):
    payment = replace(original, touches=(touch(T.ADJUSTMENT_ADVICE, 20, is_done=False),))
    assert check_original(ask(T.REFUND), payment, AT, RULES).reason is Reason.ORIGINAL_HELD


def test_what_touches_one_payment_is_bounded(original, ask):
    touches = tuple(
        touch(T.REFUND, 0, rrn=f"01{number:010d}") for number in range(TOUCHES_COUNT_MAX)
    )
    objection = check_original(ask(T.REFUND, 1), replace(original, touches=touches), AT, RULES)
    assert objection.reason is Reason.ORIGINAL_NOT_OPEN


# -- what a payment does to its original ----------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "want"),
    [
        (Phase.REQUESTED, "nothing"),
        (Phase.ROUTED, "holds"),
        (Phase.APPROVED, "changed"),
        (Phase.DECLINED, "nothing"),
        (Phase.REVERSING, "holds"),
        (Phase.REVERSED, "nothing"),
        (Phase.REPEATING, "holds"),
        (Phase.CASE, "holds"),
    ],
)
def test_a_payment_holds_its_original_until_its_outcome_is_known(original, phase, want):
    found = touch_of(replace(original, phase=phase, original_rrn=OTHER_RRN))
    assert {None: "nothing", False: "holds", True: "changed"}[found and found.is_done] == want
    assert touch_of(replace(original, phase=phase)) is None, "it has none"


def test_a_voided_completion_no_longer_takes_its_hold(original):
    completion = replace(
        original,
        request=replace(original.request, transaction=T.COMPLETION),
        original_rrn=OTHER_RRN,
    )
    assert touch_of(completion).is_done
    assert not touch_of(replace(completion, touches=(TOUCHES[S.HELD]))).is_done
    assert touch_of(replace(completion, touches=(touch(T.COMPLETION_VOID),))) is None


def test_one_payment_touches_another_once(original):
    held = with_touch(original, OTHER_RRN, touch(T.REFUND, is_done=False))
    done = with_touch(held, OTHER_RRN, touch(T.REFUND))
    assert [one.is_done for one in done.touches] == [True]
    assert with_touch(done, OTHER_RRN, None) == original


# -- settlement ------------------------------------------------------------------------------------


def test_a_void_mirrors_the_line_of_its_original(original, ask):
    void = replace(original, rrn=OTHER_RRN, request=ask(T.SALE_VOID), line=None)
    line = give_back_line(void, original, "2023-11-16")
    assert (line.gross_minor, line.fee_minor) == (-100, -original.line.fee_minor)
    assert line.settlement_date == "2023-11-16"


def test_a_hold_that_is_given_up_settles_nothing(original, ask):
    hold = replace(original, line=None)
    assert give_back_line(replace(original, request=ask(T.SALE_VOID)), hold, "2023-11-16") is None

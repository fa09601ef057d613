import pytest
from msgspec.structs import replace

from projections.audit.cases import CaseRow
from projections.audit.payments import PaymentRow
from projections.queries.verdict import judge, show_amount, show_moment
from switch.domain.payment.payment import Phase, money_state_of
from switch.domain.transactions import TransactionType

AT = 1_795_331_400_000  # 2026-11-22 07:10:00
RRN, OTHER = "010000000042", "010000000077"
ROW = PaymentRow(
    rrn=RRN,
    partition=1,
    opened_at_ms=AT - 60_000,
    updated_at_ms=AT,
    idempotency_key="k",
    channel="unionpay-pos",
    acquirer="a",
    merchant_id="898110154110001",
    terminal_id="00000001",
    batch="000001",
    stan="000123",
    kind="sale",
    amount_minor=1_000,
    currency="156",
    masked_pan="620000******0005",
    issuer_id="bank",
    link="bank-1",
    state="approved",
    money_state="debited",
    response_code="00",
    reason="",
    authorization_id="A1B2C3",
    settlement_date="2026-11-22",
    reversal_attempts=0,
    case_count=0,
    moved_at_ms=AT,
)
T = TransactionType
NEXT = {"attempted_at_ms": AT + 1_000, "next_try_at_ms": AT + 5_000}


def row(kind=T.SALE, phase=Phase.APPROVED, **changes):
    state = {"kind": kind.value, "state": phase.value}
    money = {"money_state": money_state_of(kind, phase).value}
    return replace(ROW, **(state | money | changes))


def touch(kind, phase=Phase.APPROVED, minor=1_000, rrn=OTHER, **changes):
    changes = {"rrn": rrn, "original_rrn": RRN, "amount_minor": minor, **changes}
    return row(kind, phase, **changes)


def line(payment, *touches, cases=(), **further):
    return judge(payment, {RRN: touches, **further}, cases).line


WHEN = "2026-11-22 07:10:00Z"
ASKING = "issuer bank (bank-1)"
PHASES = [
    (T.SALE, Phase.REQUESTED, {}, "NOT DEBITED: it was asked for and is not decided."),
    (
        T.SALE,
        Phase.ROUTED,
        {},
        (
            f"NOT KNOWN YET: 10.00 CNY is with {ASKING} since {WHEN}; its answer is waited for, and"
            " silence is reversed."
        ),
    ),
    (T.SALE, Phase.APPROVED, {}, f"DEBITED: 10.00 CNY at {WHEN} (authorization A1B2C3)."),
    (
        T.SALE,
        Phase.DECLINED,
        {"response_code": "51", "reason": "issuer-declined"},
        "NOT DEBITED: declined (51 issuer-declined).",
    ),
    (
        T.SALE,
        Phase.REVERSING,
        {"returned_by": "outcome-unknown", "reversal_attempts": 2, **NEXT},
        (
            f"NOT KNOWN YET whether 10.00 CNY was debited; if it was, it goes back: the switch asks"
            f" {ASKING} to reverse it until it answers (attempt 2 at 2026-11-22 07:10:01Z, next try"
            " 2026-11-22 07:10:05Z). Do not charge again."
        ),
    ),
    (
        T.SALE,
        Phase.REVERSING,
        {"returned_by": "taken-back"},
        (
            f"BEING RETURNED: 10.00 CNY was debited; the switch asks {ASKING} to reverse it until"
            " it answers (not sent yet; as soon as its line is up)."
        ),
    ),
    (
        T.SALE,
        Phase.REVERSED,
        {"returned_by": "outcome-unknown", "reversal_attempts": 3},
        (
            f"RETURNED: whatever was debited of 10.00 CNY was given back by {WHEN}: {ASKING}"
            " confirmed the reversal (attempt 3)."
        ),
    ),
    (
        T.SALE,
        Phase.REVERSED,
        {"returned_by": "taken-back", "reversal_attempts": 1},
        (
            f"DEBITED AND RETURNED: 10.00 CNY was given back at {WHEN}: taken back by the one who"
            f" asked for it; {ASKING} confirmed the reversal (attempt 1)."
        ),
    ),
    (
        T.SALE,
        Phase.REVERSED,
        {"returned_by": "operator", "reversal_attempts": 1},
        (
            f"DEBITED AND RETURNED: 10.00 CNY was given back at {WHEN}: taken back by an operator;"
            f" {ASKING} confirmed the reversal (attempt 1)."
        ),
    ),
    (
        T.SALE,
        Phase.REVERSED,
        {"returned_by": "outcome-unknown", "reversal_attempts": 9, "resolution": "returned"},
        (
            f"RETURNED: whatever was debited of 10.00 CNY was given back by {WHEN}: a person found"
            " that it was."
        ),
    ),
    (
        T.OFFLINE_ADVICE,
        Phase.REVERSED,
        {"returned_by": "taken-back"},
        (
            f"RETURNED: whatever was debited of 10.00 CNY was given back by {WHEN}: taken back by"
            " the one who asked for it; its issuer was never told of it."
        ),
    ),
    (T.SALE, Phase.CASE, {}, "NOT KNOWN: a person must find out about 10.00 CNY."),
    (
        T.OFFLINE_ADVICE,
        Phase.APPROVED,
        {"advice_open": True, "repeat_attempts": 4, **NEXT},
        (
            f"DEBITED: 10.00 CNY at {WHEN} (authorization A1B2C3); {ASKING} is told of it until it"
            " answers (attempt 4 at 2026-11-22 07:10:01Z, next try 2026-11-22 07:10:05Z)."
        ),
    ),
    (
        T.PRE_AUTHORIZATION,
        Phase.APPROVED,
        {},
        f"HELD: 10.00 CNY is held since {WHEN}, not debited.",
    ),
    (T.BALANCE_INQUIRY, Phase.APPROVED, {}, "NOT DEBITED: a balance inquiry moves no money."),
    # what gives back
    (T.REFUND, Phase.REQUESTED, {}, "NOT GIVEN BACK: the refund was asked for and is not decided."),
    (
        T.REFUND,
        Phase.ROUTED,
        {"original_rrn": OTHER},
        (
            f"NOT KNOWN YET whether 10.00 CNY of {OTHER} is given back: the refund is with {ASKING}"
            f" since {WHEN}."
        ),
    ),
    (
        T.REFUND,
        Phase.APPROVED,
        {"original_rrn": OTHER},
        f"GIVEN BACK: 10.00 CNY of {OTHER} at {WHEN}, by this refund.",
    ),
    (
        T.PRE_AUTHORIZATION_VOID,
        Phase.APPROVED,
        {"original_rrn": OTHER},
        f"RELEASED: 10.00 CNY of {OTHER} at {WHEN}, by this pre-authorization-void.",
    ),
    (
        T.REFUND,
        Phase.DECLINED,
        {"response_code": "61", "reason": "refund-over-rest", "original_rrn": OTHER},
        f"NOT GIVEN BACK: declined (61 refund-over-rest); {OTHER} is as it was.",
    ),
    (
        T.SALE_VOID,
        Phase.REVERSING,
        {"reversal_attempts": 1, "attempted_at_ms": AT, "original_rrn": OTHER},
        (
            f"NOT KNOWN YET: the sale-void is being undone, so that {OTHER} stands: the switch asks"
            f" {ASKING} until it answers (attempt 1 at {WHEN})."
        ),
    ),
    (
        T.SALE_VOID,
        Phase.REVERSED,
        {"original_rrn": OTHER},
        f"NOT GIVEN BACK: the sale-void was undone at {WHEN}; {OTHER} stands as before it.",
    ),
    (
        T.REFUND,
        Phase.REPEATING,
        {"repeat_attempts": 2, "original_rrn": OTHER, **NEXT},
        (
            f"BEING GIVEN BACK: 10.00 CNY of {OTHER}; {ASKING} is told until it answers (attempt 2"
            " at 2026-11-22 07:10:01Z, next try 2026-11-22 07:10:05Z). Do not refund again."
        ),
    ),
    (T.REFUND, Phase.CASE, {}, "NOT KNOWN: a person must find out about 10.00 CNY."),
]


@pytest.mark.parametrize(("kind", "phase", "changes", "told"), PHASES)
def test_every_phase_answers_whether_it_was_charged(kind, phase, changes, told):
    assert line(row(kind, phase, **changes)) == told


@pytest.mark.parametrize("kind", TransactionType)
@pytest.mark.parametrize("phase", Phase)
def test_every_kind_in_every_phase_has_one_line_that_agrees_with_its_money(kind, phase):
    verdict = judge(row(kind, phase))
    assert "\n" not in verdict.line
    assert verdict.money_state == money_state_of(kind, phase).value
    if verdict.money_state == "unknown":
        assert verdict.line.startswith("NOT KNOWN")
    if verdict.line.startswith(("NOT DEBITED", "NOT GIVEN BACK")):
        assert verdict.money_state in {"not-debited", "debited"}


def test_every_phase_is_in_the_table():
    assert {phase for _, phase, _, _ in PHASES} == set(Phase)


ANSWERED = {"answered_at_ms": AT + 1_166, "next_try_at_ms": AT + 7_166}


@pytest.mark.parametrize(("kind", "says"), [(T.SALE, "reverse it"), (T.SALE_VOID, "stands")])
def test_a_reversal_that_was_answered_once_says_when_the_confirming_attempt_follows(kind, says):
    asked = {"returned_by": "outcome-unknown", "reversal_attempts": 1, "original_rrn": OTHER}
    asked |= NEXT
    assert says in line(row(kind, Phase.REVERSING, **asked))
    said = f"{ASKING} answered the reversal at 2026-11-22 07:10:01Z, never the request; "
    waits = line(row(kind, Phase.REVERSING, **asked | ANSWERED))
    assert f"{said}the attempt that confirms it follows, not before 2026-11-22 07:10:07Z." in waits
    assert "next try" not in waits
    again = {"reversal_attempts": 2, "attempted_at_ms": AT + 7_200, "next_try_at_ms": AT + 9_000}
    confirms = line(row(kind, Phase.REVERSING, **asked | ANSWERED | again))
    assert f"{said}the switch asks it to confirm until it answers (attempt 2 at" in confirms


# -- what came later -------------------------------------------------------------------------------


def test_a_voided_sale_was_debited_and_returned_by_its_void():
    verdict = judge(row(), {RRN: [touch(T.SALE_VOID)]})
    assert verdict.money_state == "returned"
    assert verdict.line == (
        f"DEBITED AND RETURNED: 10.00 CNY was debited at {WHEN} and given back by sale-void {OTHER}"
        f" at {WHEN}."
    )


def test_a_void_that_did_not_happen_leaves_the_sale_debited():
    for phase in (Phase.DECLINED, Phase.REVERSED):
        assert judge(row(), {RRN: [touch(T.SALE_VOID, phase)]}).money_state == "debited"


def test_a_void_that_runs_is_told_beside_the_debit():
    told = line(row(), touch(T.SALE_VOID, Phase.ROUTED))
    assert told.endswith(f"; sale-void {OTHER} of 10.00 CNY is not known yet.")
    assert told.startswith("DEBITED: 10.00 CNY")


def test_refunds_in_parts_are_added_up_until_nothing_is_left():
    first = touch(T.REFUND, minor=300)
    told = line(row(), first)
    assert told.endswith(
        f"; of it, 3.00 CNY was given back by refund {OTHER} at {WHEN}; 7.00 CNY is left."
    )
    assert told.startswith("DEBITED: ")
    second = touch(T.REFUND, minor=700, rrn="010000000078")
    verdict = judge(row(), {RRN: [first, second]})
    assert verdict.money_state == "returned"
    assert f"by refund {OTHER} at {WHEN}, 010000000078 at {WHEN}." in verdict.line


def test_what_was_refunded_is_compared_with_what_was_finally_debited():
    adjustment = touch(T.ADJUSTMENT_ADVICE, minor=150)
    of_sale = touch(T.REFUND, rrn="010000000019")
    assert line(row(), adjustment, of_sale).startswith("DEBITED: ")
    whole = touch(T.REFUND, minor=row().amount_minor + 150, rrn="010000000019")
    assert line(row(), adjustment, whole).startswith("DEBITED AND RETURNED: ")


def test_an_adjustment_debits_more():
    told = line(row(), touch(T.ADJUSTMENT_ADVICE, minor=150))
    assert told.endswith(f"; 1.50 CNY more by adjustment-advice {OTHER}.")


def refunded_of_sale(*refunds, adjustments=(100,)):
    """Return sale, first adjustment and family of a sale of 11.00 that adjustments add to."""
    sale = row(amount_minor=1_100)
    added = [
        touch(T.ADJUSTMENT_ADVICE, minor=minor, rrn=f"01000000008{place}")
        for place, minor in enumerate(adjustments)
    ]
    given = [
        touch(T.REFUND, phase, minor, rrn=f"01000000009{place}")
        for place, (minor, phase) in enumerate(refunds)
    ]
    return sale, added[0], {RRN: [*added, *given]}


@pytest.mark.parametrize("adjustments", [(100,), (100, 50)])
def test_an_adjustment_is_returned_with_its_sale_by_a_refund_of_the_whole(adjustments):
    whole = 1_100 + sum(adjustments)
    sale, adjustment, family = refunded_of_sale((whole, Phase.APPROVED), adjustments=adjustments)
    of_adjustment = judge(adjustment, family, sale=sale)
    assert of_adjustment.money_state == "returned"
    assert of_adjustment.line == (
        f"DEBITED AND RETURNED: 1.00 CNY was debited at {WHEN} and given back with {RRN} by refund"
        f" 010000000090 at {WHEN}."
    )
    of_sale = judge(sale, family)
    assert of_sale.money_state == "returned"
    assert f"; 1.00 CNY more by adjustment-advice {adjustment.rrn}" in of_sale.line
    assert of_sale.line.endswith(
        f"; all {show_amount(whole, '156')} was given back by refund 010000000090 at {WHEN}."
    )


def test_of_a_sale_and_its_adjustment_that_were_refunded_in_part_both_say_what_is_left():
    sale, adjustment, family = refunded_of_sale((1_150, Phase.APPROVED))
    given = f"11.50 CNY was given back by refund 010000000090 at {WHEN}; 0.50 CNY is left."
    of_adjustment = judge(adjustment, family, sale=sale)
    assert of_adjustment.money_state == "debited"
    assert of_adjustment.line.endswith(f"; of 12.00 CNY with {RRN}, {given}")
    of_sale = judge(sale, family)
    assert of_sale.money_state == "debited"
    assert of_sale.line.endswith(
        f"; 1.00 CNY more by adjustment-advice {adjustment.rrn}; of all 12.00 CNY, {given}"
    )


def test_an_adjustment_tells_of_a_refund_of_its_sale_that_still_runs():
    sale, adjustment, family = refunded_of_sale((1_200, Phase.ROUTED))
    told = judge(adjustment, family, sale=sale)
    assert told.money_state == "debited"
    assert told.line.endswith("; refund 010000000090 of 12.00 CNY is not known yet.")


def test_an_old_adjustment_that_was_refunded_by_itself_is_judged_by_its_own_refunds():
    sale, adjustment, family = refunded_of_sale()
    own = touch(T.REFUND, minor=100, rrn="010000000095", original_rrn=adjustment.rrn)
    family[adjustment.rrn] = [own]
    told = judge(adjustment, family, sale=sale)
    assert told.money_state == "returned"
    assert told.line.endswith(f"and given back by refund 010000000095 at {WHEN}.")
    of_sale = touch(T.REFUND, minor=1_100, rrn="010000000096")
    family[RRN].append(of_sale)
    assert judge(sale, family).money_state == "returned"


def test_a_hold_is_completed_released_or_open_again():
    hold = row(T.PRE_AUTHORIZATION)
    completed = line(hold, touch(T.COMPLETION, minor=900))
    assert completed == f"COMPLETED: 10.00 CNY was held at {WHEN}; 9.00 CNY was debited by {OTHER}."
    void = row(T.COMPLETION_VOID, rrn="010000000099", original_rrn=OTHER)
    again = line(hold, touch(T.COMPLETION, minor=900), **{OTHER: [void]})
    assert again.startswith("HELD: ")
    released = line(hold, touch(T.PRE_AUTHORIZATION_VOID))
    assert released.startswith("RELEASED: 10.00 CNY was held")


def test_a_hold_whose_completion_was_given_back_is_returned():
    hold, completion = row(T.PRE_AUTHORIZATION), touch(T.COMPLETION, minor=900)
    given = row(T.REFUND, rrn="010000000099", original_rrn=OTHER, amount_minor=900)
    whole = judge(hold, {RRN: [completion], OTHER: [given]})
    assert whole.money_state == "returned"
    assert whole.line == (
        f"DEBITED AND RETURNED: 10.00 CNY was held at {WHEN}; 9.00 CNY was debited by {OTHER} and"
        f" given back by refund 010000000099 at {WHEN}."
    )
    part = line(hold, completion, **{OTHER: [replace(given, amount_minor=400)]})
    assert part.endswith("5.00 CNY is left.")


RUNNING = (
    (Phase.ROUTED, "unknown", "NOT KNOWN YET: 9.00 CNY is with issuer bank"),
    (Phase.REVERSING, "returning", "BEING RETURNED: 9.00 CNY was debited"),
    (Phase.CASE, "unknown", "NOT KNOWN: a person must find out about 9.00 CNY"),
)


@pytest.mark.parametrize(("phase", "state", "says"), RUNNING)
def test_a_hold_is_not_said_to_be_undebited_while_its_completion_is_unknown(phase, state, says):
    completion = touch(T.COMPLETION, phase, minor=900, returned_by="taken-back")
    verdict = judge(row(T.PRE_AUTHORIZATION), {RRN: [completion]})
    assert verdict.money_state == state
    assert verdict.line.startswith(says)
    assert verdict.line.endswith(f"; that is completion {OTHER} of this hold of 10.00 CNY.")


def test_what_is_held_is_never_said_to_be_debited():
    hold = row(T.PRE_AUTHORIZATION)
    assert judge(hold).money_state == "not-debited"
    assert judge(hold, {RRN: [touch(T.PRE_AUTHORIZATION_VOID)]}).money_state == "not-debited"
    assert judge(hold, {RRN: [touch(T.COMPLETION)]}).money_state == "debited"
    for by, word in (("taken-back", "BEING RELEASED"), ("outcome-unknown", "NOT KNOWN YET")):
        told = line(row(T.PRE_AUTHORIZATION, Phase.REVERSING, returned_by=by))
        assert told.startswith(f"{word}")
        assert "held" in told
        told = line(row(T.PRE_AUTHORIZATION, Phase.REVERSED, returned_by=by, reversal_attempts=1))
        assert told.startswith("RELEASED: whatever was held of 10.00 CNY")


def test_an_advice_that_its_issuer_may_never_have_booked_is_not_said_to_have_been_debited():
    told = line(row(T.OFFLINE_ADVICE, Phase.REVERSING, returned_by="operator"))
    assert told.startswith("BEING RETURNED: whatever was debited of 10.00 CNY")


# -- cases -----------------------------------------------------------------------------------------


def case(**changes):
    opened = CaseRow(
        case_id=f"reversal-not-found-{RRN}",
        partition=1,
        journal_offset=7,
        kind="reversal-not-found",
        state="open",
        opened_at_ms=AT,
        updated_at_ms=AT,
        rrn=RRN,
    )
    return replace(opened, **changes)


def test_a_case_says_which_it_is_and_who_sees_to_it():
    told = f"NOT KNOWN: a person must find out about 10.00 CNY (case reversal-not-found-{RRN}"
    assert line(row(phase=Phase.CASE), cases=[case(owner="anna")]) == f"{told}, with anna)."


@pytest.mark.parametrize("kind", ["advice-refused", "advice-unroutable"])
def test_an_advice_that_no_issuer_books_was_not_debited(kind):
    waiting = case(case_id=f"{kind}-{RRN}", kind=kind)
    verdict = judge(row(T.OFFLINE_ADVICE, Phase.CASE), {}, [case(), waiting])
    assert verdict.money_state == "not-debited"
    assert verdict.line.startswith("NOT DEBITED: 10.00 CNY: its terminal acted upon it")
    assert verdict.line.endswith(f"{kind}-{RRN}).")


def test_what_a_person_found_is_the_answer():
    ended = case(state="resolved", ended_at_ms=AT)
    stands = judge(row(phase=Phase.CASE, resolution="stands"), {}, [ended])
    assert (stands.money_state, stands.line.split(":")[0]) == ("debited", "DEBITED")
    nothing = judge(row(phase=Phase.CASE, resolution="no-action"), {}, [ended])
    assert nothing.money_state == "unknown"
    assert nothing.line == "NOT KNOWN: people closed the case about 10.00 CNY with no-action."


def test_a_hold_that_a_person_lets_stand_is_not_said_to_be_debited():
    hold = row(T.PRE_AUTHORIZATION, Phase.CASE, resolution="stands")
    assert judge(hold, {}, [case(ended_at_ms=AT)]).money_state == "not-debited"
    told = line(hold, cases=[case(ended_at_ms=AT)])
    assert told == "HELD: a person found that 10.00 CNY was held and stands, not debited."


CONTRADICTING = [(phase, "late-answer-contradicts") for phase in (Phase.DECLINED, Phase.APPROVED)]


@pytest.mark.parametrize(("phase", "kind"), [*CONTRADICTING, (Phase.REVERSED, "late-approval")])
def test_an_issuer_that_contradicts_itself_is_told_until_a_person_has_found_out(phase, kind):
    waiting = case(case_id=f"{kind}-{RRN}", kind=kind, owner="anna")
    told, alone = line(row(phase=phase), cases=[waiting]), line(row(phase=phase))
    said = f"; but {ASKING} has said the opposite since: a person must find out"
    assert told == f"{alone.removesuffix('.')}{said} (case {kind}-{RRN}, with anna)."
    for changes in ({"ended_at_ms": AT}, {"opened_at_ms": AT - 1}):
        assert line(row(phase=phase), cases=[replace(waiting, **changes)]) == alone
    assert "opposite" not in line(row(phase=Phase.REVERSING), cases=[case(kind="late-approval")])


def test_without_a_payment_nothing_was_debited():
    verdict = judge(None)
    assert verdict.money_state == "not-debited"
    assert verdict.line.startswith("NOT DEBITED: this request never became a payment")


def test_amounts_and_times_are_written_for_people():
    assert show_amount(1234, "156") == "12.34 CNY"
    assert show_amount(1234, "999") == "1234 (minor units of 999)"
    assert show_amount(1234, "") == "1234 (minor units)"
    assert show_amount(0, "") == "no amount"
    assert show_moment(AT) == WHEN
    assert line(row(issuer_id="", link="", phase=Phase.ROUTED)).startswith("NOT KNOWN YET: 10.00")
    assert "with bank since" in line(row(link="", phase=Phase.ROUTED))

"""
"Was I charged?", answered in one line for every kind of transaction in every phase.

Not debited; debited; debited and returned (when, by which message); or not known yet (who is
asking, when next). Of a void or a refund likewise: given back or not.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from projections.audit.cases import CaseRow
from projections.audit.payments import BY_OPERATOR, BY_SWITCH, BY_TERMINAL, PaymentRow
from switch.domain.cases.events import Resolution
from switch.domain.money import CURRENCY_NAMES, format_minor
from switch.domain.payment.originals import VOIDS
from switch.domain.payment.payment import Phase, gives_back
from switch.domain.payment.state import CONTRADICTION, LATE_APPROVAL
from switch.domain.transactions import TRAITS, MoneyState, TransactionType, WhenUnknown

Family = Mapping[str, Sequence[PaymentRow]]  # those that change a payment, by its RRN
NOBODY: Final[Family] = {}
_COMPLETIONS: Final = TRAITS[TransactionType.COMPLETION_VOID].originals


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`line` is for people, `money_state` the same in a word for programs."""

    money_state: str
    line: str


def judge(
    payment: PaymentRow | None,
    family: Family = NOBODY,
    cases: Sequence[CaseRow] = (),
    sale: PaymentRow | None = None,
) -> Verdict:
    """
    Say where the money of a payment is; None: there were requests, but never a payment.

    An adjustment is given back with the `sale` that it adjusts, whose changes are in `family`.
    """
    if payment is None:
        line = "NOT DEBITED: this request never became a payment; nothing was sent to an issuer."
        return Verdict(money_state=MoneyState.NOT_DEBITED.value, line=line)
    verdict = _judge_payment(payment, family, cases, sale)
    for case in cases:
        is_since = not case.ended_at_ms and case.opened_at_ms >= payment.moved_at_ms
        # while it goes back, a late approval is no surprise
        is_late = case.kind == LATE_APPROVAL and payment.state == Phase.REVERSED.value
        if is_since and (case.kind == CONTRADICTION or is_late):
            told = f"{_who(payment)} has said the opposite since: a person must find out"
            line = f"{verdict.line.removesuffix('.')}; but {told}{_name_cases([case])}."
            return msgspec.structs.replace(verdict, line=line)
    return verdict


def _judge_payment(
    payment: PaymentRow, family: Family, cases: Iterable[CaseRow], sale: PaymentRow | None
) -> Verdict:
    transaction, phase = TransactionType(payment.kind), Phase(payment.state)
    if TRAITS[transaction].when_unknown is WhenUnknown.END:
        line = "NOT DEBITED: a balance inquiry moves no money."
        return Verdict(money_state=payment.money_state, line=line)
    if phase is Phase.CASE:
        return _judge_case(payment, cases)
    if gives_back(transaction):
        return Verdict(money_state=payment.money_state, line=_GIVING_BACK[phase](payment))
    if phase is Phase.APPROVED:
        return _judge_approved(payment, transaction, family, sale)
    return Verdict(money_state=payment.money_state, line=_DEBITING[phase](payment))


# -- a debit, or a hold ----------------------------------------------------------------------------


def _judge_approved(
    payment: PaymentRow, transaction: TransactionType, family: Family, sale: PaymentRow | None
) -> Verdict:
    """Say what is left of an approval after what came later."""
    amount, when = _amount_of(payment), show_moment(payment.moved_at_ms)
    touches = family.get(payment.rrn, ())
    done = [one for one in touches if _stands(one, family)]
    is_hold = transaction is TransactionType.PRE_AUTHORIZATION
    for void in _of_kinds(done, VOIDS):
        by = f"by {void.kind} {void.rrn} at {show_moment(void.moved_at_ms)}"
        if is_hold:
            line = f"RELEASED: {amount} was held at {when} and released {by}; nothing was debited."
            return Verdict(money_state=payment.money_state, line=line)
        line = f"DEBITED AND RETURNED: {amount} was debited at {when} and given back {by}."
        return Verdict(money_state=MoneyState.RETURNED.value, line=line)
    if is_hold:
        tail = _tell_running(touches) + _tell_advice(payment)
        for completion in _of_kinds(touches, _COMPLETIONS):
            if _stands(completion, family):
                return _judge_debit(completion, completion, family, hold=payment)
            if completion.state in _RUNNING:
                return _judge_completing(payment, completion)
        line = f"HELD: {amount} is held since {when}, not debited{tail}."
        return Verdict(money_state=payment.money_state, line=line)
    if sale is None or sale.rrn != payment.original_rrn or _refunds_of(payment, family):
        return _judge_debit(payment, payment, family)  # an old adjustment has refunds of its own
    return _judge_debit(payment, sale, family)


def _judge_completing(hold: PaymentRow, completion: PaymentRow) -> Verdict:
    """Say of a hold what is known of its completion: the money may have been taken by now."""
    verdict = judge(completion)
    told = f"that is {completion.kind} {completion.rrn} of this hold of {_amount_of(hold)}"
    return msgspec.structs.replace(verdict, line=f"{verdict.line.removesuffix('.')}; {told}.")


def _judge_debit(
    payment: PaymentRow, quoted: PaymentRow, family: Family, hold: PaymentRow | None = None
) -> Verdict:
    """
    Say what is left of a debit; `quoted` is what its refunds quote: itself, or its sale.

    With the `hold` that it completes it is told from that one's side.
    """
    amount, when, currency = _amount_of(payment), show_moment(payment.moved_at_ms), payment.currency
    began = f"{amount} was debited at {when}"
    if hold is not None:
        held = f"{_amount_of(hold)} was held at {show_moment(hold.moved_at_ms)}"
        began = f"{held}; {amount} was debited by {payment.rrn}"
    is_apart = quoted is not payment
    touches = family.get(quoted.rrn, ())
    refunds = _refunds_of(quoted, family)
    adjustments = [one for one in _adjustments_of(touches) if _stands(one, family)]
    debited = quoted.amount_minor + sum(_kept_minor(one, family) for one in adjustments)
    refunded = _sum_minor(refunds)
    more = "".join(f"; {_amount_of(one)} more by {one.kind} {one.rrn}" for one in adjustments)
    more = "" if is_apart else more
    running = list(_of_kinds(touches, {TransactionType.REFUND})) if is_apart else touches
    tail = _tell_running(running) + _tell_advice(payment)
    by = "by refund " + ", ".join(f"{r.rrn} at {show_moment(r.moved_at_ms)}" for r in refunds)
    if refunds and refunded >= debited:
        given = f"; all {show_amount(debited, currency)} was given back" if more else ""
        given = given or f" and given back{f' with {quoted.rrn}' if is_apart else ''}"
        line = f"DEBITED AND RETURNED: {began}{more}{given} {by}{tail}."
        return Verdict(money_state=MoneyState.RETURNED.value, line=line)
    code = f" (authorization {payment.authorization_id})" if payment.authorization_id else ""
    whole = show_amount(debited, currency)
    of_it = f"all {whole}" if more else f"{whole} with {quoted.rrn}" if is_apart else "it"
    part = f"; of {of_it}, {show_amount(refunded, currency)} was given back {by}"
    part = f"{part}; {show_amount(debited - refunded, currency)} is left" if refunds else ""
    begin = f"DEBITED: {amount} at {when}{code}" if hold is None else f"COMPLETED: {began}"
    line = f"{begin}{more}{part}{tail}."
    return Verdict(money_state=MoneyState.DEBITED.value, line=line)


def _refunds_of(payment: PaymentRow, family: Family) -> list[PaymentRow]:
    refunds = _of_kinds(family.get(payment.rrn, ()), {TransactionType.REFUND})
    return [one for one in refunds if _stands(one, family)]


def _adjustments_of(touches: Iterable[PaymentRow]) -> Iterable[PaymentRow]:
    return _of_kinds(touches, {TransactionType.ADJUSTMENT_ADVICE})


def _kept_minor(adjustment: PaymentRow, family: Family) -> int:
    """Return what an adjustment has added, less what was refunded of an old one itself."""
    return adjustment.amount_minor - _sum_minor(_refunds_of(adjustment, family))


def _sum_minor(rows: Iterable[PaymentRow]) -> int:
    return sum(one.amount_minor for one in rows)


def _stands(touch: PaymentRow, family: Family) -> bool:
    """Whether what changes a payment has happened, and was not voided itself."""
    if touch.state != Phase.APPROVED.value:
        return False
    return not any(
        other.state == Phase.APPROVED.value for other in _of_kinds(family.get(touch.rrn, ()), VOIDS)
    )


def _of_kinds(rows: Iterable[PaymentRow], kinds: Iterable[TransactionType]) -> Iterable[PaymentRow]:
    names = {kind.value for kind in kinds}
    return (row for row in rows if row.kind in names)


_RUNNING: Final = frozenset(
    {Phase.ROUTED.value, Phase.REVERSING.value, Phase.REPEATING.value, Phase.CASE.value}
)


def _tell_running(touches: Iterable[PaymentRow]) -> str:
    return "".join(
        f"; {one.kind} {one.rrn} of {_amount_of(one)} is not known yet"
        for one in touches
        if one.state in _RUNNING
    )


def _tell_advice(payment: PaymentRow) -> str:
    if not payment.advice_open:
        return ""
    return f"; {_who(payment)} is told of it until it answers ({_tries(payment)})"


def _tell_declined(payment: PaymentRow) -> str:
    return f"NOT DEBITED: declined ({_why(payment)})."


def _tell_routed(payment: PaymentRow) -> str:
    since = show_moment(payment.moved_at_ms)
    return (
        f"NOT KNOWN YET: {_amount_of(payment)} is with {_who(payment)} since {since}; its answer is"
        " waited for, and silence is reversed."
    )


def _tell_reversing(payment: PaymentRow) -> str:
    asking = _tell_asking(payment, " to reverse it")
    amount, is_hold = _amount_of(payment), _is_hold(payment)
    if payment.returned_by == BY_SWITCH:
        what, then = ("held", "it is released") if is_hold else ("debited", "it goes back")
        return (
            f"NOT KNOWN YET whether {amount} was {what}; if it was, {then}: "
            f"{asking}. Do not charge again."
        )
    if is_hold:
        return f"BEING RELEASED: {amount} was held, not debited; {asking}."
    if _is_told_afterwards(payment):
        return f"BEING RETURNED: whatever was debited of {amount}; {asking}."
    return f"BEING RETURNED: {amount} was debited; {asking}."


def _is_hold(payment: PaymentRow) -> bool:
    return payment.kind == TransactionType.PRE_AUTHORIZATION.value


def _is_told_afterwards(payment: PaymentRow) -> bool:
    """Whether it was approved before its issuer knew of it, which may never have booked it."""
    return TRAITS[TransactionType(payment.kind)].when_unknown is WhenUnknown.REPEAT


_RETURNED_WORDS: Final = {
    BY_TERMINAL: "taken back by the one who asked for it",
    BY_OPERATOR: "taken back by an operator",
}


def _tell_reversed(payment: PaymentRow) -> str:
    amount, when = _amount_of(payment), show_moment(payment.moved_at_ms)
    if payment.resolution == Resolution.RETURNED.value:
        how = "a person found that it was"
    elif payment.reversal_attempts:
        how = f"{_who(payment)} confirmed the reversal (attempt {payment.reversal_attempts})"
    else:
        how = "its issuer was never told of it"
    taken_back = _RETURNED_WORDS.get(payment.returned_by, "")
    how = f"{taken_back}; {how}" if taken_back else how
    if _is_hold(payment):
        return f"RELEASED: whatever was held of {amount} was released by {when}: {how}."
    if taken_back and not _is_told_afterwards(payment):
        return f"DEBITED AND RETURNED: {amount} was given back at {when}: {how}."
    return f"RETURNED: whatever was debited of {amount} was given back by {when}: {how}."


def _tell_repeating(payment: PaymentRow) -> str:
    return (
        f"NOT KNOWN YET: {_who(payment)} is told of {_amount_of(payment)} until it answers "
        f"({_tries(payment)})."
    )


_DEBITING: Final[dict[Phase, Callable[[PaymentRow], str]]] = {
    Phase.REQUESTED: lambda _: "NOT DEBITED: it was asked for and is not decided.",
    Phase.ROUTED: _tell_routed,
    Phase.DECLINED: _tell_declined,
    Phase.REVERSING: _tell_reversing,
    Phase.REVERSED: _tell_reversed,
    Phase.REPEATING: _tell_repeating,
}


# -- a void or a refund ----------------------------------------------------------------------------


def _tell_given_back(payment: PaymentRow) -> str:
    is_hold = payment.kind == TransactionType.PRE_AUTHORIZATION_VOID.value
    word = "RELEASED" if is_hold else "GIVEN BACK"
    when = show_moment(payment.moved_at_ms)
    return (
        f"{word}: {_amount_of(payment)}{_of_original(payment)} at {when}, by this {payment.kind}."
    )


def _tell_not_given_back(payment: PaymentRow) -> str:
    return f"NOT GIVEN BACK: declined ({_why(payment)}); {_original(payment)} is as it was."


def _tell_back_asked(payment: PaymentRow) -> str:
    return f"NOT GIVEN BACK: the {payment.kind} was asked for and is not decided."


def _tell_back_routed(payment: PaymentRow) -> str:
    since = show_moment(payment.moved_at_ms)
    return (
        f"NOT KNOWN YET whether {_amount_of(payment)}{_of_original(payment)} is given back: the "
        f"{payment.kind} is with {_who(payment)} since {since}."
    )


def _tell_back_undoing(payment: PaymentRow) -> str:
    return (
        f"NOT KNOWN YET: the {payment.kind} is being undone, so that {_original(payment)} stands: "
        f"{_tell_asking(payment)}."
    )


def _tell_back_undone(payment: PaymentRow) -> str:
    when = show_moment(payment.moved_at_ms)
    return (
        f"NOT GIVEN BACK: the {payment.kind} was undone at {when}; {_original(payment)} stands as"
        " before it."
    )


def _tell_back_repeating(payment: PaymentRow) -> str:
    return (
        f"BEING GIVEN BACK: {_amount_of(payment)}{_of_original(payment)}; {_who(payment)} is told "
        f"until it answers ({_tries(payment)}). Do not refund again."
    )


_GIVING_BACK: Final[dict[Phase, Callable[[PaymentRow], str]]] = {
    Phase.REQUESTED: _tell_back_asked,
    Phase.ROUTED: _tell_back_routed,
    Phase.APPROVED: _tell_given_back,
    Phase.DECLINED: _tell_not_given_back,
    Phase.REVERSING: _tell_back_undoing,
    Phase.REVERSED: _tell_back_undone,
    Phase.REPEATING: _tell_back_repeating,
}
assert {*_DEBITING, Phase.APPROVED, Phase.CASE} == set(Phase), "a phase without words"
assert {*_GIVING_BACK, Phase.CASE} == set(Phase), "a phase without words"


# -- a case ----------------------------------------------------------------------------------------


_NOT_DEBITED_CASES: Final = {
    "advice-refused": (
        "its terminal acted upon it, its issuer refuses to book it, and a person must settle who"
        " bears it"
    ),
    "advice-unroutable": (
        "its terminal acted upon it, nobody could be told of it, and a person must see to it"
    ),
}


def _judge_case(payment: PaymentRow, cases: Iterable[CaseRow]) -> Verdict:
    """Say who must look, or what people have found out."""
    amount = _amount_of(payment)
    waiting = [case for case in cases if not case.ended_at_ms]
    if waiting or not payment.resolution:
        told = _name_cases(waiting)
        for case in waiting:
            if known := _NOT_DEBITED_CASES.get(case.kind):
                line = f"NOT DEBITED: {amount}: {known}{told}."
                return Verdict(money_state=MoneyState.NOT_DEBITED.value, line=line)
        line = f"NOT KNOWN: a person must find out about {amount}{told}."
        return Verdict(money_state=payment.money_state, line=line)
    stands = payment.resolution == Resolution.STANDS.value
    if stands and _is_hold(payment):
        line = f"HELD: a person found that {amount} was held and stands, not debited."
        return Verdict(money_state=MoneyState.NOT_DEBITED.value, line=line)
    if stands and not gives_back(TransactionType(payment.kind)):
        line = f"DEBITED: a person found that {amount} was debited and stands."
        return Verdict(money_state=MoneyState.DEBITED.value, line=line)
    line = f"NOT KNOWN: people closed the case about {amount} with {payment.resolution}."
    return Verdict(money_state=payment.money_state, line=line)


def _name_cases(cases: Sequence[CaseRow]) -> str:
    which = ", ".join(case.case_id for case in cases)
    owners = ", ".join(sorted({case.owner for case in cases if case.owner}))
    return f" (case {which}{f', with {owners}' if owners else ''})" if which else ""


# -- words -----------------------------------------------------------------------------------------


def _who(payment: PaymentRow) -> str:
    if not payment.issuer_id:
        return "the issuer"
    return f"issuer {payment.issuer_id} ({payment.link})" if payment.link else payment.issuer_id


def _tell_asking(payment: PaymentRow, what: str = "") -> str:
    """Say who is asked to reverse, and what it has said: one answer may want another."""
    who, tries = _who(payment), _tries(payment)
    if not payment.answered_at_ms:
        return f"the switch asks {who}{what} until it answers ({tries})"
    said = (
        f"{who} answered the reversal at {show_moment(payment.answered_at_ms)}, never the request"
    )
    if payment.attempted_at_ms > payment.answered_at_ms:
        return f"{said}; the switch asks it to confirm until it answers ({tries})"
    due = show_moment(payment.next_try_at_ms)
    return f"{said}; the attempt that confirms it follows, not before {due}"


def _tries(payment: PaymentRow) -> str:
    """Say how often the issuer was told, and when it is told again."""
    is_reversal = payment.state == Phase.REVERSING.value
    count = payment.reversal_attempts if is_reversal else payment.repeat_attempts
    if not count or not payment.attempted_at_ms:
        return "not sent yet; as soon as its line is up"
    attempts = f"attempt {count} at {show_moment(payment.attempted_at_ms)}"
    if not payment.next_try_at_ms:
        return attempts
    return f"{attempts}, next try {show_moment(payment.next_try_at_ms)}"


def _why(payment: PaymentRow) -> str:
    return f"{payment.response_code} {payment.reason}".strip()


def _original(payment: PaymentRow) -> str:
    return payment.original_rrn or "its original"


def _of_original(payment: PaymentRow) -> str:
    return f" of {payment.original_rrn}" if payment.original_rrn else ""


def _amount_of(payment: PaymentRow) -> str:
    return show_amount(payment.amount_minor, payment.currency)


def show_amount(minor: int, currency: str) -> str:
    """Write an amount for people; `no amount` where a request named none."""
    if not currency and not minor:
        return "no amount"
    if currency not in CURRENCY_NAMES:
        return f"{minor} (minor units{f' of {currency}' if currency else ''})"
    return f"{format_minor(minor, currency)} {CURRENCY_NAMES[currency]}"


def show_moment(at_ms: int) -> str:
    """Write date and time in UTC to the second."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"

"""Deciders of reversals: a terminal's 0400, the issuer's word on ours (docs/rules.md 5)."""

import hashlib
from collections.abc import Sequence
from typing import Final

from switch.domain.declines import IssuerOutcome, issuer_code
from switch.domain.identifiers import make_idempotency_key
from switch.domain.payment.cases import open_case
from switch.domain.payment.events import (
    CaseOpened,
    LateAnswerReceived,
    PaymentEvent,
    PaymentReversed,
    ReversalAccepted,
    ReversalAnswered,
    ReversalRequested,
    TombstoneSet,
)
from switch.domain.payment.originals import (
    Objection,
    Standing,
    is_refunded_with,
    object_to_standing,
    standing_of,
)
from switch.domain.payment.outcomes import DUPLICATE, make_decline
from switch.domain.payment.payment import Payment, Phase, SettlementLine
from switch.domain.payment.requests import Answer, PaymentRequest
from switch.domain.payment.rules import DecisionRules, settlement_day
from switch.domain.payment.state import (
    CONTRADICTION,
    FINAL_REVERSAL_CODES,
    LATE_APPROVAL,
    TRY_LATER_CODES,
)
from switch.domain.reasons import Reason
from switch.domain.transactions import TransactionType, WhenUnknown

ACCEPTED: Final = "00"


def original_keys(request: PaymentRequest) -> tuple[str, ...]:
    """
    Name the keys under which the original of an 0400 was, or would be, asked for; likeliest first.

    With a batch the 0400 has its original's trace number. Without one it has its own: DE 90 quotes
    the original's, sent on the day that the 0400 names or on that of DE 90's transmission time.
    """
    quoted = request.original
    if has_batch(request) or quoted is None or not quoted.stan:
        return (_payment_key(request, request.batch, request.stan),)
    days = dict.fromkeys((request.batch, quoted.date or request.batch))
    return tuple(_payment_key(request, day, quoted.stan) for day in days)


def has_batch(request: PaymentRequest) -> bool:
    """Say whether a request's dialect has batches; else its batch is the local date."""
    return request.batch != request.local_date


def original_stan(request: PaymentRequest) -> str:
    """
    Give the trace number of what an 0400 takes back.

    With a batch it is the 0400's own; what it quotes then (DE 61) is the original of its original.
    """
    quoted = request.original
    return request.stan if has_batch(request) or quoted is None else quoted.stan or request.stan


def _payment_key(request: PaymentRequest, batch: str, stan: str) -> str:
    return make_idempotency_key(
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        batch=batch,
        stan=stan,
        message_class="payment",
    )


def fits_original(request: PaymentRequest, original: Payment) -> bool:
    """
    Compare amount, card and type of an 0400 with the payment that it quotes.

    Of one that was approved in part, either amount will do.
    """
    asked, answer = original.request, original.answer
    theirs, ours = request.card, asked.card
    same_card = theirs is None or ours is None or theirs.is_same_as(ours)
    same_amount = request.amount in {None, asked.amount, answer.amount if answer else None}
    return same_card and same_amount and _type_of(request) == _type_of(asked, request)


def _type_of(request: PaymentRequest, as_told_by: PaymentRequest | None = None) -> tuple[str, ...]:
    """Name the type by what `as_told_by` says of it: a dialect without DE 60.1 says less."""
    told = as_told_by or request
    return (
        request.processing_code if told.processing_code else "",
        (request.pos_condition_code or "00") if told.processing_code else "",
        request.transaction_code if told.transaction_code else "",
    )


def decide_reversal(
    fact: ReversalRequested,
    original: Payment | None,
    rules: DecisionRules,
    chain: Sequence[Payment] = (),
    *,
    is_forgotten: bool = False,
) -> tuple[PaymentEvent, ...]:
    """
    Answer an 0400: 25 and a case where it does not fit its original, 00 in every other case.

    Registry, batch and limits are not asked: giving money back is always accepted. A partner, who
    repeats nothing by itself, is told what cannot be done instead. `chain` is what the original has
    changed: the payment that it concerns, then that one's original. `is_forgotten`: the batch, or
    day, that it quotes is over for so long that nothing of it is remembered; what was refused since
    under the same key is no word on what came first.
    """
    request = fact.request
    if not request.terminal_id and (objection := object_to_partner(request, original, chain)):
        rrn = original.rrn if original else ""
        answer = make_decline(objection.reason, at=fact.at, rrn=rrn, detail=objection.detail)
        return (ReversalAccepted(reversal_key=request.idempotency_key, answer=answer),)
    if original is None:
        cases = (_open_forgotten(fact),) if is_forgotten else ()
        return (*_bury(fact, rules), *cases, _accept(fact, "", rules, upstream=False))
    if not fits_original(request, original):
        answer = make_decline(Reason.REVERSAL_MISMATCH, at=fact.at, rrn=original.rrn)
        refusal = ReversalAccepted(reversal_key=request.idempotency_key, answer=answer)
        told = "an 0400 quotes this payment with another amount, card or type"
        return (open_case(original, "reversal-mismatch", fact.at, told), refusal)
    if is_forgotten and original.phase is Phase.DECLINED:
        accepted = _accept(fact, original.rrn, rules, upstream=False)
        return (*_bury(fact, rules), _open_forgotten(fact), accepted)
    is_elsewhere = bool(request.terminal_id) and (
        original.request.idempotency_key not in original_keys(request)
    )
    buried = _bury(fact, rules) if is_elsewhere else ()
    told = _find_obstacle(original, chain) or _find_refused_advice(original)
    if told and not original.reverse_requested:
        case = open_case(original, "reversal-obstructed", fact.at, told)
        return (*buried, case, _accept(fact, original.rrn, rules, upstream=False))
    upstream = original.phase in {Phase.APPROVED, Phase.ROUTED} and not original.reverse_requested
    accepted = _accept(fact, original.rrn, rules, upstream=upstream and _moves_money(original))
    if upstream and original.advice_open and not original.repeat_attempt_count:
        line = mirror_line(original.line, fact.at, rules)  # its issuer was never told of it
        return (*buried, PaymentReversed(rrn=original.rrn, at=fact.at, line=line), accepted)
    return (*buried, accepted)


def _open_forgotten(fact: ReversalRequested) -> CaseOpened:
    """Let a person look for the debit that a terminal takes for reversed after so long."""
    request = fact.request
    key = hashlib.sha256(request.idempotency_key.encode()).hexdigest()
    return CaseOpened(
        case_id=f"reversal-forgotten-{key[:16]}",
        kind="reversal-forgotten",
        at=fact.at,
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        amount=request.amount,
        detail=f"an 0400 of STAN {request.stan}, batch {request.batch}: it is not remembered",
    )


def _bury(fact: ReversalRequested, rules: DecisionRules) -> tuple[TombstoneSet, ...]:
    """
    Refuse the payment that an 0400 quotes, should it come after all.

    Also where one of a neighbouring batch was taken for it: its terminal has given both up.
    """
    request = fact.request
    return tuple(
        TombstoneSet(
            idempotency_key=key,
            terminal_id=request.terminal_id,
            stan=original_stan(request),
            until=fact.at + rules.tombstone_ms,
        )
        for key in original_keys(request)
    )


def _moves_money(payment: Payment) -> bool:
    """A balance inquiry has nothing to take back."""
    return payment.traits.when_unknown is not WhenUnknown.END


def _find_obstacle(original: Payment, chain: Sequence[Payment]) -> str:
    """
    Say why an 0400 cannot be carried out although it is answered 00; empty if it can.

    Its terminal takes the payment for reversed while something else was done to it: a person must
    see to it. Reversing a refund would take the money that was given back. Reversing a completion's
    void would bring a completion back whose hold may have been used again since.
    """
    if original.transaction is TransactionType.REFUND and original.phase in _GIVEN_BACK:
        return "a refund is never reversed: that would take the money again"
    if original.phase is not Phase.APPROVED:
        return ""
    if original.transaction is TransactionType.COMPLETION_VOID and len(chain) > 1:
        standing = standing_of(chain[1])
        if standing is not Standing.PRE_AUTHORIZATION_OPEN:
            return f"its pre-authorization is {standing.value}: the completion would stand beside"
    if chain and is_refunded_with(chain[0], original):
        return f"what it added was refunded with {chain[0].rrn}: nothing was sent to the issuer"
    if not original.touches:
        return ""
    return f"the payment is {standing_of(original).value}: nothing was sent to the issuer"


_GIVEN_BACK: Final = frozenset({Phase.APPROVED, Phase.REPEATING, Phase.ROUTED})


def _find_refused_advice(original: Payment) -> str:
    """Say so where an approval that its issuer did not take is given up by its terminal as well."""
    answer = original.answer
    if original.phase is not Phase.CASE or answer is None or not answer.is_approval:
        return ""
    return "its issuer has not taken it; its terminal has taken it back: it must not stand"


def object_to_partner(
    request: PaymentRequest, original: Payment | None, chain: Sequence[Payment]
) -> Objection | None:
    """Say why a payment that a partner names by its RRN cannot be reversed; None if it can."""
    if original is None:
        return Objection(Reason.ORIGINAL_NOT_FOUND)
    if not fits_original(request, original):
        return Objection(Reason.ORIGINAL_AMOUNT_MISMATCH)
    if original.request.terminal_id:  # it counts in a batch that only its terminal can correct
        return Objection(Reason.ORIGINAL_OF_OTHER_BATCH, "a terminal's")
    told = _find_obstacle(original, chain)
    if not told or original.reverse_requested:
        return None
    if original.transaction is TransactionType.REFUND:
        return Objection(Reason.TXN_NOT_SUPPORTED, told)
    standing = standing_of(original)
    if standing is Standing.HELD:
        return Objection(Reason.ORIGINAL_HELD)
    if original.touches:
        return object_to_standing(standing)
    return Objection(Reason.ORIGINAL_NOT_OPEN, told)


def _accept(
    fact: ReversalRequested, rrn: str, rules: DecisionRules, *, upstream: bool
) -> ReversalAccepted:
    day = settlement_day(fact.at, rules)
    answer = Answer(
        response_code=ACCEPTED,
        at=fact.at,
        rrn=rrn,
        settlement_date=f"{day.month:02d}{day.day:02d}",
    )
    return ReversalAccepted(
        reversal_key=fact.request.idempotency_key, answer=answer, rrn=rrn, upstream=upstream
    )


def mirror_line(
    line: SettlementLine | None, at: int, rules: DecisionRules
) -> SettlementLine | None:
    """Take a settlement line back; after cut-over the mirror belongs to the new day."""
    if line is None:
        return None
    return SettlementLine(
        acquirer=line.acquirer,
        merchant_id=line.merchant_id,
        terminal_id=line.terminal_id,
        batch=line.batch,
        settlement_date=max(line.settlement_date, settlement_day(at, rules).isoformat()),
        currency=line.currency,
        gross_minor=-line.gross_minor,
        fee_minor=-line.fee_minor,
        agent_id=line.agent_id,
        transaction=line.transaction,
    )


def decide_reversal_answer(
    payment: Payment, fact: ReversalAnswered, rules: DecisionRules
) -> tuple[PaymentEvent, ...]:
    """
    Judge the issuer's answer to our reversal; `payment` does not know of this answer yet.

    A reversal whose debit was never answered is repeated once after the issuer's maximum delay,
    whatever the first answer was: the debit may still have been on its way (docs/design.md 3). An
    issuer that asks for patience gets it, however often; nonsense becomes a case after a while.
    """
    codes = (*payment.reversal_codes, fact.response_code)
    final = [code for code in codes if is_final_reversal_code(code)]
    if fact.response_code in TRY_LATER_CODES:
        return ()
    if not is_final_reversal_code(fact.response_code):
        if len(codes) - len(final) < rules.reversal_answers_bad_count_max:
            return ()
        told = _told("the issuer keeps answering nonsense", fact)
        return (open_case(payment, "reversal-poisoned", fact.at, told),)
    is_first_of_unanswered = not payment.debit_answered and not payment.confirm_after_attempt
    if is_first_of_unanswered or awaits_confirmation(payment):
        return ()
    if ACCEPTED in final:
        line = mirror_line(payment.line, fact.at, rules)
        return (PaymentReversed(rrn=payment.rrn, at=fact.at, line=line),)
    detail = "the issuer says that it knows no debit; reconciliation must confirm it"
    return (open_case(payment, "reversal-not-found", fact.at, _told(detail, fact)),)


def _told(detail: str, fact: ReversalAnswered) -> str:
    return f"{detail} (last answer {fact.response_code})"


def is_final_reversal_code(code: str) -> bool:
    """Say whether an issuer's answer to a reversal says anything at all."""
    return code in FINAL_REVERSAL_CODES


def awaits_confirmation(payment: Payment) -> bool:
    """
    Say whether one more reversal must be sent although the issuer has answered one.

    Answers to attempts before that one say nothing new, however many come.
    """
    return 0 < payment.confirm_after_attempt == payment.reversal_attempt_count


def says_it_is_done(payment: Payment, code: str) -> bool:
    """
    Say whether an answer to an attempt before the confirming one is the first that says so.

    It decides nothing, but is kept: the issuer may say 25 to the repeat of what it has done.
    """
    return (
        awaits_confirmation(payment) and code == ACCEPTED and ACCEPTED not in payment.reversal_codes
    )


def decide_late_answer(
    payment: Payment, fact: LateAnswerReceived, *, is_approval: bool
) -> tuple[PaymentEvent, ...]:
    """
    Never turn a failure into a success; a second answer that contradicts the first is a case.

    So is an approval of what a person called not booked or returned: no issuer has reversed that.
    That a repeat is a duplicate, or to be tried again, is no word on the first; and an inquiry has
    moved nothing. The first approval of what is going back is a case until it is back.
    """
    if not _moves_money(payment):
        return ()
    code, phase = fact.response_code, payment.phase
    if is_approval:
        is_by_hand = phase is Phase.REVERSED and ACCEPTED not in payment.reversal_codes
        contradicts = is_by_hand or phase in {Phase.DECLINED, Phase.CASE}
    else:
        is_no = issuer_code(code).outcome is IssuerOutcome.DECLINED and code != DUPLICATE
        contradicts = phase is Phase.APPROVED and is_no and code not in TRY_LATER_CODES
    if contradicts:
        return (open_case(payment, CONTRADICTION, fact.at, f"the issuer now says {code}"),)
    is_going_back = phase in {Phase.REVERSING, Phase.REVERSED}
    if is_approval and is_going_back and not payment.debit_answered:
        told = f"the issuer approved after it had been given up ({code}): the reversal matters"
        return (open_case(payment, LATE_APPROVAL, fact.at, told),)
    return ()

"""How an operation ended: what is told about it, and what is kept of it."""

from typing import Final

import msgspec

from switch.codec.mti import response_mti
from switch.domain.card import mask_pan
from switch.domain.clock import Now
from switch.domain.transactions import Side
from switch.terminal.batch import KeptPayment
from switch.terminal.messages import AnswerRead, read_balances
from switch.terminal.operations import PAYMENT_ROWS, Operation
from switch.terminal.orders import PaymentOrder
from switch.terminal.outcome import Earlier, OutcomeKind, PosOutcome, Settlement
from switch.terminal.profile import PROFILES
from switch.terminal.requests import REVERSAL_MTI, ManagementMessage, local_date
from switch.terminal.state import PosState, SentPayment

PARTIAL_CODE: Final = "10"
_SIGN_ON_REQUIREMENT: Final = 3
_MAC_WRONG_CODE: Final = "A0"
_OF_LAST: Final = frozenset({Operation.REPEAT, Operation.REVERSAL})
# not on either side of the batch's totals, but quoted later
_KEPT_BESIDES: Final = frozenset({Operation.PRE_AUTHORIZATION, Operation.PRE_AUTHORIZATION_VOID})


class End(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known when an operation is over; `order` is one that was never begun."""

    operation: Operation
    kind: OutcomeKind
    order: PaymentOrder | None = None
    asked: ManagementMessage | None = None
    answer: AnswerRead | None = None
    settlement: Settlement | None = None
    trouble: str = ""
    earlier: Earlier | None = None


# trace number, amount, currency, card, RRN of the original, and what is repeated or reversed
_Subject = tuple[str, int, str, str, str, Operation | None]
_NO_SUBJECT: Final[_Subject] = ("", 0, "", "", "", None)


def describe_end(end: End, state: PosState, now: Now) -> PosOutcome:
    """Say how an operation ended."""
    stan, amount_minor, currency, pan, original_rrn, about = _find_subject(end, state)
    answer = end.answer
    profile = PROFILES[state.profile]
    is_partial = answer is not None and answer.response_code == PARTIAL_CODE
    has_balances = answer is not None and "additional_amounts" in answer.message.fields
    code = answer.response_code if answer else ""
    is_reversed = answer is not None and answer.message.mti == response_mti(REVERSAL_MTI)
    is_of_reversal = is_reversed and end.operation is not Operation.REVERSAL
    return PosOutcome(
        operation=end.operation,
        kind=end.kind,
        terminal_id=state.terminal_id,
        merchant_id=state.merchant_id,
        batch=_find_batch(end, state),
        stan=stan,
        amount_minor=amount_minor,
        currency=currency,
        masked_pan=mask_pan(pan) if pan else "",
        at=now.wall_ms,
        response_code="" if is_of_reversal else code,
        reversal_code=code if is_of_reversal else "",
        reason=answer.reason if answer else "",
        detail=answer.detail if answer else "",
        rrn=answer.rrn if answer else "",
        authorization_id=answer.authorization_id if answer else "",
        settlement_date=answer.settlement_date if answer else "",
        approved_minor=answer.amount_minor if answer and is_partial else None,
        is_proven=answer.is_proven if answer else True,
        trouble=end.trouble,
        owes_reversal=state.owes_reversal,
        owes_repeat=state.owes_repeat,
        must_sign_on=bool(answer and answer.processing_requirement == _SIGN_ON_REQUIREMENT),
        keys_merchant_id=_find_keys_merchant(state) if code == _MAC_WRONG_CODE else "",
        about=about,
        original_rrn=original_rrn,
        balances=read_balances(answer, profile.dialect) if answer and has_balances else (),
        settlement=end.settlement,
        earlier=_find_blocker(state) if end.kind is OutcomeKind.BLOCKED else end.earlier,
    )


def describe_earlier(payment: SentPayment, kind: OutcomeKind) -> Earlier:
    """Say what became of an earlier payment that was still owed something."""
    fields = payment.fields
    return Earlier(
        operation=payment.operation,
        stan=fields["stan"],
        amount_minor=int(fields.get("amount_transaction", "0")),
        currency=fields.get("currency", ""),
        kind=kind,
    )


def _find_blocker(state: PosState) -> Earlier | None:
    """Find the payment because of which nothing new was begun."""
    if state.last is None:
        return None
    owes = OutcomeKind.REVERSAL_OWED if state.owes_reversal else OutcomeKind.REPEAT_OWED
    return describe_earlier(state.last, owes)


def _find_keys_merchant(state: PosState) -> str:
    """Name the merchant of the last sign-on, if it is not the one in use."""
    is_other = state.is_signed_on and state.keys_merchant_id != state.merchant_id
    return state.keys_merchant_id if is_other else ""


def _find_batch(end: End, state: PosState) -> str:
    """Say of which batch it was; the end of a batch is of the one that it closed."""
    if not PROFILES[state.profile].has_batch:
        return ""
    closed = end.settlement.batch if end.settlement else ""
    return closed or state.batch


def _find_subject(end: End, state: PosState) -> _Subject:
    """Say what it was about: a new order, a message of the terminal, or the last payment."""
    order, last, operation = end.order, state.last, end.operation
    if order is not None:
        original_rrn = order.original.rrn if order.original else ""
        return "", order.amount_minor, order.currency, order.pan, original_rrn, None
    if end.asked is not None:
        return end.asked.fields["stan"], 0, "", "", "", None
    is_about_last = operation in PAYMENT_ROWS or operation in _OF_LAST
    if last is None or not is_about_last:
        return _NO_SUBJECT
    fields = last.fields
    return (
        fields.get("stan", ""),
        int(fields.get("amount_transaction", "0")),
        fields.get("currency", ""),
        fields.get("pan", ""),
        last.original_rrn,
        last.operation if operation in _OF_LAST else None,
    )


def read_approval(payment: SentPayment, answer: AnswerRead, now: Now) -> KeptPayment | None:
    """Say what is kept of an approved payment; None if neither totals nor messages need it."""
    operation, fields = payment.operation, payment.fields
    if PAYMENT_ROWS[operation].side is Side.NEITHER and operation not in _KEPT_BESIDES:
        return None
    approved_minor = answer.amount_minor if answer.response_code == PARTIAL_CODE else None
    if approved_minor is None:
        approved_minor = int(fields["amount_transaction"])
    return KeptPayment(
        operation=operation,
        mti=payment.mti,
        batch=payment.batch,
        stan=fields["stan"],
        amount_minor=approved_minor,
        currency=fields["currency"],
        pan=fields["pan"],
        expiration_date=fields.get("expiration_date", ""),
        rrn=answer.rrn,
        authorization_id=answer.authorization_id,
        date=answer.local_date or local_date(now),
        transmission_time=fields.get("transmission_time", ""),
        original_rrn=payment.original_rrn,
    )

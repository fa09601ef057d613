"""
What a partner is told over HTTP: a payment as a resource, a refused request as a problem.

The catalogue speaks to terminals; where its words do not fit a partner, or a void or refund, the
words are here.
"""

from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from switch.domain.declines import Decline, IssuerCode, Words, decline_of, issuer_code
from switch.domain.payment.originals import Standing, standing_of
from switch.domain.payment.payment import Payment, Phase, gives_back
from switch.domain.payment.requests import APPROVED_CODES, Answer
from switch.domain.reasons import Reason
from switch.domain.transactions import Actor, MoneyState, Retry, TransactionType

CREATED: Final = 201
ACCEPTED: Final = 202
BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404
CONFLICT: Final = 409
UNPROCESSABLE: Final = 422
UNAVAILABLE: Final = 503

APPROVED: Final = "approved"
DECLINED: Final = "declined"
UNKNOWN: Final = "unknown"
REVERSED: Final = "reversed"
REVERSAL: Final = "reversal"  # the `transaction` of what /reverse answers
PAYMENTS_PATH: Final = "/v1/payments"

StatusWord = Annotated[
    str, Meta(extra_json_schema={"enum": [APPROVED, DECLINED, UNKNOWN, REVERSED]})
]
MoneyWord = Annotated[str, Meta(extra_json_schema={"enum": [state.value for state in MoneyState]})]
FindPayment = Callable[[str], Payment | None]


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What another transaction does to a payment, or to one of its changes (`original_rrn`)."""

    rrn: str
    original_rrn: str
    transaction: str
    status: StatusWord
    money_state: MoneyWord
    amount_minor: int
    currency: str
    at: str = ""  # when it was asked for, ISO 8601


class PaymentResource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A transaction of a partner: a decline is a resource, not an HTTP error.

    `money_state` of a void or refund is that of the money which it gives back. `original_rrn` names
    the payment that it changes. Looked up, it says in `verdict` where the money is, in one line,
    and in `changes` what others did to it.
    """

    status: StatusWord
    money_state: MoneyWord
    response_code: str = ""
    transaction: str = ""
    rrn: str = ""
    original_rrn: str = ""
    reason_code: str = ""
    detail: str = ""
    authorization_id: str = ""
    settlement_date: str = ""
    amount_minor: int = 0
    currency: str = ""
    card: str = ""
    card_token: str = ""
    actor: str = ""
    retry: str = ""
    message_zh: str = ""
    message_en: str = ""
    next_action_zh: str = ""
    next_action_en: str = ""
    status_url: str = ""
    verdict: str = ""
    refunded_minor: int = 0
    changes: tuple[Change, ...] = ()


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An RFC 9457 problem: the request as such could not be served."""

    type: str
    title: str
    status: int
    detail: str
    reason_code: str = ""
    rrn: str = ""
    retry: str = ""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer means, who acts next, whether to ask again."""

    actor: str
    retry: str
    message: Words
    next_action: Words


_encode = msgspec.json.Encoder().encode

# -- words -----------------------------------------------------------------------------------------

_Sayings = tuple[Words, Words]
_NEW_ATTEMPT: Final = Words(zh="如仍需要,请以新的请求重新发起", en="Ask again with a new key")
_PARTNER_WORDS: Final[dict[Reason, _Sayings]] = {
    Reason.ALREADY_REVERSED: (
        Words(
            zh="该交易已冲正,如已扣款将退回",
            en="This payment was reversed; what was debited goes back",
        ),
        Words(
            zh="如需收款,请以新的请求重新发起",
            en="If it is still wanted, ask for a new payment with a new key",
        ),
    ),
    Reason.ORIGINAL_OF_OTHER_BATCH: (
        Words(
            zh="原交易已过日切或属于终端,不能撤销",
            en="The payment is of an earlier settlement day or of a terminal, so it cannot be"
            " voided or reversed here",
        ),
        Words(zh="请改用退货", en="Refund it instead"),
    ),
    Reason.ORIGINAL_NOT_FOUND: (
        Words(zh="未找到可如此变更的原交易", en="There is no such payment that can be changed so"),
        Words(
            zh="请核对参考号和交易类型",
            en="Check the reference number and what kind of transaction it is",
        ),
    ),
}
# of a void: the payment that it would have given back stays as it was
_IN_CASE: Final[_Sayings] = (
    Words(zh="结果待人工核实", en="A person must find out what became of this"),
    Words(
        zh="请勿重复办理;请凭参考号查询",
        en="Do not ask for it again; look it up by its reference number",
    ),
)
_VOID_UNKNOWN: Final[_Sayings] = (
    Words(zh="撤销结果确认中", en="Nobody knows yet whether the issuer carried this out"),
    Words(
        zh="请凭参考号查询;如未成功,原交易保持不变",
        en="Look it up by its reference number; it is being taken back, and then the payment"
        " stands as before",
    ),
)
_VOID_UNDONE: Final[_Sayings] = (
    Words(
        zh="发卡行未及时应答,本次未生效,原交易保持不变",
        en="The issuer did not answer in time; this was taken back and the payment stands",
    ),
    _NEW_ATTEMPT,
)
_DEBIT_UNDONE: Final[_Sayings] = (
    Words(
        zh="发卡行未及时应答,如已扣款已退回",
        en="The issuer did not answer in time; whatever was debited has been returned",
    ),
    _NEW_ATTEMPT,
)
_REVERSAL_ACCEPTED: Final[_Sayings] = (
    Words(zh="冲正已受理", en="The reversal is accepted"),
    Words(
        zh="系统将持续通知发卡行直至确认", en="Nothing to do; the issuer is told until it answers"
    ),
)


def tell(
    response_code: str,
    reason: str,
    transaction: TransactionType = TransactionType.SALE,
    phase: Phase | None = None,
) -> Told:
    """Put an answer into a partner's words, as the transaction now stands."""
    if phase is Phase.CASE:
        return Told(
            actor=Actor.ACQUIRER.value,
            retry=Retry.NEVER.value,
            message=_IN_CASE[0],
            next_action=_IN_CASE[1],
        )
    said: Decline | IssuerCode
    if not reason or reason == Reason.ISSUER_DECLINED.value:
        said = issuer_code(response_code)
    else:
        said = decline_of(Reason(reason))
    retry = said.retry
    sayings = _PARTNER_WORDS.get(Reason(reason)) if reason else None
    if reason == Reason.UPSTREAM_UNKNOWN.value:
        if phase is Phase.REVERSED:
            sayings, retry = _VOID_UNDONE, Retry.NEW_ATTEMPT
            if not gives_back(transaction):
                sayings = _DEBIT_UNDONE
        elif gives_back(transaction):
            sayings = _VOID_UNKNOWN
    message, next_action = sayings or (
        Words(zh=said.zh, en=said.en),
        Words(zh=said.next_zh, en=said.next_en),
    )
    return Told(actor=said.actor.value, retry=retry.value, message=message, next_action=next_action)


# -- where it stands -------------------------------------------------------------------------------


def money_left(original: Payment) -> MoneyState:
    """Say where the money of a payment is after all that was done to it."""
    standing = standing_of(original)
    is_hold = original.transaction is TransactionType.PRE_AUTHORIZATION
    if is_hold and standing is Standing.COMPLETED:
        return MoneyState.DEBITED
    if not is_hold and standing in {Standing.VOIDED, Standing.REFUNDED}:
        return MoneyState.RETURNED
    if standing is Standing.REVERSED and original.phase is Phase.ROUTED:
        return MoneyState.RETURNING
    return original.money_state


def _judge(
    answer: Answer, payment: Payment | None, original: Payment | None
) -> tuple[str, MoneyState]:
    """Say how a transaction stands, and where its money is."""
    if payment is None:
        if answer.is_approval:
            return APPROVED, MoneyState.DEBITED
        return _judge_refused(answer)
    now = payment.money_state
    match payment.phase:
        case Phase.APPROVED:
            return APPROVED, now
        case Phase.CASE:
            return UNKNOWN, MoneyState.UNKNOWN
        case Phase.REPEATING:
            return UNKNOWN, now
        case Phase.REVERSING | Phase.REVERSED if payment.reverse_requested:
            return REVERSED, now
        case Phase.REVERSED:
            return DECLINED, now
        case Phase.REVERSING:
            return _judge_refused(answer)[0], now
        case _ if original is not None and gives_back(payment.transaction):
            return DECLINED, money_left(original)
        case _:
            return DECLINED, now


def _judge_refused(answer: Answer) -> tuple[str, MoneyState]:
    is_issuers = answer.reason == Reason.ISSUER_DECLINED.value
    money = MoneyState.NOT_DEBITED if is_issuers else decline_of(Reason(answer.reason)).money_state
    return (UNKNOWN if money is MoneyState.UNKNOWN else DECLINED), money


def make_resource(
    answer: Answer, payment: Payment | None, original: Payment | None = None
) -> PaymentResource:
    """Describe a transaction to the partner that asked for it, with what to do next."""
    status, money = _judge(answer, payment, original)
    told = tell(
        answer.response_code,
        answer.reason,
        payment.transaction if payment else TransactionType.SALE,
        payment.phase if payment else None,
    )
    return _describe(
        answer,
        payment,
        told,
        status=status,
        money_state=money.value,
        transaction=payment.transaction.value if payment else "",
        original_rrn=_original_rrn(payment),
    )


def make_reversal(answer: Answer, payment: Payment | None) -> PaymentResource:
    """Describe what became of a request to reverse; `payment` is the one to be reversed."""
    told = tell(answer.response_code, answer.reason)
    money = payment.money_state if payment else MoneyState.RETURNED
    status = REVERSED
    if answer.reason:
        status = DECLINED
        money = money_left(payment) if payment else MoneyState.NOT_DEBITED
    elif payment is not None and payment.phase is Phase.CASE:
        status = UNKNOWN
    else:
        told = msgspec.structs.replace(
            told, message=_REVERSAL_ACCEPTED[0], next_action=_REVERSAL_ACCEPTED[1]
        )
        if payment is not None and payment.phase is Phase.ROUTED:
            money = MoneyState.RETURNING
    return _describe(
        answer,
        payment,
        told,
        status=status,
        money_state=money.value,
        transaction=REVERSAL,
        original_rrn=answer.rrn,
    )


def _original_rrn(payment: Payment | None) -> str:
    if payment is None:
        return ""
    quoted = payment.request.original
    return payment.original_rrn or (quoted.rrn if quoted else "")


def _describe(
    answer: Answer,
    payment: Payment | None,
    told: Told,
    *,
    status: str,
    money_state: str,
    transaction: str,
    original_rrn: str,
) -> PaymentResource:
    request = payment.request if payment else None
    card = request.card if request else None
    amount = answer.amount or (request.amount if request else None)
    is_settled = money_state not in {MoneyState.UNKNOWN.value, MoneyState.RETURNING.value}
    return PaymentResource(
        status=status,
        money_state=money_state,
        response_code=answer.response_code,
        transaction=transaction,
        rrn=answer.rrn,
        original_rrn=original_rrn,
        reason_code=answer.reason,
        detail=answer.detail,
        authorization_id=answer.authorization_id,
        settlement_date=payment.line.settlement_date if payment and payment.line else "",
        amount_minor=amount.minor if amount else 0,
        currency=amount.currency if amount else "",
        card=card.masked_pan if card else "",
        card_token=card.token if card else "",
        actor=told.actor,
        retry=told.retry,
        message_zh=told.message.zh,
        message_en=told.message.en,
        next_action_zh=told.next_action.zh,
        next_action_en=told.next_action.en,
        status_url="" if is_settled or not answer.rrn else f"{PAYMENTS_PATH}/{answer.rrn}",
    )


def show_status(phase: Phase, response_code: str, reason: str) -> str:
    """Say how a transaction that is only looked up stands: as a repeat of its request is told."""
    was_taken_back = response_code in APPROVED_CODES or reason == Reason.ALREADY_REVERSED.value
    if was_taken_back and phase in {Phase.REVERSING, Phase.REVERSED}:
        return REVERSED
    if phase is Phase.REVERSING and reason == Reason.UPSTREAM_UNKNOWN.value:
        return UNKNOWN  # it may still become a case
    return _SHOWN[phase]


_SHOWN: Final = {
    Phase.APPROVED: APPROVED,
    Phase.ROUTED: UNKNOWN,
    Phase.REQUESTED: UNKNOWN,
    Phase.REPEATING: UNKNOWN,
    Phase.CASE: UNKNOWN,
    Phase.REVERSING: DECLINED,
    Phase.REVERSED: DECLINED,
    Phase.DECLINED: DECLINED,
}
assert set(_SHOWN) == set(Phase), "a phase that cannot be shown"

# -- HTTP ------------------------------------------------------------------------------------------

_CONFLICT_DETAILS: Final = {
    Reason.DUPLICATE_CONFLICT.value: (
        "Nothing was done for this request. Look up the first one under this rrn; a new one needs"
        " a new Idempotency-Key."
    ),
    Reason.LATE_AFTER_REVERSAL.value: decline_of(Reason.LATE_AFTER_REVERSAL).next_en,
}
_REFUSALS: Final = {
    Reason.FORMAT_ERROR.value: BAD_REQUEST,
    Reason.ORIGINAL_UNREADABLE.value: UNAVAILABLE,
}


def write_payment(
    answer: Answer, payment: Payment | None, find_payment: FindPayment
) -> tuple[int, bytes]:
    """Write HTTP status and body for a payment, void, refund or capture."""
    if answer.reason in _CONFLICT_DETAILS:
        return _write_problem(
            UNPROCESSABLE,
            "idempotency-key-reused",
            "The Idempotency-Key was used with other content",
            _CONFLICT_DETAILS[answer.reason],
            answer,
        )
    if payment is None and answer.reason in _REFUSALS:
        told = tell(answer.response_code, answer.reason)
        detail = answer.detail or told.next_action.en
        status = _REFUSALS[answer.reason]
        return _write_problem(status, answer.reason, told.message.en, detail, answer)
    if _is_not_found(answer):
        return _write_not_found(answer)
    original_rrn = _original_rrn(payment)
    original = find_payment(original_rrn) if original_rrn else None
    return _write(make_resource(answer, payment, original))


def write_reversal(answer: Answer, find_payment: FindPayment) -> tuple[int, bytes]:
    """Write HTTP status and body for a request to reverse."""
    if answer.reason in _CONFLICT_DETAILS:
        return write_payment(answer, None, find_payment)
    if _is_not_found(answer):
        return _write_not_found(answer)
    return _write(make_reversal(answer, find_payment(answer.rrn)))


def write_in_progress(payment: Payment) -> tuple[int, bytes]:
    """Write HTTP status and body for a key whose first request still runs."""
    problem = Problem(
        type="urn:payment-switch:problem:in-progress",
        title="The first request under this Idempotency-Key still runs",
        status=CONFLICT,
        detail="Ask again with the same key after the time in Retry-After.",
        rrn=payment.rrn,
        retry=Retry.SAME_KEY.value,
    )
    return CONFLICT, _encode(problem)


def _is_not_found(answer: Answer) -> bool:
    """With a detail there is a payment, only of a kind that cannot be changed so."""
    return answer.reason == Reason.ORIGINAL_NOT_FOUND.value and not answer.detail


def _write_not_found(answer: Answer) -> tuple[int, bytes]:
    return _write_problem(
        NOT_FOUND,
        "payment-not-found",
        "Payment not found",
        "No payment of this merchant under this rrn can be changed; one of long ago can only be"
        " refunded.",
        answer,
    )


def _write_problem(
    status: int, kind: str, title: str, detail: str, answer: Answer
) -> tuple[int, bytes]:
    retry = Retry.SAME_KEY if status == UNAVAILABLE else Retry.NEVER
    problem = Problem(
        type=f"urn:payment-switch:problem:{kind}",
        title=title,
        status=status,
        detail=detail,
        reason_code=answer.reason,
        rrn=answer.rrn,
        retry=retry.value,
    )
    return status, _encode(problem)


def _write(resource: PaymentResource) -> tuple[int, bytes]:
    return (ACCEPTED if resource.status == UNKNOWN else CREATED), _encode(resource)

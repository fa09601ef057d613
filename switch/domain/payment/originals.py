"""
The payment that a void, refund, completion or adjustment concerns (docs/rules.md 5).

It is held from the decision about it until the outcome of that one is known; so no two of them can
both have it.
"""

import enum
from fractions import Fraction
from typing import Final, NamedTuple

from msgspec.structs import replace

from switch.domain.fees import compute_fee
from switch.domain.money import Money
from switch.domain.payment.payment import Payment, Phase, SettlementLine, Touch
from switch.domain.payment.requests import PaymentRequest
from switch.domain.payment.rules import DecisionRules, settlement_day
from switch.domain.reasons import Reason
from switch.domain.transactions import TRAITS, TransactionType

TOUCHES_COUNT_MAX: Final = 100  # of one original; the next is refused
COMPLETION_MAX_PERCENT: Final = 115
_DAY_MS: Final = 86_400_000
VOIDS: Final = frozenset(
    {
        TransactionType.SALE_VOID,
        TransactionType.PRE_AUTHORIZATION_VOID,
        TransactionType.COMPLETION_VOID,
    }
)
_COMPLETIONS: Final = frozenset({TransactionType.COMPLETION, TransactionType.COMPLETION_ADVICE})


class Standing(enum.Enum):
    """What an approved payment is now, as those that touch it left it."""

    NORMAL = "normal"
    HELD = "held"  # a void, refund or completion of it is running
    VOIDED = "voided"
    ADJUSTED = "adjusted"
    PARTLY_REFUNDED = "partly-refunded"
    REFUNDED = "refunded"
    PRE_AUTHORIZATION_OPEN = "pre-authorization-open"
    COMPLETED = "completed"
    REVERSED = "reversed"
    NOT_APPROVED = "not-approved"


def standing_of(payment: Payment) -> Standing:
    """Say how an original stands."""
    if payment.reverse_requested or payment.phase in {Phase.REVERSING, Phase.REVERSED}:
        return Standing.REVERSED
    if payment.phase is not Phase.APPROVED:
        return Standing.NOT_APPROVED
    if any(not touch.is_done for touch in payment.touches):
        return Standing.HELD
    kinds = {touch.transaction for touch in payment.touches}
    if kinds & VOIDS:
        return Standing.VOIDED
    if kinds & _COMPLETIONS:
        return Standing.COMPLETED
    if refunded := refunded_minor(payment):
        is_all = refunded >= debited_minor(payment)
        return Standing.REFUNDED if is_all else Standing.PARTLY_REFUNDED
    if TransactionType.ADJUSTMENT_ADVICE in kinds:
        return Standing.ADJUSTED
    if payment.transaction is TransactionType.PRE_AUTHORIZATION:
        return Standing.PRE_AUTHORIZATION_OPEN
    return Standing.NORMAL


def refunded_minor(payment: Payment, *, with_held: bool = False) -> int:
    """Add up what was refunded of a payment, and with `with_held` what may still be."""
    return sum(
        touch.minor
        for touch in payment.touches
        if touch.transaction is TransactionType.REFUND and (touch.is_done or with_held)
    )


def adjusted_minor(payment: Payment) -> int:
    """Add up what adjustments have added to a payment."""
    return sum(map(_added_minor, payment.touches))


def debited_minor(payment: Payment) -> int:
    """Say what was finally debited of a payment: what was approved, and what adjustments added."""
    return payment.approved_minor + sum(map(_kept_minor, payment.touches))


def is_refunded_with(sale: Payment, adjustment: Payment) -> bool:
    """
    Say whether what an adjustment added was given back with its sale, or is being.

    Nothing was given back of other adjustments that are going back, or that an issuer is still told
    of and may refuse.
    """
    amount = adjustment.amount
    if adjustment.transaction is not TransactionType.ADJUSTMENT_ADVICE or amount is None:
        return False
    sure = (one for one in sale.touches if one.is_done and one.is_told)
    rest = sale.approved_minor + sum(_kept_minor(one) for one in sure if one.rrn != adjustment.rrn)
    return rest < refunded_minor(sale, with_held=True)


def _added_minor(touch: Touch) -> int:
    return touch.minor if touch.transaction is TransactionType.ADJUSTMENT_ADVICE else 0


def _kept_minor(touch: Touch) -> int:
    return _added_minor(touch) - touch.returned_minor


class Objection(NamedTuple):
    """Why a payment cannot be changed as asked."""

    reason: Reason
    detail: str = ""


def check_original(
    request: PaymentRequest, original: Payment | None, at: int, rules: DecisionRules
) -> Objection | None:
    """Say what is wrong with the original of a request that needs one; None if nothing is."""
    kinds = TRAITS[request.transaction].originals
    if original is None or not _is_same_shop(request, original):
        return Objection(Reason.ORIGINAL_NOT_FOUND)
    if original.transaction not in kinds:
        return Objection(Reason.ORIGINAL_NOT_FOUND, _name_kind(original))
    if _has_other_card(request, original):
        return Objection(Reason.ORIGINAL_CARD_MISMATCH)
    return (
        _check_standing(request, original)
        or _check_age(request, original, at, rules)
        or _check_amount(request, original)
    )


def _name_kind(original: Payment) -> str:
    """Say what a payment of a kind that cannot be changed so is; of an adjustment, of what."""
    if original.transaction is TransactionType.ADJUSTMENT_ADVICE and original.original_rrn:
        return f"it adjusts {original.original_rrn}"
    return f"it is a {original.transaction.value}"


def _is_same_shop(request: PaymentRequest, original: Payment) -> bool:
    """Only the merchant itself may change its payments, and what it quotes must agree."""
    asked, quoted = original.request, request.original
    if (asked.acquirer, asked.merchant_id) != (request.acquirer, request.merchant_id):
        return False
    if quoted is None:
        return False
    is_same_batch = not quoted.batch.strip("0") or quoted.batch == asked.batch
    is_same_stan = not quoted.stan.strip("0") or quoted.stan == asked.stan
    return is_same_batch and is_same_stan


def _has_other_card(request: PaymentRequest, original: Payment) -> bool:
    theirs, ours = request.card, original.request.card
    return theirs is not None and ours is not None and not theirs.is_same_as(ours)


def _check_standing(request: PaymentRequest, original: Payment) -> Objection | None:
    standing = standing_of(original)
    if standing is Standing.HELD and not _is_refund_beside_refunds(request, original):
        return Objection(Reason.ORIGINAL_HELD)
    if original.advice_open and request.transaction is not TransactionType.ADJUSTMENT_ADVICE:
        return Objection(Reason.ORIGINAL_HELD, _STILL_TOLD)
    wanted = _WANTED_STANDINGS.get(request.transaction, _NORMAL)
    if standing not in wanted:
        return object_to_standing(standing)
    if len(original.touches) >= TOUCHES_COUNT_MAX:
        return Objection(Reason.ORIGINAL_NOT_OPEN, f"changed {TOUCHES_COUNT_MAX} times")
    return None


def object_to_standing(standing: Standing) -> Objection:
    """Say why what was changed is neither voided nor reversed: money may be left to be refunded."""
    if standing in {Standing.ADJUSTED, Standing.PARTLY_REFUNDED}:
        return Objection(Reason.ORIGINAL_REFUND_ONLY, standing.value)
    return Objection(Reason.ORIGINAL_NOT_OPEN, standing.value)


def _is_refund_beside_refunds(request: PaymentRequest, original: Payment) -> bool:
    """Refunds may run side by side: each holds its own part."""
    refund = TransactionType.REFUND
    running = (touch for touch in original.touches if not touch.is_done)
    return request.transaction is refund and all(t.transaction is refund for t in running)


# what gives money back must not overtake what takes it
_STILL_TOLD: Final = "its issuer is still being told of it"
# of a part nobody could say which of its instalments are over
_WHOLE_ONLY: Final = "an instalment sale is refunded whole"
_OF_REFUND_DAYS: Final = frozenset({TransactionType.REFUND, TransactionType.ADJUSTMENT_ADVICE})
_NORMAL: Final = frozenset({Standing.NORMAL})
_OPEN_HOLD: Final = frozenset({Standing.PRE_AUTHORIZATION_OPEN})
_WANTED_STANDINGS: Final = {
    TransactionType.REFUND: frozenset(
        {
            Standing.NORMAL,
            Standing.ADJUSTED,
            Standing.PARTLY_REFUNDED,
            Standing.REFUNDED,
            Standing.HELD,
        }
    ),
    TransactionType.ADJUSTMENT_ADVICE: frozenset({Standing.NORMAL, Standing.ADJUSTED}),
    TransactionType.PRE_AUTHORIZATION_VOID: _OPEN_HOLD,
    TransactionType.COMPLETION: _OPEN_HOLD,
    TransactionType.COMPLETION_ADVICE: _OPEN_HOLD,
}


def _check_age(
    request: PaymentRequest, original: Payment, at: int, rules: DecisionRules
) -> Objection | None:
    """
    Voids belong to the batch of their original; holds, refunds and adjustments have their days.

    After those nobody remembers what was done to it: read back it looks as if it stood.
    """
    age_ms = at - original.opened_at
    transaction = request.transaction
    if transaction in {TransactionType.SALE_VOID, TransactionType.COMPLETION_VOID}:
        if original.request.batch != request.batch:
            return Objection(Reason.ORIGINAL_OF_OTHER_BATCH, f"batch {original.request.batch}")
        if original.request.terminal_id != request.terminal_id:
            return Objection(Reason.ORIGINAL_OF_OTHER_BATCH, "another terminal's")
        if not request.batch and not _is_of_the_day(original, at, rules):
            return Objection(Reason.ORIGINAL_OF_OTHER_BATCH, "another settlement day's")
        return None
    if transaction in _OF_REFUND_DAYS and age_ms > rules.refund_days * _DAY_MS:
        return Objection(Reason.ORIGINAL_TOO_OLD, f"over {rules.refund_days} days")
    if (
        TransactionType.PRE_AUTHORIZATION in TRAITS[transaction].originals
        and age_ms > rules.pre_authorization_days * _DAY_MS
    ):
        return Objection(Reason.ORIGINAL_TOO_OLD, f"over {rules.pre_authorization_days} days")
    return None


def _is_of_the_day(original: Payment, at: int, rules: DecisionRules) -> bool:
    """Say whether a partner's payment, which has no batch, is of the day that is still open."""
    return settlement_day(original.opened_at, rules) == settlement_day(at, rules)


def _check_amount(request: PaymentRequest, original: Payment) -> Objection | None:
    asked, had = request.amount, original.amount
    if asked is None or had is None or asked.currency != had.currency:
        return Objection(Reason.ORIGINAL_AMOUNT_MISMATCH)
    minor = original.approved_minor
    if request.transaction in VOIDS:
        return None if asked.minor == minor else Objection(Reason.ORIGINAL_AMOUNT_MISMATCH)
    if request.transaction is TransactionType.REFUND:
        return _check_rest(asked, original)
    if request.transaction in _COMPLETIONS and asked.minor * 100 > minor * COMPLETION_MAX_PERCENT:
        limit = Money(minor * COMPLETION_MAX_PERCENT // 100, had.currency)
        return Objection(Reason.COMPLETION_OVER_LIMIT, f"limit {limit}")
    return None


def _check_rest(asked: Money, original: Payment) -> Objection | None:
    """Give back no more than was finally debited, and nothing that an issuer is still told of."""
    rest = debited_minor(original) - refunded_minor(original, with_held=True)
    if asked.minor > rest:
        return Objection(Reason.REFUND_OVER_REST, f"rest {Money(rest, asked.currency)}")
    if original.transaction is TransactionType.INSTALMENT_SALE and asked.minor < rest:
        return Objection(Reason.ORIGINAL_AMOUNT_MISMATCH, _WHOLE_ONLY)
    untold = sum(touch.minor for touch in original.touches if not touch.is_told)
    return Objection(Reason.ORIGINAL_HELD, _STILL_TOLD) if asked.minor > rest - untold else None


# -- what touches an original --------------------------------------------------------------------


def touch_of(payment: Payment) -> Touch | None:
    """
    Say what a payment does to its original: holds it, has changed it, or (None) leaves it alone.

    A completion that was voided no longer takes its pre-authorization; while its void runs, it
    holds it.
    """
    if not payment.original_rrn:
        return None
    if payment.phase is Phase.APPROVED:
        standing = standing_of(payment)
        if standing is Standing.VOIDED:
            return None
        is_done = standing is not Standing.HELD
    elif payment.phase in _HOLDING:
        is_done = False
    else:
        return None
    amount = payment.amount
    is_adjustment = payment.transaction is TransactionType.ADJUSTMENT_ADVICE
    has_fee = is_adjustment or payment.transaction is TransactionType.REFUND
    own_fee_minor = payment.line.fee_minor if payment.line else 0
    return Touch(
        rrn=payment.rrn,
        transaction=payment.transaction,
        minor=amount.minor if amount else 0,
        is_done=is_done,
        fee_minor=own_fee_minor + _sum_fees(payment.touches) if has_fee else 0,
        is_told=not (is_adjustment and payment.advice_open),
        returned_minor=refunded_minor(payment) if is_adjustment else 0,
    )


_HOLDING: Final = frozenset({Phase.ROUTED, Phase.REVERSING, Phase.REPEATING, Phase.CASE})


def with_touch(original: Payment, rrn: str, touch: Touch | None) -> Payment:
    """Return the original with what `rrn` now does to it."""
    others = tuple(one for one in original.touches if one.rrn != rrn)
    return replace(original, touches=others if touch is None else (*others, touch))


# -- settlement -----------------------------------------------------------------------------------


def give_back_line(
    payment: Payment, original: Payment, settlement_date: str
) -> SettlementLine | None:
    """
    Write the line of an approved void or refund; a hold that is given up settles nothing.

    A void mirrors its original. Of a refund the fee is what is left of the fee of the original and
    its adjustments, less the fee of what then remains: so refunds in parts give back exactly the
    fee (docs/rules.md 8), and no more of it if an adjustment is taken back between them.
    """
    taken = original.line
    if taken is None:
        return None
    if payment.transaction in VOIDS:
        gross, fee = taken.gross_minor, taken.fee_minor
    else:
        assert payment.amount is not None
        gross = payment.amount.minor
        fee = _fee_returned(original, taken, gross)
    request = payment.request
    return SettlementLine(
        acquirer=taken.acquirer,
        merchant_id=taken.merchant_id,
        terminal_id=request.terminal_id,
        batch=request.batch,
        settlement_date=settlement_date,
        currency=taken.currency,
        gross_minor=-gross,
        fee_minor=-fee,
        agent_id=taken.agent_id,
        transaction=payment.transaction,
    )


def _fee_returned(original: Payment, taken: SettlementLine, refunded: int) -> int:
    assert original.terms is not None, "a payment that was never routed has no line"
    plan = original.terms.fee_plan
    if not plan.is_returned_on_refund:
        return 0
    left = taken.fee_minor + _sum_fees(original.touches)
    gross = taken.gross_minor + sum(map(_kept_minor, original.touches))
    rest = gross - refunded_minor(original) - refunded
    if rest <= 0:
        return left
    return max(left - max(compute_fee(rest, plan), _own_fees(original.touches, rest)), 0)


def _own_fees(touches: tuple[Touch, ...], rest: int) -> int:
    """
    Bound the fees of the adjustments that may yet be taken back, each with its own fee.

    Together they come to no more than the rest: so to no more fees than the dearest of them cost,
    the last one in proportion.
    """
    added = [touch for touch in touches if 0 < _kept_minor(touch) <= rest]
    added.sort(key=lambda touch: Fraction(touch.fee_minor, _kept_minor(touch)), reverse=True)
    fees, room = 0, rest
    for touch in added:
        kept = _kept_minor(touch)
        if kept > room:
            return fees - touch.fee_minor * room // -kept
        fees, room = fees + touch.fee_minor, room - kept
    return fees


def _sum_fees(touches: tuple[Touch, ...]) -> int:
    return sum(touch.fee_minor for touch in touches)

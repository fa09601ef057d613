"""Whether an original bears what is asked of it, as the demo issuer sees it; answers are DE 39."""

from typing import Final

from switch.demo.issuer_accounts import Account

COMPLETION_PERCENT_MAX: Final = 115  # of the pre-authorization
NOT_FOUND: Final = "25"
OVER_LIMIT: Final = "61"
OTHER_AMOUNT: Final = "64"


def refuse_void(original: Account | None, amount_minor: int, op: str) -> str:
    """Void the whole of what stands untouched, or nothing."""
    if original is None or original.op != op or original.uses or not original.standing_minor:
        return NOT_FOUND
    return "" if amount_minor == original.amount_minor else OTHER_AMOUNT


def refuse_credit(refundable_minor: int, amount_minor: int) -> str:
    """Refund no more than what is left of a debit and its adjustments."""
    if refundable_minor <= 0:
        return NOT_FOUND
    return "" if amount_minor <= refundable_minor else OVER_LIMIT


def refuse_completion(original: Account | None, amount_minor: int) -> str:
    """Complete once what is held, up to 115 % of it."""
    if original is None or original.op != "authorization" or not original.standing_minor:
        return NOT_FOUND
    is_within = amount_minor * 100 <= original.standing_minor * COMPLETION_PERCENT_MAX
    return "" if is_within else OVER_LIMIT

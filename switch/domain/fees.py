"""Merchant fees in integers (docs/rules.md 8)."""

import msgspec

_PPM_TWICE = 2_000_000


class FeePlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    A rate in parts per million with an optional minimum and cap in minor units.

    `is_returned_on_refund`: a refund gives back the part of the fee that its amount had cost.
    """

    rate_ppm: int
    min_minor: int = 0
    cap_minor: int | None = None
    is_returned_on_refund: bool = True


def compute_fee(amount_minor: int, plan: FeePlan) -> int:
    """Round once, half up, then raise to the minimum, then lower to the cap."""
    fee = (2 * amount_minor * plan.rate_ppm + 1_000_000) // _PPM_TWICE
    fee = max(fee, plan.min_minor)
    return fee if plan.cap_minor is None else min(fee, plan.cap_minor)

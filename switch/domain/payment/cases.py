"""A case: what a person must look at (docs/rules.md 5)."""

from switch.domain.payment.events import CaseOpened
from switch.domain.payment.payment import Payment


def open_case(payment: Payment, kind: str, at: int, detail: str) -> CaseOpened:
    """Let a person look at a payment; one case a kind and payment."""
    request = payment.request
    return CaseOpened(
        case_id=f"{kind}-{payment.rrn}",
        kind=kind,
        at=at,
        rrn=payment.rrn,
        acquirer=request.acquirer,
        merchant_id=request.merchant_id,
        terminal_id=request.terminal_id,
        detail=detail,
    )

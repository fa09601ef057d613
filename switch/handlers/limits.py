"""What a merchant has been given on each business day, for its daily limits."""

from typing import Final

from switch.domain.payment.checks import DayTotals
from switch.domain.payment.payment import Payment
from switch.domain.payment.rules import DecisionRules, business_day
from switch.handlers.folded import Folded

_NO_TOTALS: Final = DayTotals()
DAYS_KEPT_COUNT: Final = 8  # business days with totals; counted, not dated: clocks may be wrong


class DailyTotals(Folded):
    """Sums of running and approved payments by business day and merchant."""

    def __init__(self, rules: DecisionRules) -> None:
        self._rules = rules
        self._days: dict[int, dict[str, DayTotals]] = {}

    def of(self, merchant_id: str, at: int) -> DayTotals:
        """Return what the merchant has been given on the business day of `at`."""
        merchants = self._days.get(business_day(at, self._rules))
        return _NO_TOTALS if merchants is None else merchants.get(merchant_id, _NO_TOTALS)

    def add(self, payment: Payment, sign: int) -> None:
        """Count a payment (1), or give its room back (-1)."""
        if not payment.traits.takes_limits:
            return
        request = payment.request
        day = business_day(request.received_at, self._rules)
        merchants = self._days.get(day)
        if merchants is None:
            merchants = self._days[day] = {}
            if len(self._days) > DAYS_KEPT_COUNT:
                del self._days[min(self._days)]
        old = merchants.get(request.merchant_id, _NO_TOTALS)
        minor = request.amount.minor if request.amount else 0
        merchants[request.merchant_id] = DayTotals(
            old.amount_minor + sign * minor, old.count + sign
        )

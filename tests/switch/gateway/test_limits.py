"""The gateway's bounds and the order of its times."""

import pytest

from switch.gateway.limits import GatewayLimits


def test_times_that_leave_no_moment_to_start_a_payment_stop_the_start() -> None:
    with pytest.raises(ValueError, match="no payment could ever start"):
        GatewayLimits(terminal_deadline_ms=3_000, issuer_timeout_ms=2_800, clock_skew_max_ms=250)


def test_a_payment_may_start_until_only_the_issuers_time_is_left() -> None:
    limits = GatewayLimits(
        terminal_deadline_ms=5_000, issuer_timeout_ms=3_000, clock_skew_max_ms=250
    )
    assert limits.start_allowance_ms == 1_750

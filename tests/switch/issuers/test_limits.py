"""The bounds of a link are in order as they come."""

from switch.issuers.limits import LinkLimits


def test_an_echo_is_given_up_before_the_next_one_is_due() -> None:
    limits = LinkLimits()
    assert limits.echo_timeout_ms < limits.echo_interval_ms


def test_the_delay_between_attempts_grows() -> None:
    limits = LinkLimits()
    assert 0 < limits.reconnect_delay_min_ms < limits.reconnect_delay_max_ms

"""Actions are values."""

import pytest

from switch.gateway.actions import Close, CloseCause, Send


def test_an_action_does_not_change_after_it_was_given() -> None:
    send = Send(1, b"frame")
    with pytest.raises(AttributeError):
        send.frame = b"other"  # type: ignore[misc]


def test_a_close_lets_the_client_read_what_it_was_sent_unless_it_says_otherwise() -> None:
    assert not Close(1, CloseCause.REFUSALS, "why").is_abort

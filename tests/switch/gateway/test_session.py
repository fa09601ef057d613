"""A connection is small: ten thousand of them idle must not matter."""

import sys
from typing import Any

from switch.codec.framing import Framer
from switch.gateway.session import Session


def test_a_session_has_no_dictionary_of_its_own(world: Any) -> None:
    session = Session(1, world.unionpay, Framer("binary-2"), 0)
    assert not hasattr(session, "__dict__")
    assert sys.getsizeof(session) < 200


def test_a_session_begins_unproven_and_reading(world: Any) -> None:
    session = Session(1, world.unionpay, Framer("binary-2"), 0)
    assert not session.is_proven
    assert session.unread_bytes == -1

"""A connection is small: ten thousand of them idle must not matter."""

import sys
from typing import Any

from switch.codec.framing import Framer
from switch.codec.tpdu import split_transport
from switch.gateway.session import Session, frame_answer


def test_a_session_has_no_dictionary_of_its_own(world: Any) -> None:
    session = Session(1, world.unionpay, Framer("binary-2"), 0)
    assert not hasattr(session, "__dict__")
    assert sys.getsizeof(session) < 200


def test_a_session_begins_unproven_and_reading(world: Any) -> None:
    session = Session(1, world.unionpay, Framer("binary-2"), 0)
    assert not session.is_proven
    assert session.unread_bytes == -1


def test_an_answer_goes_back_behind_the_requests_own_transport(world: Any) -> None:
    transport = split_transport(bytes.fromhex("6000060000603100311003") + b"message")
    framed = frame_answer(world.unionpay, transport, b"answer", 0)
    assert framed[:7] == bytes.fromhex("0011 6000000006"), "TPDU addresses swapped"
    assert framed.endswith(b"answer")
    assert frame_answer(world.ascii, None, b"answer", 0) == b"\x00\x06answer"

"""What a terminal stores: complete, and without a card number that anybody could read."""

import pytest

from switch.security.sealing import SealBroken, Sealer
from switch.terminal.state import PosState, SentPayment, decode_state, encode_state

PAN = "6200000000000005"
STATE = PosState(
    profile="unionpay-pos",
    terminal_id="00000001",
    merchant_id="898110154110001",
    mak=bytes.fromhex("1C" * 8),
    stan=7,
    last=SentPayment(mti="0200", fields={"pan": PAN, "stan": "000007"}, owed_reason="98"),
)


def test_a_stored_state_comes_back_whole() -> None:
    sealer = Sealer(bytes(32))
    assert decode_state(encode_state(STATE, sealer), sealer) == STATE


def test_a_stored_state_shows_neither_card_nor_key() -> None:
    text = encode_state(STATE, Sealer(bytes(32)))
    assert PAN.encode() not in text
    assert b"1c1c1c" not in text.lower()
    assert b'"owes_reversal": true' in text
    assert PAN not in repr(STATE)
    assert PAN not in repr(STATE.last)


def test_a_state_does_not_open_for_another_terminal() -> None:
    sealer = Sealer(bytes(32))
    text = encode_state(STATE, sealer).replace(b'"00000001"', b'"00000002"')
    with pytest.raises(SealBroken):
        decode_state(text, sealer)


def test_trace_numbers_go_from_999999_to_1() -> None:
    state = PosState(profile="unionpay-pos", terminal_id="t", merchant_id="m", stan=999_998)
    assert [state.take_stan() for _ in range(3)] == ["999999", "000001", "000002"]

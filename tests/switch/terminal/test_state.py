"""What a terminal stores: complete, and without a card number that anybody could read."""

import msgspec
import pytest

from switch.security.sealing import SealBroken, Sealer
from switch.terminal.batch import BatchTotals, KeptPayment
from switch.terminal.operations import Operation
from switch.terminal.state import Closing, PosState, SentPayment, decode_state, encode_state

PAN = "6200000000000005"
STATE = PosState(
    profile="unionpay-pos",
    terminal_id="00000001",
    merchant_id="898110154110001",
    mak=bytes.fromhex("1C" * 8),
    stan=7,
    last=SentPayment(mti="0200", fields={"pan": PAN, "stan": "000007"}, owed_reason="98"),
    tmk=bytes.fromhex("2D" * 16),
    pik=bytes.fromhex("2E" * 16),
    tdk=bytes.fromhex("2F" * 16),
    is_signed_on=True,
    keys_merchant_id="898110154110001",
    payments=[
        KeptPayment(
            operation=Operation.SALE,
            mti="0200",
            batch="000001",
            stan="000006",
            amount_minor=1,
            currency="156",
            pan=PAN,
        )
    ],
    closing=Closing(step="lists", stan="000007", totals=BatchTotals(1, 1), uploaded_count=8),
)


def test_a_stored_state_comes_back_whole() -> None:
    sealer = Sealer(bytes(32))
    assert decode_state(encode_state(STATE, sealer), sealer) == STATE


def test_a_stored_state_shows_neither_card_nor_key() -> None:
    text = encode_state(STATE, Sealer(bytes(32)))
    assert PAN.encode() not in text
    for key in (b"1c1c1c", b"2d2d2d", b"2e2e2e", b"2f2f2f"):
        assert key not in text.lower()
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


def test_a_state_of_an_earlier_version_is_read() -> None:
    sealer = Sealer(bytes(32))
    old = PosState(profile="unionpay-pos", terminal_id="00000001", merchant_id="m")
    text = msgspec.json.decode(encode_state(old, sealer))
    later = ("owes_repeat", "key_scheme", "pin_format", "closing", "is_signed_on")
    for name in (*later, "keys_merchant_id"):
        del text[name]
    assert decode_state(msgspec.json.encode(text), sealer) == old


def test_batches_go_from_999999_to_1_and_keep_the_latest_payments() -> None:
    state = PosState(profile="unionpay-pos", terminal_id="t", merchant_id="m", batch="999999")
    [payment] = STATE.payments
    state.payments = [payment] * 700
    state.closing = STATE.closing
    state.close_batch()
    assert (state.batch, len(state.payments), state.closing) == ("000001", 500, None)


def test_a_reversal_is_noted_only_for_the_last_payment() -> None:
    state = PosState(profile="unionpay-pos", terminal_id="t", merchant_id="m")
    state.note_reversal("000001", "000006")
    [payment] = STATE.payments
    state.keep_payment(payment)
    state.note_reversal("000001", "000005")
    assert not state.payments[-1].is_reversed
    state.note_reversal("000001", "000006")
    assert state.payments[-1].is_reversed

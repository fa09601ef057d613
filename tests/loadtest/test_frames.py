import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.frames import (
    DIALECT,
    TRANSPORT_BYTES,
    RequestTemplate,
    make_templates,
    read_answer,
    verify_answer,
)
from loadtest.terminal_list import TerminalSpec
from switch.codec import Message, load_dialect

SPEC = TerminalSpec(
    acquirer="demo",
    merchant_id="898110154110001",
    terminal_id="00000001",
    batch="000001",
    mak="1C1C1C1C1C1C1C1C",
    pan="6200000000000005",
)
# the sale of 1.00 and its reversal for want of an answer, whole, with their MACs
SALE = (
    "005A600006000060310031100302007024048000C08011166200000000000005000000000000000100"
    "0001233012012000303030303030303138393831313031353431313030303131353600132200000100"
    "05003438453146434145"
)
REVERSAL = (
    "005A600006000060310031100304007020048002C08011166200000000000005000000000000000100"
    "0001230120003938303030303030303138393831313031353431313030303131353600132200000100"
    "05003643394145303435"
)
UNIONPAY = load_dialect(DIALECT)
TEMPLATES = make_templates(UNIONPAY, SPEC)


def test_the_known_sale_and_its_reversal_are_built():
    assert TEMPLATES.sale.build(100, 123).hex().upper() == SALE
    assert TEMPLATES.reversal["98"].build(100, 123).hex().upper() == REVERSAL


@given(st.integers(0, 999_999_999_999), st.integers(0, 999_999))
def test_a_template_builds_what_the_codec_would_encode(amount_minor, stan):
    frame = TEMPLATES.sale.build(amount_minor, stan)
    message = UNIONPAY.decode(frame[2 + TRANSPORT_BYTES :])
    assert message.fields["amount_transaction"] == f"{amount_minor:012d}"
    assert message.fields["stan"] == f"{stan:06d}"
    assert UNIONPAY.encode(message) == frame[2 + TRANSPORT_BYTES :]
    assert int.from_bytes(frame[:2], "big") == len(frame) - 2
    assert verify_answer(TEMPLATES, frame[2:], UNIONPAY.mac_length)


@pytest.mark.parametrize("dialect_name", ["iso1987-ascii", "iso1987-binary"])
def test_a_template_without_a_mac_fits_other_dialects(dialect_name):
    dialect = load_dialect(dialect_name)
    fields = {"processing_code": "000000", "transmission_time": "0102030405", "currency": "156"}
    frame = RequestTemplate(dialect, "0200", fields, None).build(1234, 56)
    message = dialect.decode(frame[2 + TRANSPORT_BYTES :])
    assert message.fields["amount_transaction"] == "000000001234"
    assert message.fields["stan"] == "000056"
    assert message.fields["transmission_time"] == "0102030405"


def answer_frame(**fields):
    content = {"stan": "000123", "response_code": "00", "rrn": "000000000007", **fields}
    message = UNIONPAY.encode(Message("0210", {**content, "mac": b"00000000"}))
    mac = TEMPLATES.mac_key.compute(message[: -UNIONPAY.mac_length])
    return SALE_TRANSPORT + message[: -UNIONPAY.mac_length] + mac


SALE_TRANSPORT = bytes.fromhex(SALE)[2 : 2 + TRANSPORT_BYTES]


def test_an_answer_is_read():
    heard = read_answer(UNIONPAY, answer_frame(authorization_id="ABC123"))
    assert heard == ("0210", "000123", "00", "000000000007", "ABC123", "")


def test_a_changed_answer_is_noticed():
    frame = answer_frame()
    assert verify_answer(TEMPLATES, frame, UNIONPAY.mac_length)
    assert not verify_answer(TEMPLATES, frame.replace(b"00000000", b"00000001"), 8)


def test_garbage_is_no_answer():
    assert read_answer(UNIONPAY, b"\x00" * 40) is None
    assert read_answer(UNIONPAY, b"") is None

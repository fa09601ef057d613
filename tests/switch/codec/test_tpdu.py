import pytest

from switch.codec import CodecError, Rule
from switch.codec.tpdu import answer_transport, split_transport

FRAME = bytes.fromhex("6005250000 603100311003 0200")


def test_a_frame_is_cut_in_three():
    transport = split_transport(FRAME)
    assert transport.tpdu.hex() == "6005250000"
    assert transport.header.hex() == "603100311003"
    assert transport.message == b"\x02\x00"


def test_an_answer_swaps_the_addresses_and_echoes_the_header():
    assert answer_transport(split_transport(FRAME)).hex() == "6000000525" + "603100311003"


@pytest.mark.parametrize("requirement", range(16))
def test_only_the_requirement_digit_changes(requirement):
    answer = answer_transport(split_transport(FRAME), requirement)
    assert answer.hex() == f"600000052560310{requirement:x}311003"


@pytest.mark.parametrize("requirement", [-1, 16])
def test_a_requirement_is_one_digit(requirement):
    with pytest.raises(ValueError, match="one hex digit"):
        answer_transport(split_transport(FRAME), requirement)


@pytest.mark.parametrize(
    ("frame", "rule"),
    [(FRAME[:10], Rule.SHORT), (b"", Rule.SHORT), (b"\x00" + FRAME[1:], Rule.NOT_TPDU)],
)
def test_what_has_no_transport_is_refused(frame, rule):
    with pytest.raises(CodecError) as caught:
        split_transport(frame)
    assert caught.value.rule is rule


def test_a_transport_does_not_show_its_message():
    assert repr(split_transport(FRAME)) == "Transport(tpdu=6005250000, header=603100311003)"

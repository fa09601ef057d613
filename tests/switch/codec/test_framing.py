import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.codec import load_dialect
from switch.codec.framing import FRAME_BYTES_MAX, FrameError, Framer, frame_bytes

PREFIXES = ["binary-2", "ascii-4", "binary-2-zero-2"]
by_prefix = pytest.mark.parametrize("prefix", PREFIXES)


@by_prefix
@given(
    payloads=st.lists(st.binary(max_size=300), max_size=8),
    cuts=st.lists(st.integers(1, 400), max_size=12),
)
def test_frames_come_out_however_the_stream_is_cut(prefix, payloads, cuts):
    stream = b"".join(frame_bytes(prefix, payload) for payload in payloads)
    framer, frames, at = Framer(prefix), [], 0
    for size in (*cuts, len(stream)):
        frames += framer.receive_data(stream[at : at + size])
        at += size
    assert frames == payloads
    assert not framer.is_inside_frame


@by_prefix
def test_a_frame_of_no_bytes_is_a_keep_alive(prefix):
    assert Framer(prefix).receive_data(frame_bytes(prefix, b"") * 2) == [b"", b""]


@by_prefix
def test_an_unfinished_frame_is_waited_for(prefix):
    framer = Framer(prefix)
    assert framer.receive_data(frame_bytes(prefix, b"abc")[:-1]) == []
    assert framer.is_inside_frame
    assert framer.receive_data(b"") == []
    assert framer.receive_data(b"c") == [b"abc"]


@by_prefix
def test_a_length_above_the_cap_is_refused_before_the_frame_comes(prefix):
    framer = Framer(prefix, frame_bytes_max=10)
    good = frame_bytes(prefix, bytes(10))
    with pytest.raises(FrameError, match="longer than allowed") as caught:
        framer.receive_data(good + frame_bytes(prefix, bytes(11))[:4])
    assert caught.value.frames == [bytes(10)]
    with pytest.raises(FrameError, match="longer than allowed") as again:
        framer.receive_data(good)
    assert again.value.frames == []


@pytest.mark.parametrize(
    ("prefix", "stream"),
    [
        ("ascii-4", b"00 1"),
        ("ascii-4", b"+001"),
        ("ascii-4", b"\xb2\xb2\xb2\xb2"),
        ("binary-2-zero-2", b"\0\1\0\1"),
    ],
)
def test_what_is_no_length_is_refused(prefix, stream):
    with pytest.raises(FrameError, match="not a frame length"):
        Framer(prefix).receive_data(stream)


def test_a_message_type_where_a_length_should_be_is_refused_at_once():
    with pytest.raises(FrameError):
        Framer("binary-2").receive_data(b"0200")


def test_an_unknown_prefix_is_refused():
    with pytest.raises(ValueError, match="no prefix 'bcd-2'"):
        Framer("bcd-2")


@pytest.mark.parametrize(("prefix", "most"), [("ascii-4", 9_999), ("binary-2", 65_535)])
def test_a_payload_that_the_prefix_cannot_announce_is_refused(prefix, most):
    assert len(frame_bytes(prefix, bytes(most))) > most
    with pytest.raises(ValueError, match=f"{most + 1} bytes are more"):
        frame_bytes(prefix, bytes(most + 1))


def test_a_framer_holds_no_more_than_one_unfinished_frame():
    framer = Framer("binary-2")
    framer.receive_data(frame_bytes("binary-2", bytes(100)) * 500 + b"\x00\xff" + bytes(200))
    assert len(framer._buffer) == 202


def test_the_cap_leaves_room_for_the_longest_pos_message():
    specs = [spec for spec in load_dialect("unionpay-pos").table.specs if spec.de <= 64]
    elements = sum(
        spec.count_bytes(spec.length) + spec.prefix_size * spec.is_variable for spec in specs
    )
    longest = 5 + 6 + 2 + 8 + elements
    assert longest < FRAME_BYTES_MAX < 2 * longest

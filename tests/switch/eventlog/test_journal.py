import pytest

from switch.eventlog.journal import (
    InboundParked,
    JournalRecord,
    PositionNoted,
    UnknownEvent,
    decode_record,
    encode_record,
)


def record(*events, **fields):
    return JournalRecord(
        claim_id="c", at=1, watermark=2, registry_position=3, events=events, **fields
    )


def test_a_record_reads_back_as_it_was_written():
    parked = InboundParked(inbound_offset=7, inbound_id="g-1", fault="KeyError", at=1)
    written = record(parked, PositionNoted(at=2), inbound_offset=7, inbound_id="g-1")
    assert decode_record(encode_record(written)) == written


def test_a_record_of_a_timer_has_no_inbound_cause():
    encoded = encode_record(record(PositionNoted(at=2)))
    assert b"inbound" not in encoded
    assert decode_record(encoded).inbound_offset == -1


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b'{"claim_id":"c","at":1}', b'{"claim_id":"c","events":[{}]}']
)
def test_bytes_that_are_no_record_stop_the_reader(value):
    with pytest.raises(UnknownEvent, match="cannot read a journal record"):
        decode_record(value)


def test_the_message_of_an_unreadable_record_holds_none_of_its_text():
    value = encode_record(record(PositionNoted(at=2))).replace(b'"at":2', b'"at":"6212345678"')
    with pytest.raises(UnknownEvent) as caught:
        decode_record(value)
    assert "6212345678" not in str(caught.value)

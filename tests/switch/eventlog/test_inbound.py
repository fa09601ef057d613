import msgspec
import pytest

from switch.eventlog.inbound import (
    Reply,
    RequestReceived,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
)

REQUEST = RequestReceived(
    inbound_id="g1-7",
    gateway="g1",
    channel="unionpay-pos",
    acquirer="demo",
    partition_key="demo|898110154110001",
    mti="0200",
    fields={"stan": "000001", "amount_transaction": "000000001200"},
    received_at=1_000,
    start_before=6_000,
    deadline_at=46_000,
    minute_key_id="m-1",
    sealed_message=b"\x00\xff\x10",
)


def test_a_request_keeps_its_bytes_on_the_way():
    assert decode_request(encode_request(REQUEST)) == REQUEST


def test_a_reply_keeps_its_bytes_on_the_way():
    reply = Reply(gateway="g1", inbound_id="g1-7", minute_key_id="m-1", sealed_answer=b"\x80\x00")
    assert decode_reply(encode_reply(reply)) == reply


def test_a_request_and_a_reply_are_not_taken_for_each_other():
    with pytest.raises(msgspec.ValidationError):
        decode_reply(encode_request(REQUEST))

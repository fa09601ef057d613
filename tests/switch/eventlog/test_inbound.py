import re

import msgspec
import pytest

from switch.eventlog.inbound import (
    Reply,
    RequestReceived,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
    make_incarnation,
    reply_partition_of,
    traceparent_of,
)
from switch.eventlog.port import REPLIES_PARTITION_COUNT

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


@pytest.mark.parametrize("ordinal", [0, 7, 15, 16, 99])
def test_answers_go_to_the_partition_that_the_gateways_name_says(ordinal):
    incarnation = make_incarnation(ordinal, "9f2c41aa")
    assert reply_partition_of(incarnation) == ordinal % REPLIES_PARTITION_COUNT


@pytest.mark.parametrize("gateway", ["gw", "", "x.9f", "07.", "7"])
def test_a_gateway_without_an_ordinal_reads_the_first_partition(gateway):
    assert reply_partition_of(gateway) == 0


def test_a_trace_context_is_the_w3cs_and_the_same_for_whoever_knows_the_request():
    context = traceparent_of("03.9f2c-17")
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", context)
    assert context == traceparent_of("03.9f2c-17") != traceparent_of("03.9f2c-18")

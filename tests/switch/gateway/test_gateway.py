"""The gateway, fed by hand: what it hands over, what it says by itself, when it closes."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from switch.codec.tpdu import split_transport
from switch.eventlog.inbound import Reply, decode_request
from switch.eventlog.port import AppendRefused, AppendUnknown
from switch.gateway.actions import Append, Close, CloseCause, Send

PAN = "6200000000000005"
SALE_HEX = (
    "005A6000060000603100311003020070240480"
    "00C0801116620000000000000500000000000000010000012330"
    "12012000303030303030303138393831313031353431313030303131353600132200000100050034384531464341"
    "45"
)
SALE = bytes.fromhex(SALE_HEX)


# -- handing over


def test_a_sale_is_handed_over_without_card_secrets(world: Any) -> None:
    world.open()
    [append] = world.feed(SALE)
    assert isinstance(append, Append)
    request = decode_request(append.value)
    assert PAN.encode() not in append.value
    assert "pan" not in request.fields
    assert "mac" not in request.fields
    assert request.fields["amount_transaction"] == "000000000100"
    assert request.card is not None
    assert request.card.masked_pan == "620000******0005"
    assert world.keys.vault.reveal(request.card).expiration_date == "3012"
    raw = world.keys.minute_keys.open(
        request.minute_key_id, request.sealed_message, request.inbound_id
    )
    assert raw == SALE[13:]


def test_a_record_carries_the_moments_that_its_deadline_gives(world: Any) -> None:
    world.open()
    request = world.hand_over(SALE, boot_ms=7)
    assert request.deadline_at - request.received_at == 5_000
    assert request.start_before - request.received_at == 5_000 - 3_000 - 250
    assert request.inbound_id == "gw-1"


def test_one_merchant_meets_in_one_partition_from_every_listener(world: Any) -> None:
    world.open(1)
    world.open(2, world.ascii)
    [first] = world.feed(SALE, 1)
    [second] = world.feed(world.ascii_frame(), 2)
    assert (first.partition, first.key) == (second.partition, second.key)
    assert first.key == b"00000001|898110154110001"


@pytest.mark.parametrize("size", [1, 2, 3, 45, 91, 92])
def test_frames_are_found_however_the_bytes_are_cut(world: Any, size: int) -> None:
    world.change_limits(connection_in_flight_count_max=10, in_flight_count_max=10)
    world.open()
    stream = SALE + b"\0\0" + world.frame(stan="000124")
    actions = []
    for start in range(0, len(stream), size):
        actions += world.feed(stream[start : start + size])
    stans = [decode_request(action.value).fields["stan"] for action in actions]
    assert stans == ["000123", "000124"]


# -- answers of handlers


def test_an_answer_goes_back_with_swapped_addresses_and_the_echoed_header(world: Any) -> None:
    world.open()
    request = world.hand_over(SALE)
    [send] = world.gateway.deliver(world.reply(request, processing_requirement=3), world.at(100))
    assert isinstance(send, Send)
    transport = split_transport(send.frame[2:])
    assert transport.tpdu.hex() == "6000000006"
    assert transport.header.hex() == "603103311003"
    assert world.read(send).fields["response_code"] == "00"


def test_an_answer_is_delivered_once(world: Any) -> None:
    world.open()
    reply = world.reply(world.hand_over(SALE))
    assert len(world.gateway.deliver(reply, world.at(100))) == 1
    assert world.gateway.deliver(reply, world.at(101)) == []
    assert world.gateway.counts.late_replies == 1


def test_no_answer_is_delivered_at_the_deadline_or_after_it(world: Any) -> None:
    world.open()
    request = world.hand_over(SALE)
    assert world.gateway.deliver(world.reply(request), world.at(5_000)) == []


def test_an_answer_for_another_incarnation_is_nobodys(world: Any) -> None:
    world.open()
    world.hand_over(SALE)
    foreign = Reply(gateway="older", inbound_id="gw-1")
    assert world.gateway.deliver(foreign, world.at(1)) == []
    assert world.gateway.in_flight_count == 1


def test_an_answer_sealed_for_another_request_is_not_delivered(world: Any) -> None:
    world.open()
    first = world.hand_over(SALE)
    second = world.hand_over(world.frame(stan="000124"))
    wrong = world.reply(first)
    moved = Reply(
        gateway="gw",
        inbound_id=second.inbound_id,
        minute_key_id=wrong.minute_key_id,
        sealed_answer=wrong.sealed_answer,
    )
    assert world.gateway.deliver(moved, world.at(1)) == []
    assert world.gateway.counts.unopened_replies == 1


def test_a_reply_ends_the_wait_of_the_payment_that_it_reverses(world: Any) -> None:
    world.open(1)
    world.open(2)
    sale = world.hand_over(SALE, 1)
    reversal = world.hand_over(world.frame("0400", expiration_date=None, response_code="98"), 2)
    reply = world.reply(reversal, "0410", ends_wait_of=sale.inbound_id)
    assert len(world.gateway.deliver(reply, world.at(10))) == 1
    assert world.gateway.deliver(world.reply(sale), world.at(11)) == []


def test_a_reversal_ends_the_wait_on_its_own_connection_at_once(world: Any) -> None:
    world.open()
    sale = world.hand_over(SALE)
    other = world.hand_over(world.frame(stan="000124"))
    world.hand_over(world.frame("0400", expiration_date=None, response_code="98"))
    assert world.gateway.deliver(world.reply(sale), world.at(10)) == []
    assert len(world.gateway.deliver(world.reply(other), world.at(10))) == 1


def test_a_reversal_without_a_batch_names_its_original_in_de_90(world: Any) -> None:
    world.open(1, world.ascii)
    sale = world.hand_over(world.ascii_frame())
    quoted = "0200" + "000123" + "1122073000" + "0" * 22
    reversal = world.ascii_frame("0400", stan="000124", original_data_elements=quoted)
    world.hand_over(reversal)
    assert world.gateway.deliver(world.reply(sale, has_mac=False), world.at(10)) == []


def test_a_lost_connection_is_answered_nothing(world: Any) -> None:
    world.open()
    request = world.hand_over(SALE)
    assert world.gateway.connection_lost(1) == []
    assert world.gateway.in_flight_count == 0
    assert world.gateway.deliver(world.reply(request), world.at(10)) == []


# -- what the gateway says by itself


def test_an_unknown_terminal_is_refused_97_without_a_mac_and_then_closed(world: Any) -> None:
    world.open()
    for number in range(2):
        [send] = world.feed(world.frame(terminal_id="99999999", stan=f"00000{number}"))
        answer = world.read(send)
        assert answer.mti == "0210"
        assert answer.fields["response_code"] == "97"
        assert answer.fields["private_63"] == "   terminal-unknown"
        assert "mac" not in answer.fields
        assert "pan" not in answer.fields
    _, close = world.feed(world.frame(terminal_id="99999999", stan="000003"))
    assert isinstance(close, Close)
    assert close.cause is CloseCause.REFUSALS
    assert world.gateway.in_flight_count == 0
    assert world.feed(SALE) == []


def test_at_the_bound_of_a_connection_the_answer_is_busy_with_a_mac(world: Any) -> None:
    world.open()
    for number in range(3):
        world.hand_over(world.frame(stan=f"00000{number}"))
    [send] = world.feed(world.frame(stan="000009"))
    answer = world.read(send)
    assert answer.fields["response_code"] == "96"
    assert answer.fields["private_63"] == "   gateway-busy"
    assert world.has_right_mac(send)


def test_the_bound_of_all_connections_holds_too(world: Any) -> None:
    world.open(1)
    world.open(2)
    for number in range(3):
        world.hand_over(world.frame(stan=f"00000{number}"), 1)
    world.hand_over(world.frame(stan="000008"), 2)
    [send] = world.feed(world.frame(stan="000009"), 2)
    assert world.read(send).fields["response_code"] == "96"


def test_the_gateway_signs_nothing_for_a_sender_without_the_key(world: Any) -> None:
    world.open()
    for number in range(3):
        world.hand_over(world.frame(stan=f"00000{number}"))
    [send] = world.feed(world.frame(stan="000009", mak=bytes(8)))
    assert "mac" not in world.read(send).fields


def test_busy_is_never_said_of_a_payment_that_was_handed_over_before(world: Any) -> None:
    world.open()
    world.hand_over(SALE)
    for number in range(2):
        world.hand_over(world.frame("0400", stan=f"00001{number}", response_code="98"))
    world.gateway.deliver(Reply(gateway="gw", inbound_id="gw-1"), world.at(1))
    world.hand_over(world.frame("0400", stan="000019", response_code="98"))
    assert world.feed(SALE) == []
    assert world.feed(world.frame("0201", stan="000500")) == []
    assert world.gateway.counts.kept_silent == 2


def test_a_reversal_at_the_bound_is_told_busy_since_the_terminal_keeps_it(world: Any) -> None:
    world.open()
    for number in range(3):
        world.hand_over(world.frame(stan=f"00000{number}"))
    [send] = world.feed(world.frame("0400", stan="000000", response_code="98"))
    assert world.read(send).mti == "0410"
    assert world.read(send).fields["response_code"] == "96"


def test_a_refused_append_is_answered_not_sent(world: Any) -> None:
    world.open()
    request = world.hand_over(SALE)
    error = AppendRefused("disk full")
    [send] = world.gateway.append_failed(request.inbound_id, error, world.at(5))
    answer = world.read(send)
    assert answer.fields["response_code"] == "96"
    assert answer.fields["private_63"] == "   log-unavailable"
    assert world.has_right_mac(send)
    assert world.gateway.deliver(world.reply(request), world.at(6)) == []


def test_a_refused_append_of_a_second_copy_is_not_answered(world: Any) -> None:
    world.open()
    world.hand_over(SALE)
    second = world.hand_over(SALE)
    error = AppendRefused("disk full")
    assert world.gateway.append_failed(second.inbound_id, error, world.at(5)) == []


def test_after_a_refused_append_the_terminal_may_be_refused_again(world: Any) -> None:
    world.open()
    for _ in range(2):
        request = world.hand_over(SALE)
        error = AppendRefused("disk full")
        [send] = world.gateway.append_failed(request.inbound_id, error, world.at(5))
        assert world.read(send).fields["response_code"] == "96"


def test_an_unknown_append_is_answered_by_the_handler_or_not_at_all(world: Any) -> None:
    world.open()
    request = world.hand_over(SALE)
    error = AppendUnknown("no ack")
    assert world.gateway.append_failed(request.inbound_id, error, world.at(5)) == []
    assert len(world.gateway.deliver(world.reply(request), world.at(6))) == 1


# -- bad input


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"terminal_id": None}, "DE 41 terminal_id missing"),
        ({"merchant_id": None}, "DE 42 merchant_id missing"),
        ({"pan": "62000"}, "DE 2 pan: a card number has 13 to 19 digits"),
        ({"pan": None, "icc_data": b"\x5a\x20"}, "DE 55 icc_data: not BER-TLV"),
    ],
)
def test_a_message_that_cannot_be_used_is_told_where(
    world: Any, change: dict[str, Any], detail: str
) -> None:
    world.open()
    [send] = world.feed(world.frame(**change))
    answer = world.read(send)
    assert answer.fields["response_code"] == "30"
    assert answer.fields["private_63"] == f"   format-error: {detail}"
    assert answer.fields["stan"] == "000123"


def test_trailing_bytes_are_a_format_error(world: Any) -> None:
    world.open()
    [send] = world.feed((len(SALE) + 1).to_bytes(2, "big") + SALE[2:] + b"tail"[:3])
    assert "bytes after the last element" in str(world.read(send).fields["private_63"])


def test_a_digit_that_is_none_is_a_format_error_without_its_content(world: Any) -> None:
    world.open()
    [send] = world.feed(SALE[:-20] + b"\xff" * 7 + SALE[-13:])
    answer = world.read(send)
    assert answer.fields["response_code"] == "30"
    assert answer.fields["stan"] == "000123"


@pytest.mark.parametrize(
    ("frame", "cause"),
    [
        (b"\xff\xff", CloseCause.BAD_FRAME),
        (b"\x00\x03abc", CloseCause.UNREADABLE),
        (b"\x00\x0b" + b"\x00" * 11, CloseCause.UNREADABLE),
        (b"\x00\x10" + SALE[2:13] + b"\x99\x99\x00\x00\x00", CloseCause.UNREADABLE),
        (b"\x00\x0f" + SALE[2:13] + b"\x02\x00\x00\x00", CloseCause.UNREADABLE),
    ],
)
def test_what_names_no_request_closes_the_connection(
    world: Any, frame: bytes, cause: CloseCause
) -> None:
    world.open()
    [close] = world.feed(frame)
    assert isinstance(close, Close)
    assert close.cause is cause
    assert world.gateway.counts.closed == {cause.value: 1}


@pytest.mark.parametrize("mti", ["0210", "0430", "0810", "0240"])
def test_an_answer_from_a_terminal_closes_the_connection(world: Any, mti: str) -> None:
    world.open()
    [close] = world.feed(world.frame(mti))
    assert isinstance(close, Close)
    assert close.cause is CloseCause.NOT_A_REQUEST


def test_what_came_before_a_bad_length_is_still_taken(world: Any) -> None:
    world.open()
    append, close = world.feed(SALE + b"\xff\xff")
    assert isinstance(append, Append)
    assert isinstance(close, Close)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(noise=st.binary(max_size=300), size=st.integers(1, 40), at=st.integers(0, 91))
def test_random_bytes_never_raise_and_hurt_nobody_else(
    world: Any, noise: bytes, size: int, at: int
) -> None:
    world.change_limits(connection_count_max=1_000)
    world.open(1)
    world.open(2)
    stream = SALE[:at] + noise
    for start in range(0, len(stream), size):
        for action in world.feed(stream[start : start + size], 1):
            assert isinstance(action, Send | Close | Append)
    world.hand_over(world.frame(stan="000777"), 2)


# -- deadlines and bounds of connections


def test_a_frame_must_be_whole_in_time_counted_from_its_first_byte(world: Any) -> None:
    world.open()
    world.feed(SALE[:1], boot_ms=1_000)
    for number in range(1, 10):
        world.feed(SALE[number : number + 1], boot_ms=1_000 + number * 1_000)
    assert world.gateway.wake_at() == 11_000
    assert world.gateway.timer(world.at(10_999)) == []
    [close] = world.gateway.timer(world.at(11_000))
    assert close.cause is CloseCause.SLOW_FRAME


def test_the_next_frame_has_a_deadline_of_its_own(world: Any) -> None:
    world.open()
    world.feed(SALE[:50], boot_ms=0)
    world.feed(SALE[50:] + SALE[:5], boot_ms=9_000)
    assert world.gateway.timer(world.at(18_999)) == []
    assert len(world.gateway.timer(world.at(19_000))) == 1


def test_a_client_that_leaves_in_mid_frame_is_told_of_once(world: Any) -> None:
    world.open()
    world.feed(SALE + SALE[:5])
    [close] = world.gateway.connection_lost(1)
    assert close.cause is CloseCause.LEFT_IN_FRAME
    assert world.gateway.in_flight_count == 0
    assert world.gateway.connection_count == 0
    assert world.gateway.connection_lost(1) == []


def test_a_keep_alive_keeps_a_connection_and_silence_ends_it(world: Any) -> None:
    world.open(boot_ms=0)
    world.feed(b"\0\0", boot_ms=50_000)
    assert world.gateway.timer(world.at(109_999)) == []
    [close] = world.gateway.timer(world.at(110_000))
    assert close.cause is CloseCause.IDLE


def test_a_gateway_that_stops_closes_who_is_quiet_and_answers_who_waits(world: Any) -> None:
    world.open(1)
    world.open(2)
    request = world.hand_over(SALE, boot_ms=100)
    [close] = world.gateway.close_quiet(50, world.at(120))
    assert (close.connection_id, close.cause) == (2, CloseCause.STOPPING)
    assert world.gateway.close_quiet(50, world.at(1_000)) == []
    world.gateway.stop_taking()
    assert world.feed(SALE, boot_ms=1_000) == []
    assert len(world.gateway.deliver(world.reply(request), world.at(1_000))) == 1
    [close] = world.gateway.close_quiet(50, world.at(1_010))
    assert close.connection_id == 1
    assert world.gateway.connection_count == 0


def test_one_connection_too_many_is_refused_if_all_others_are_proven_or_wait(world: Any) -> None:
    for number in range(3):
        world.open(number)
    for number in range(2):
        request = world.hand_over(world.frame(stan=f"00000{number}"), connection_id=number)
        world.gateway.deliver(world.reply(request), world.at(0))
    world.hand_over(world.frame(stan="000009"), connection_id=2)
    [close] = world.gateway.connection_opened(9, world.unionpay, world.at(0))
    assert (close.connection_id, close.cause) == (9, CloseCause.CONNECTION_BOUND)
    assert close.is_abort
    world.gateway.connection_lost(0)
    world.open(10)
    assert world.gateway.connection_count == 3


def test_clients_that_only_connect_keep_no_terminal_out(world: Any) -> None:
    for number in range(3):
        world.open(number)
    request = world.hand_over(SALE, connection_id=0)
    world.gateway.deliver(world.reply(request), world.at(0))
    world.feed(b"\x00\x00", connection_id=1)
    for number, silent in ((10, 2), (11, 1), (12, 10)):
        [close] = world.gateway.connection_opened(number, world.unionpay, world.at(1))
        assert (close.connection_id, close.cause) == (silent, CloseCause.CONNECTION_BOUND)
        assert world.gateway.connection_count == 3
        assert world.gateway.connection_lost(silent) == []
    assert world.gateway.counts.closed[CloseCause.CONNECTION_BOUND.value] == 3
    world.hand_over(world.frame(stan="000009"), connection_id=0)


def test_a_client_that_never_reads_is_cut_off_at_the_bound(world: Any) -> None:
    world.change_limits(write_buffer_bytes_max=100, connection_in_flight_count_max=10)
    world.open()
    requests = [world.hand_over(world.frame(stan=f"00000{number}")) for number in range(4)]
    world.gateway.writing_paused(1, world.at(0))
    actions: list[Any] = []
    for request in requests:
        actions += world.gateway.deliver(world.reply(request), world.at(1))
    assert isinstance(actions[-1], Close)
    assert actions[-1].cause is CloseCause.NOT_READING
    assert actions[-1].is_abort
    assert sum(len(action.frame) for action in actions[:-1]) <= 100
    assert world.gateway.in_flight_count == 0


def test_a_client_that_reads_again_is_kept_and_one_that_does_not_is_closed(world: Any) -> None:
    world.open(1)
    world.open(2)
    world.gateway.writing_paused(1, world.at(0))
    world.gateway.writing_paused(2, world.at(0))
    world.gateway.writing_resumed(1)
    [close] = world.gateway.timer(world.at(30_000))
    assert (close.connection_id, close.cause) == (2, CloseCause.NOT_READING)


def test_a_connection_that_proves_nothing_has_a_budget(world: Any) -> None:
    world.change_limits(unproven_count_max=3)
    world.open()
    for number in range(3):
        request = world.hand_over(world.frame(stan=f"00000{number}"))
        world.gateway.deliver(world.reply(request, has_mac=False), world.at(1))
    [close] = world.feed(SALE)
    assert close.cause is CloseCause.UNPROVEN


def test_one_answer_with_a_mac_proves_a_connection(world: Any) -> None:
    world.change_limits(unproven_count_max=3)
    world.open()
    for number in range(9):
        request = world.hand_over(world.frame(stan=f"00000{number}"))
        world.gateway.deliver(world.reply(request), world.at(1))


def test_without_macs_any_answer_proves_a_connection(world: Any) -> None:
    world.change_limits(unproven_count_max=3)
    world.open(1, world.ascii)
    for number in range(9):
        request = world.hand_over(world.ascii_frame(stan=f"00000{number}"))
        world.gateway.deliver(world.reply(request, has_mac=False), world.at(1))


def test_a_flood_of_sign_ons_is_refused_here_and_fills_no_log(world: Any) -> None:
    world.change_limits(sign_on_count_max=2, refusal_count_max=2)
    world.open()
    sign_on = world.frame("0800", batch_data="00000001003")
    assert [type(world.feed(sign_on)[0]) for _ in range(3)] == [Append, Append, Send]
    world.hand_over(SALE)
    *_, close = world.feed(sign_on)
    assert close.cause is CloseCause.REFUSALS

"""The issuer link, fed by hand: time is a number, the issuer is bytes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.codec import CodecError, Message, load_dialect
from switch.codec.framing import Framer, frame_bytes
from switch.codec.mti import response_mti
from switch.domain.clock import Now
from switch.domain.upstream import MatchKey, UpstreamRequest
from switch.issuers.connection import LinkState
from switch.issuers.events import (
    Answered,
    CloseLink,
    Connect,
    LateAnswer,
    LinkDown,
    LinkEvent,
    LinkUp,
    SendBytes,
    Unmatched,
)
from switch.issuers.limits import LinkLimits
from switch.issuers.link import IssuerLink
from switch.security.cards import CardVault
from switch.security.keystore import MemoryKeyStore

DIALECT = load_dialect("iso1987-ascii")
LIMITS = LinkLimits(in_flight_count_max=3, late_count_max=4)
VAULT = CardVault(MemoryKeyStore())
PAN = "6200000000000005"
CARD = VAULT.protect(PAN, "3012", "gw-1")


def at(boot_ms: int) -> Now:
    return Now(1_700_000_000_000 + boot_ms, boot_ms)


def new_link(limits: LinkLimits = LIMITS) -> IssuerLink:
    return IssuerLink("demo", dialect=DIALECT, vault=VAULT, limits=limits, random=lambda: 0.5)


def link_up(limits: LinkLimits = LIMITS) -> IssuerLink:
    link = new_link(limits)
    assert link.timer(at(0)) == [Connect()]
    [sign_on] = link.connected(at(0))
    assert link.data_received(answer_network(sign_on), at(1)) == [LinkUp()]
    return link


def read(frame: bytes) -> Message:
    [payload] = Framer("binary-2").receive_data(frame)
    return DIALECT.decode(payload)


def answer_network(event: LinkEvent, code: str = "00") -> bytes:
    assert isinstance(event, SendBytes)
    asked = read(event.frame)
    fields = {**asked.fields, "response_code": code}
    return frame_bytes("binary-2", DIALECT.encode(Message("0810", fields)))


def debit(number: int = 1, mti: str = "0200") -> UpstreamRequest:
    kind = "reversal" if mti[1] == "4" else "payment"
    rrn = f"01{number:010d}"
    return UpstreamRequest(
        link="demo",
        match=MatchKey(kind, f"{number:06d}", rrn, "00000001"),
        mti=mti,
        fields={
            "processing_code": "000000",
            "amount_transaction": "000000000100",
            "transmission_time": "0102030405",
            "stan": f"{number:06d}",
            "rrn": rrn,
            "terminal_id": "00000001",
            "merchant_id": "898110154110001",
            "currency": "156",
        },
        card=CARD,
    )


def answer_bytes(request: UpstreamRequest, **changes: str) -> bytes:
    fields = {**request.fields, "response_code": "00", **changes}
    mti = response_mti(request.mti)
    return frame_bytes("binary-2", DIALECT.encode(Message(mti, dict(fields))))


def with_fields(request: UpstreamRequest, **more: str) -> UpstreamRequest:
    return msgspec.structs.replace(request, fields={**request.fields, **more})


def test_a_link_comes_up_by_connecting_and_signing_on() -> None:
    link = new_link()
    assert link.wake_at() == 0
    assert link.timer(at(0)) == [Connect()]
    [sign_on] = link.connected(at(10))
    assert isinstance(sign_on, SendBytes)
    asked = read(sign_on.frame)
    assert (asked.mti, asked.fields["network_code"]) == ("0800", "001")
    assert link.send(debit(), at(11)) is None
    assert link.data_received(answer_network(sign_on), at(20)) == [LinkUp()]
    assert link.is_up


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_answer_is_matched_however_it_is_cut(size: int) -> None:
    link = link_up()
    link.send(debit(), at(10))
    wire = answer_bytes(debit())
    events: list[LinkEvent] = []
    for start in range(0, len(wire), size):
        events += link.data_received(wire[start : start + size], at(11))
    [event] = events
    assert isinstance(event, Answered)
    assert event.answer.match == debit().match
    assert event.answer.fields["response_code"] == "00"
    assert event.answer.fault == ""


def test_a_request_carries_the_card_and_the_answer_event_does_not() -> None:
    link = link_up()
    wire = link.send(debit(), at(10))
    assert wire is not None
    sent = read(wire)
    assert (sent.fields["pan"], sent.fields["expiration_date"]) == (PAN, "3012")
    [event] = link.data_received(answer_bytes(debit(), pan=PAN, track2=f"{PAN}=3012"), at(11))
    assert isinstance(event, Answered)
    assert PAN not in repr(event)


@pytest.mark.parametrize(
    ("mti", "answer_mti"),
    [
        ("0100", "0110"),
        ("0200", "0210"),
        ("0220", "0230"),
        ("0221", "0230"),
        ("0420", "0430"),
        ("0421", "0430"),
    ],
)
def test_every_kind_of_request_passes_with_what_it_quotes_and_is_answered(
    mti: str, answer_mti: str
) -> None:
    link = link_up()
    original = f"02000000091115120000{'1'.rjust(11, '0')}{'0' * 11}"
    request = with_fields(
        debit(mti=mti),
        pos_condition_code="06",
        original_data_elements=original,
        authorization_id="A1B2C3",
    )
    wire = link.send(request, at(10))
    assert wire is not None
    sent = read(wire)
    assert sent.mti == mti
    assert sent.fields["original_data_elements"] == original
    assert sent.fields["authorization_id"] == "A1B2C3"
    balance = "0002156C000000998766"
    [event] = link.data_received(answer_bytes(request, additional_amounts=balance), at(11))
    assert isinstance(event, Answered)
    assert (event.answer.match, event.answer.mti) == (request.match, answer_mti)
    assert event.answer.fields["additional_amounts"] == balance
    assert event.answer.fields["authorization_id"] == "A1B2C3"


def test_a_pin_block_goes_out_and_never_comes_back() -> None:
    link = link_up()
    block = bytes.fromhex("1774D84E2E217BD6")
    request = msgspec.structs.replace(
        with_fields(debit(), security_control="2600000000000000"), secrets={"pin_block": block}
    )
    wire = link.send(request, at(10))
    assert wire is not None
    sent = read(wire)
    assert (sent.fields["pin_block"], sent.fields["security_control"]) == (
        block,
        "2600000000000000",
    )
    told: dict[str, str | bytes] = {**request.fields, "response_code": "00", "pin_block": block}
    [event] = link.data_received(
        frame_bytes("binary-2", DIALECT.encode(Message("0210", told))), at(11)
    )
    assert isinstance(event, Answered)
    assert "pin_block" not in event.answer.fields


def test_a_pin_block_of_another_length_is_not_sent() -> None:
    link = link_up()
    request = msgspec.structs.replace(debit(), secrets={"pin_block": bytes(7)})
    with pytest.raises(CodecError):
        link.send(request, at(10))
    assert link.in_flight_count == 0


def test_a_repeat_waits_anew_and_any_attempt_s_answer_is_its_answer() -> None:
    link = link_up()
    first, repeat = debit(mti="0220"), debit(mti="0221")
    assert first.match == repeat.match
    link.send(first, at(10))
    link.timer(at(10 + LIMITS.answer_wait_ms))
    assert link.in_flight_count == 0
    link.send(repeat, at(50_000))
    assert link.in_flight_count == 1
    wire = answer_bytes(first)
    events = link.data_received(wire + wire, at(50_001))
    assert [type(event) for event in events] == [Answered, LateAnswer]
    assert link.in_flight_count == 0


def test_a_repeat_before_the_first_time_out_is_one_request_with_a_later_deadline() -> None:
    link = link_up()
    link.send(debit(mti="0220"), at(10))
    link.send(debit(2), at(15))
    link.send(debit(mti="0221"), at(20))
    assert link.in_flight_count == 2
    link.timer(at(15 + LIMITS.answer_wait_ms))
    assert link.in_flight_count == 1
    [event] = link.data_received(answer_bytes(debit(mti="0221")), at(16 + LIMITS.answer_wait_ms))
    assert isinstance(event, Answered)


def test_a_repeat_over_the_next_connection_is_answered_by_an_answer_to_either() -> None:
    link = link_up()
    link.send(debit(mti="0220"), at(10))
    link.connection_lost(at(100))
    link.timer(at(200))
    [sign_on] = link.connected(at(201))
    link.data_received(answer_network(sign_on), at(202))
    link.send(debit(mti="0221"), at(203))
    answers = link.data_received(
        answer_bytes(debit(mti="0221")) + answer_bytes(debit(mti="0220")), at(204)
    )
    assert [type(event) for event in answers] == [Answered, LateAnswer]


def test_a_repeat_of_what_was_answered_is_answered_again() -> None:
    link = link_up()
    for moment, mti in ((10, "0220"), (20, "0221")):  # the first said: try again later
        link.send(debit(mti=mti), at(moment))
        [event] = link.data_received(answer_bytes(debit(mti=mti)), at(moment + 1))
        assert isinstance(event, Answered)


def test_a_second_answer_is_late() -> None:
    link = link_up()
    link.send(debit(), at(10))
    wire = answer_bytes(debit())
    kinds = [type(event) for event in link.data_received(wire + wire, at(11))]
    assert kinds == [Answered, LateAnswer]


def test_an_answer_after_the_time_out_is_late() -> None:
    link = link_up()
    link.send(debit(), at(10))
    link.timer(at(10 + LIMITS.answer_wait_ms))
    assert link.in_flight_count == 0
    [event] = link.data_received(answer_bytes(debit()), at(50_000))
    assert isinstance(event, LateAnswer)


@pytest.mark.parametrize(
    "change", [{"stan": "000002"}, {"rrn": "010000000002"}, {"terminal_id": "00000002"}]
)
def test_an_answer_must_repeat_the_whole_key(change: dict[str, str]) -> None:
    link = link_up()
    link.send(debit(), at(10))
    [event] = link.data_received(answer_bytes(debit(), **change), at(11))
    assert isinstance(event, Unmatched)
    assert link.in_flight_count == 1


def test_an_answer_to_the_reversal_is_not_one_to_the_debit() -> None:
    link = link_up()
    link.send(debit(), at(10))
    [event] = link.data_received(answer_bytes(debit(mti="0420")), at(11))
    assert isinstance(event, Unmatched)


def test_at_the_bound_nothing_is_sent_and_that_is_certain() -> None:
    link = link_up()
    for number in range(1, 4):
        assert link.send(debit(number), at(10)) is not None
    assert link.send(debit(4), at(10)) is None
    assert link.counts.not_sent == 1
    [event] = link.data_received(answer_bytes(debit(4)), at(11))
    assert isinstance(event, Unmatched)


def test_nothing_is_sent_to_an_issuer_that_does_not_read() -> None:
    link = link_up()
    link.writing_paused()
    assert link.send(debit(), at(10)) is None
    link.writing_resumed()
    assert link.send(debit(), at(10)) is not None


def test_a_lost_connection_names_who_is_unanswered_and_backs_off_longer_each_time() -> None:
    link = link_up()
    link.send(debit(), at(10))
    [down] = link.connection_lost(at(100))
    assert isinstance(down, LinkDown)
    assert down.unanswered == (debit().match,)
    delays = []
    now_ms = 100
    for _ in range(9):
        due = link.wake_at()
        assert due is not None
        delays.append(due - now_ms)
        assert link.timer(at(due - 1)) == []
        assert link.timer(at(due)) == [Connect()]
        now_ms = due + 5
        assert link.connection_lost(at(now_ms)) == []
    assert delays == sorted(delays)
    assert delays[0] == 75
    assert delays[-1] == 3750


def test_an_answer_over_the_next_connection_is_late() -> None:
    link = link_up()
    link.send(debit(), at(10))
    link.connection_lost(at(100))
    link.timer(at(200))
    [sign_on] = link.connected(at(201))
    link.data_received(answer_network(sign_on), at(202))
    [event] = link.data_received(answer_bytes(debit()), at(203))
    assert isinstance(event, LateAnswer)


def test_a_refused_sign_on_ends_the_connection() -> None:
    link = new_link()
    link.timer(at(0))
    [sign_on] = link.connected(at(0))
    [close] = link.data_received(answer_network(sign_on, "91"), at(1))
    assert isinstance(close, CloseLink)
    assert "91" in close.reason
    assert link.state is LinkState.WAITING


def test_an_unanswered_sign_on_ends_the_connection() -> None:
    link = new_link()
    link.timer(at(0))
    link.connected(at(0))
    assert link.wake_at() == LIMITS.sign_on_timeout_ms
    [close] = link.timer(at(LIMITS.sign_on_timeout_ms))
    assert isinstance(close, CloseLink)


def test_connecting_has_a_deadline_and_a_connection_that_comes_after_it_is_closed() -> None:
    link = new_link()
    link.timer(at(0))
    [close] = link.timer(at(LIMITS.connect_timeout_ms))
    assert isinstance(close, CloseLink)
    [close] = link.connected(at(LIMITS.connect_timeout_ms + 1))
    assert isinstance(close, CloseLink)


def test_a_quiet_link_is_asked_and_two_missed_echoes_end_it() -> None:
    link = link_up()
    [echo] = link.timer(at(1 + LIMITS.echo_interval_ms))
    assert isinstance(echo, SendBytes)
    assert read(echo.frame).fields["network_code"] == "301"
    assert link.data_received(answer_network(echo), at(31_000)) == []
    assert link.wake_at() == 31_000 + LIMITS.echo_interval_ms
    link.timer(at(61_000))
    [again] = link.timer(at(66_000))
    assert isinstance(again, SendBytes)
    close, down = link.timer(at(71_000))
    assert isinstance(close, CloseLink)
    assert isinstance(down, LinkDown)


def test_an_echo_of_the_issuer_is_answered() -> None:
    link = link_up()
    fields: dict[str, str | bytes] = {
        "transmission_time": "0102030405",
        "stan": "000077",
        "network_code": "301",
    }
    wire = frame_bytes("binary-2", DIALECT.encode(Message("0800", fields)))
    [event] = link.data_received(wire, at(5))
    assert isinstance(event, SendBytes)
    answer = read(event.frame)
    assert (answer.mti, answer.fields["response_code"]) == ("0810", "00")


def test_garbage_that_names_its_request_is_a_fault_for_the_one_who_waits() -> None:
    link = link_up()
    link.send(debit(), at(10))
    payload = answer_bytes(debit(), private_63="CUP")[2:] + b"tail"
    [event] = link.data_received(frame_bytes("binary-2", payload), at(11))
    assert isinstance(event, Answered)
    assert "bytes after the last element" in event.answer.fault


def test_garbage_that_names_nobody_ends_the_connection() -> None:
    link = link_up()
    link.send(debit(), at(10))
    close, down = link.data_received(frame_bytes("binary-2", b"0210 garbage"), at(11))
    assert isinstance(close, CloseLink)
    assert isinstance(down, LinkDown)
    assert down.unanswered == (debit().match,)


def test_a_huge_length_ends_the_connection_after_what_came_before_it() -> None:
    link = link_up()
    link.send(debit(), at(10))
    answered, close, down = link.data_received(answer_bytes(debit()) + b"\xff\xff", at(11))
    assert isinstance(answered, Answered)
    assert isinstance(close, CloseLink)
    assert isinstance(down, LinkDown)
    assert down.unanswered == ()


def test_a_request_that_the_dialect_cannot_say_is_refused_before_anything_is_sent() -> None:
    link = link_up()
    request = UpstreamRequest(
        link="demo", match=debit().match, mti="0200", fields={"stan": "not digits"}
    )
    with pytest.raises(CodecError):
        link.send(request, at(10))
    assert link.in_flight_count == 0


@given(st.binary(max_size=400), st.integers(1, 50))
def test_random_bytes_never_raise_and_never_answer_anybody(noise: bytes, size: int) -> None:
    link = link_up()
    link.send(debit(), at(10))
    for start in range(0, len(noise), size):
        for event in link.data_received(noise[start : start + size], at(11)):
            assert not isinstance(event, Answered) or event.answer.fault
        if link.state is LinkState.WAITING:
            break

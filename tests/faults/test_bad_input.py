"""Everything wrong that can come over a terminal's line; the terminal beside it never notices."""

import contextlib
import random
import socket
import threading
import time

import pytest

from loadtest.world import make_terminals
from tests.faults.stand import CALM_SWITCH_TIMES, DEADLINE_S, Stand, until
from tests.faults.till import CLOSED, UNIONPAY, Till, frame_of

pytestmark = pytest.mark.process

FRAME_DEADLINE_S = 2.5
SETTINGS = CALM_SWITCH_TIMES | {
    "SWITCH__GATEWAY__FRAME_DEADLINE_MS": "2500",
    "SWITCH__GATEWAY__READ_TIMEOUT_MS": "1000",
    "SWITCH__GATEWAY__WRITE_BUFFER_BYTES_MAX": "4096",
}
RANDOM_SEEDS = range(8)
RSS_GROWTH_BYTES_MAX = 40 * 1_048_576
BYSTANDER_WITHIN_S = 15.0  # milliseconds, unless the machine itself stands still
HEADER = "603100311003"


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    made = Stand(tmp_path_factory.mktemp("stand"), SETTINGS)
    made.start()
    made.load_terminals(1)
    yield made
    made.stop()


class Bystander:
    """A terminal on another connection that wants nothing but to work."""

    def __init__(self, stand):
        self.stand = stand
        self.till = Till(stand.address("unionpay-pos"), make_terminals(1)[0])
        self.till.connect()
        self.stan = len(stand.debits()) + 1
        self.paid_count = -1  # the first is the fixture's own

    def pays(self):
        """Pay once; the answer must be an approval, in time, over the same connection."""
        self.stan += 1
        self.paid_count += 1
        before = time.monotonic()
        heard = self.till.pay(1000 + self.stan * 100, self.stan)
        assert heard is not None
        assert heard.response_code == "00", heard
        assert time.monotonic() - before < BYSTANDER_WITHIN_S


@pytest.fixture
def bystander(stand):
    made = Bystander(stand)
    made.pays()
    yield made
    made.pays()
    made.till.hang_up()


@pytest.fixture
def till(stand):
    with Till(stand.address("unionpay-pos")) as made:
        yield made


class Watch:
    """Counts what was logged since it was made."""

    def __init__(self, stand):
        self.stand = stand
        self.seen = len(stand.log_lines())

    def lines(self):
        return self.stand.log_lines()[self.seen :]

    def expect_one_closing(self, cause):
        """Exactly one line, at `info`, with the cause and a reason that shows no content."""
        until(self.lines, f"a line about a connection closed for {cause}")
        [line] = self.lines()
        assert (line["event"], line["cause"]) == ("connection closed", cause)
        assert line["reason"]


@pytest.fixture
def watch(stand):
    return Watch(stand)


def sale_fields(stan, **changes):
    fields = {
        "pan": "6200000000000005",
        "processing_code": "000000",
        "amount_transaction": "000000000100",
        "stan": f"{stan:06d}",
        "expiration_date": "3012",
        "pos_entry_mode": "012",
        "pos_condition_code": "00",
        "terminal_id": "00000001",
        "merchant_id": "898110154110001",
        "currency": "156",
        "batch_data": "2200000100050",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


@pytest.mark.parametrize("seed", RANDOM_SEEDS)
def test_random_bytes_close_their_connection(bystander, till, stand, seed):
    noise = random.Random(seed)  # the parameter is the seed
    till.send(noise.randbytes(4096))
    watch_closed(till)
    bystander.pays()
    assert stand.rss_bytes() < 200 * 1_048_576


def watch_closed(till):
    """Read on until the connection is at its end; answers before that are allowed."""
    while (heard := till.read_frame()) not in {CLOSED, None}:
        assert heard
    assert heard == CLOSED, "neither answered nor closed"


@pytest.mark.parametrize("seed", RANDOM_SEEDS)
def test_a_sale_with_flipped_bits_is_answered_or_closed(bystander, till, watch, seed):
    noise = random.Random(seed)
    frame = bytearray(till.sale(100, 900_000 + seed))
    for _ in range(1 + seed):
        frame[noise.randrange(2, len(frame))] ^= 1 << noise.randrange(8)
    till.send(bytes(frame))
    heard = till.read_frame()
    if heard == CLOSED:
        until(watch.lines, "a line about the closed connection")
        assert [line["event"] for line in watch.lines()] == ["connection closed"]
    else:
        assert heard is not None, "silence"
        assert watch.lines() == []
    bystander.pays()


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (b"\xff\xff", "bad-frame"),
        (b"\x10\x01" + bytes(64), "bad-frame"),
        (b"\x00\x01\x60", "unreadable"),
        (frame_of(b""), "unreadable"),
        (frame_of(b"\x02\x00"), "unreadable"),
        (frame_of(bytes(64), tpdu="5000060000"), "unreadable"),
        (frame_of(bytes.fromhex("99990000000000000000")), "unreadable"),
        (frame_of(bytes.fromhex("0F000000000000000000")), "unreadable"),
        (b"\x00\x20\x60", "slow-frame"),
        (b"\x00", "slow-frame"),
    ],
)
def test_what_is_no_message_closes_the_connection_with_one_line(
    bystander, till, watch, sent, cause
):
    till.send(sent)
    bystander.pays()
    assert till.read_frame() == CLOSED
    watch.expect_one_closing(cause)


def test_an_answer_sent_to_us_is_no_request(bystander, till, watch):
    till.send(till.encode("0210", {"stan": "000001", "terminal_id": "00000001"}))
    assert till.read_frame() == CLOSED
    watch.expect_one_closing("not-a-request")
    bystander.pays()


def test_a_client_that_leaves_in_mid_frame_is_told_of_in_one_line(bystander, till, watch):
    till.send(till.sale(100, 1)[:40])
    till.hang_up()
    watch.expect_one_closing("left-in-frame")
    bystander.pays()


def test_a_sale_that_comes_byte_by_byte_in_time_is_answered(bystander, till, watch):
    for byte in till.sale(100, 700_001):
        till.send(bytes([byte]))
    heard = till.read_frame()
    assert UNIONPAY.decode(heard[11:]).fields["response_code"] == "00"
    bystander.pays()
    assert watch.lines() == []


def test_a_slow_loris_is_cut_off(bystander, till, watch):
    frame = till.sale(100, 700_002)
    till.socket.settimeout(0.05)
    started, sent, heard = time.monotonic(), 0, None
    while heard is None and sent < len(frame) - 1:
        try:
            till.send(frame[sent : sent + 1])
        except ConnectionError:
            heard = CLOSED
            break
        sent += 1
        heard = till.read_frame()
    assert heard == CLOSED
    assert time.monotonic() - started < 4 * FRAME_DEADLINE_S
    watch.expect_one_closing("slow-frame")
    bystander.pays()


def refused(till, stand, frame):
    """Send what must be refused without a debit; return DE 39 and reason."""
    before = len(stand.debits())
    till.send(frame)
    heard = till.read_frame()
    assert heard, "neither answered nor refused"
    fields = UNIONPAY.decode(heard[11:]).fields
    assert len(stand.debits()) == before
    return fields["response_code"], str(fields["private_63"])[3:].partition(":")[0].strip()


def test_a_bit_without_its_field_is_a_format_error(bystander, till, stand):
    frame = bytearray(till.sale(100, 700_010))
    bitmap_at = 2 + 11 + 2
    frame[bitmap_at + 5] |= 0x01  # DE 48, of which nothing comes
    assert refused(till, stand, bytes(frame)) == ("30", "format-error")
    bystander.pays()


def test_a_bit_that_the_dialect_does_not_know_is_a_format_error_or_closes(bystander, till, watch):
    frame = bytearray(till.sale(100, 700_011))
    frame[2 + 11 + 2] |= 0x80  # a second bitmap
    till.send(bytes(frame))
    heard = till.read_frame()
    if heard == CLOSED:
        watch.expect_one_closing("unreadable")
    else:
        assert UNIONPAY.decode(heard[11:]).fields["response_code"] == "30"
    bystander.pays()


def test_bcd_that_is_not_decimal_is_a_format_error(bystander, till, stand):
    frame = till.sale(100, 700_012)
    expires = bytes.fromhex("7000123012")  # trace number, then DE 14
    assert expires in frame
    bad = frame.replace(expires, bytes.fromhex("70001230FF"))
    assert refused(till, stand, bad) == ("30", "format-error")
    bystander.pays()


def test_bcd_that_is_not_decimal_before_the_trace_number_closes(bystander, till, watch):
    till.send(till.sale(700_012, 700_013).replace(bytes.fromhex("00700012"), b"\0\x70\0\x1a"))
    assert till.read_frame() == CLOSED
    watch.expect_one_closing("unreadable")
    assert "DE 4 amount_transaction" in watch.lines()[0]["reason"]
    bystander.pays()


def test_trailing_bytes_are_a_format_error(bystander, till, stand):
    content = till.sale(100, 700_013)[2:] + b"\0\0\0"
    frame = len(content).to_bytes(2, "big") + content
    assert refused(till, stand, frame) == ("30", "format-error")
    bystander.pays()


def test_a_wrong_mac_is_refused_and_its_key_stays_free(bystander, till, stand):
    frame = till.sale(100, 700_014)
    code, reason = refused(till, stand, frame[:-1] + bytes([frame[-1] ^ 1]))
    assert (code, reason) == ("A0", "mac-invalid")
    assert till.pay(100, 700_014).response_code == "00"
    bystander.pays()


def test_a_stranger_is_refused_a_few_times_and_then_closed(bystander, till, watch):
    frame = till.encode("0200", sale_fields(1, terminal_id="99999999"))
    heard = []
    for _ in range(11):
        try:
            till.send(frame)
        except ConnectionError:
            heard.append(CLOSED)
        else:
            heard.append(till.read_frame())
        if heard[-1] == CLOSED:
            break
    assert heard[-1] == CLOSED
    assert len(heard) == 11
    watch.expect_one_closing("refusals")
    bystander.pays()


def test_a_client_that_never_reads_is_cut_off(bystander, till, stand, watch):
    started = time.monotonic()
    till.socket.close()
    till.socket = socket.socket()
    till.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    till.socket.settimeout(10)
    till.socket.connect(till.address)
    assert till.pay(100, 700_020).response_code == "00"
    # the same sale again and again: an answer each time, from what is remembered
    repeats = till.sale(100, 700_020) * 200
    before, rss = len(stand.debits()), stand.rss_bytes()

    def flood():
        with contextlib.suppress(OSError):
            while not flooded.is_set():
                till.send(repeats)

    flooded = threading.Event()
    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        while not watch.lines():
            bystander.pays()
            assert time.monotonic() < started + DEADLINE_S, "it is never cut off"
    finally:
        flooded.set()
        flooding.join()
    watch.expect_one_closing("not-reading")
    assert stand.rss_bytes() - rss < RSS_GROWTH_BYTES_MAX
    paid = bystander.paid_count
    assert len(stand.debits()) == before + paid


def test_nothing_of_all_that_is_left_behind(stand):
    stand.check(pans=())
    assert stand.is_ready()

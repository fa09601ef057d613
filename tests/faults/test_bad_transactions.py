"""Rubbish under a right MAC: what a broken terminal, or one in the wrong hands, may send."""

import os
import random
from itertools import count

import pytest

from loadtest.pan_scan import PanScanner
from loadtest.world import make_terminals
from switch.security.mac import MacKey
from tests.faults.counter import open_shops
from tests.faults.stand import STEADY_SWITCH_TIMES, Stand
from tests.faults.till import CLOSED, UNIONPAY, Till, frame_of

pytestmark = pytest.mark.process

SEED = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
FUZZED = 150  # frames of each kind
TERMINALS = 3
HEADS = 13  # length, TPDU, header
SETTINGS = STEADY_SWITCH_TIMES | {"SWITCH__GATEWAY__FRAME_DEADLINE_MS": "700"}
# elements in which some terminal once sent a card number in clear
FREE_TEXTS = {
    "acquirer_id": "{pan:.11}",
    "card_acceptor_name": "{pan:<40}",
    "additional_response_data": "{pan}",
    "additional_amounts": "{pan}",
    "private_62": "{pan}",
    "private_63": "{pan}",
    "original_transaction": "{pan}",
}
LEAKED_PAN = "6200000003999995"


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    made = Stand(tmp_path_factory.mktemp("stand"), SETTINGS)
    made.start()
    open_shops(made, TERMINALS)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def stans():
    return count(1)


@pytest.fixture
def till(stand):
    with Till(stand.address("unionpay-pos"), make_terminals(TERMINALS)[0]) as made:
        yield made


@pytest.fixture
def bystander(stand):
    made = Till(stand.address("unionpay-pos"), make_terminals(TERMINALS)[1])
    made.connect()
    yield made
    made.hang_up()


def fields_of(till, stan, code, network_code="000", **changes):
    fields = {
        "pan": till.spec.pan,
        "processing_code": "000000",
        "amount_transaction": "000000000100",
        "stan": f"{stan:06d}",
        "expiration_date": "3012",
        "pos_entry_mode": "012",
        "pos_condition_code": "00",
        "terminal_id": till.spec.terminal_id,
        "merchant_id": till.spec.merchant_id,
        "currency": "156",
        "batch_data": f"{code}{till.spec.batch}{network_code}50",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def managed(till, stan, network_code, **changes):
    """Write the fields of a message about the terminal itself."""
    nothing = dict.fromkeys(
        (
            "pan",
            "processing_code",
            "amount_transaction",
            "expiration_date",
            "pos_entry_mode",
            "pos_condition_code",
            "currency",
        )
    )
    fields = fields_of(till, stan, "00", **(nothing | changes))
    return fields | {"batch_data": f"00{till.spec.batch}{network_code}"}


UPLOAD_ITEM = "00" + "000001" + "00006200000003917007" + "000000000100"
KINDS = {
    "sale-with-pin": lambda till, stan: (
        "0200",
        fields_of(
            till,
            stan,
            "22",
            pos_entry_mode="011",
            pin_capture_code="12",
            pin_block=bytes.fromhex("1122334455667788"),
            security_control="2600000000000000",
        ),
    ),
    "sale-with-chip": lambda till, stan: (
        "0200",
        fields_of(
            till,
            stan,
            "22",
            pos_entry_mode="052",
            icc_data=bytes.fromhex("9F260811223344556677889F2701809F360200019F1A020156"),
        ),
    ),
    "refund": lambda till, stan: (
        "0220",
        fields_of(
            till,
            stan,
            "25",
            processing_code="200000",
            rrn="990000000001",
            original_transaction="0000010000010101",
            private_63="000",
        ),
    ),
    "pre-authorization": lambda till, stan: (
        "0100",
        fields_of(till, stan, "10", processing_code="030000", pos_condition_code="06"),
    ),
    "offline": lambda till, stan: ("0220", fields_of(till, stan, "30")),
    "reversal": lambda till, stan: (
        "0400",
        fields_of(till, stan, "22", response_code="98", expiration_date=None),
    ),
    "upload": lambda till, stan: (
        "0320",
        managed(till, stan, "201", additional_data_private="01" + UPLOAD_ITEM),
    ),
    "upload-end": lambda till, stan: (
        "0320",
        managed(till, stan, "202", additional_data_private="0001"),
    ),
    "script-notice": lambda till, stan: (
        "0620",
        fields_of(till, stan, "00", "951", rrn="990000000001", amount_transaction=None),
    ),
    "totals": lambda till, stan: (
        "0500",
        managed(till, stan, "201", additional_data_private="0" * 62, currency="156"),
    ),
}


def sign(till, content):
    return content + MacKey(till.spec.mac_algorithm, bytes.fromhex(till.spec.mak)).compute(content)


def exchange(till, frame):
    """Send; return what comes back, over a new line next time if this one was closed."""
    try:
        till.send(frame)
        heard = till.read_frame()
    except OSError:
        heard = CLOSED
    assert heard is not None, f"silence for {frame.hex()}"
    if heard == CLOSED:
        till.connect()
    return heard


def spoil(noise, content):
    """Flip, cut, double or blow up a part of a message."""
    made = bytearray(content)
    for _ in range(noise.choice((1, 1, 2, 5))):
        at = noise.randrange(len(made))
        match noise.randrange(5):
            case 0:
                made[at] ^= 1 << noise.randrange(8)
            case 1:
                made[at] = noise.randrange(256)
            case 2:
                del made[at : at + noise.randrange(1, 9)]
            case 3:
                made[at:at] = noise.randbytes(noise.randrange(1, 40))
            case _:
                made[at:at] = made[: noise.randrange(1, 200)]
        if not made:
            made = bytearray(b"\0")
    return bytes(made[:3_000])


@pytest.mark.parametrize("kind", KINDS)
def test_spoilt_messages_under_a_right_mac_are_answered_or_closed(
    stand, till, bystander, stans, kind
):
    print(f"FAULTS_SEED={SEED}")  # noqa: T201 - shown if it fails
    noise = random.Random(f"{SEED} {kind}")
    errors = count_errors(stand)
    for _ in range(FUZZED):
        mti, fields = KINDS[kind](till, next(stans))
        content = till.encode(mti, fields)[HEADS:-8]
        exchange(till, frame_of(sign(till, spoil(noise, content))))
    heard = bystander.pay(1_000, next(stans))
    assert heard is not None
    assert heard.response_code == "00"
    assert count_errors(stand) == errors, stand.log_lines()[-5:]


def count_errors(stand):
    return sum(line["level"] == "error" for line in stand.log_lines())


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("upload", {"additional_data_private": ""}),
        ("upload", {"additional_data_private": "08" + UPLOAD_ITEM}),
        ("upload", {"additional_data_private": "99" + UPLOAD_ITEM * 8}),
        ("upload", {"additional_data_private": "01" + UPLOAD_ITEM[:-1]}),
        ("upload", {"additional_data_private": "00"}),
        ("upload", {"additional_data_private": "01" + UPLOAD_ITEM}),  # no totals before it
        ("upload-end", {"additional_data_private": "9999"}),
        ("upload-end", {"additional_data_private": "1"}),
        ("upload-end", {"additional_data_private": None}),
        ("totals", {"additional_data_private": None}),
        ("totals", {"additional_data_private": "9" * 322}),
        ("sale-with-chip", {"icc_data": b"\x9f" * 200}),
        ("sale-with-chip", {"icc_data": b"\x5a\xff" + bytes(100)}),
        ("sale-with-chip", {"icc_data": b"\x5a\x08\x99\x99\x99\x99\x99\x99\x99\x99"}),
        ("sale-with-pin", {"pin_block": None}),
        ("sale-with-pin", {"security_control": None}),
        ("sale-with-pin", {"security_control": "9999999999999999"}),
        ("refund", {"original_transaction": "9" * 16}),
        ("refund", {"original_transaction": None}),
        ("refund", {"rrn": "ABCDEFGHIJKL"}),
        ("refund", {"amount_transaction": "999999999999"}),
        ("offline", {"amount_transaction": "000000000000"}),
        ("pre-authorization", {"amount_transaction": "999999999999"}),
    ],
)
def test_odd_contents_are_answered_and_debit_nobody(stand, till, stans, kind, changes):
    before, errors = len(stand.debits()), count_errors(stand)
    mti, fields = KINDS[kind](till, next(stans))
    fields = {name: value for name, value in (fields | changes).items() if value is not None}
    if mti == "0500":
        fields["mac"] = b""
    frame = till.encode(mti, fields)
    heard = exchange(till, frame)
    if heard != CLOSED and kind.startswith("sale"):
        code = UNIONPAY.decode(heard[11:]).fields["response_code"]
        assert code != "00" or len(stand.debits()) == before + 1
    elif kind != "pre-authorization":
        assert len(stand.debits()) == before
    assert count_errors(stand) == errors


@pytest.mark.parametrize("size", [0, 1, 7, 9, 16, 64])
def test_a_pin_block_of_another_length_is_a_format_error_or_closes(stand, till, stans, size):
    before = len(stand.debits())
    block = bytes.fromhex("1122334455667788")
    mti, fields = KINDS["sale-with-pin"](till, next(stans))
    content = till.encode(mti, fields)[HEADS:-8]
    assert content.count(block) == 1
    spoilt = content.replace(block, os.urandom(size))
    heard = exchange(till, frame_of(sign(till, spoilt)))
    if heard != CLOSED:
        assert UNIONPAY.decode(heard[11:]).fields["response_code"] != "00"
    assert len(stand.debits()) == before


def test_a_storm_of_upload_lists_is_bounded(stand, till, bystander, stans):
    rss = stand.rss_bytes()
    for _ in range(300):
        mti, fields = KINDS["upload"](till, next(stans))
        exchange(till, till.encode(mti, fields))
    assert bystander.pay(1_100, next(stans)).response_code == "00"
    assert stand.rss_bytes() - rss < 20 * 1_048_576


@pytest.mark.parametrize("name", FREE_TEXTS)
@pytest.mark.parametrize("kind", ["refund", "offline", "reversal"])
def test_a_card_number_in_a_free_text_is_answered(till, stans, kind, name):
    mti, fields = KINDS[kind](till, next(stans))
    # where there is no room for anything but digits, only the card of the message is known as one
    pan = till.spec.pan if name in {"original_transaction", "acquirer_id"} else LEAKED_PAN
    fields[name] = FREE_TEXTS[name].format(pan=pan)
    exchange(till, till.encode(mti, fields))


def test_no_card_number_is_left_by_all_that(stand):
    stand.check()
    pans = [LEAKED_PAN, *(spec.pan for spec in make_terminals(TERMINALS))]
    # rubbish looks like a card number now and then, so only for those that were sent
    assert not PanScanner(pans, luhn=False).scan_tree(stand.data_dir)

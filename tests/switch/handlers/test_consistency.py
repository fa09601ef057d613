"""Bad input: every rule by itself, said by a terminal to its gateway, with the right MAC."""

import pytest

from switch.codec import Message
from switch.domain.payment.events import RequestRefused
from switch.domain.transactions import TransactionType
from switch.handlers.consistency import RULES, find_breach
from switch.security.mac import MacKey

from .conftest import MAK, MERCHANT, PAN, TERMINAL
from .pos_world import PosWorld, frame_message, read_reason

TRACK = f"{PAN}D30121010000000000"
CHIP = bytes.fromhex("9F360200019F2608AABBCCDDEEFF0011")
PIN = {"pin_block": bytes.fromhex("1774D84E2E217BD6"), "security_control": "2600000000000000"}
SALE = {
    "pan": PAN,
    "processing_code": "000000",
    "amount_transaction": "000000000100",
    "stan": "000123",
    "pos_entry_mode": "012",
    "pos_condition_code": "00",
    "terminal_id": TERMINAL,
    "merchant_id": MERCHANT,
    "currency": "156",
    "batch_data": "2200000100050",
}
VOID = SALE | {
    "processing_code": "200000",
    "batch_data": "2300000100050",
    "rrn": "010000000001",
    "original_transaction": "000001000099",
}
REFUND = VOID | {"batch_data": "2500000100050"}
COMPLETION = SALE | {
    "pos_condition_code": "06",
    "batch_data": "2000000100050",
    "authorization_id": "AUTH01",
}
INQUIRY = SALE | {"processing_code": "310000", "batch_data": "0100000100050"}


@pytest.fixture
def world():
    world = PosWorld()
    world.change_terminal(signed_on=True)
    return world


def say(world, mti, base, **changes):
    fields = {name: value for name, value in {**base, **changes}.items() if value}
    fields["mac"] = bytes(8)
    wire = world.dialect.encode(Message(mti, fields))
    fields["mac"] = MacKey("unionpay-ecb", MAK).compute(wire[:-8])
    return world.exchange_message(Message(mti, fields))


# what a payment cannot do without (docs/iso8583.md 3)
MISSING = [
    ("0200", SALE, "processing_code", "DE 3 processing_code is missing"),
    ("0200", SALE, "amount_transaction", "DE 4 amount_transaction is missing"),
    ("0200", SALE, "pos_entry_mode", "DE 22 pos_entry_mode is missing"),
    ("0200", SALE, "pos_condition_code", "DE 25 pos_condition_code is missing"),
    ("0200", SALE, "currency", "DE 49 currency is missing"),
    ("0200", SALE, "batch_data", "DE 60 batch_data is missing"),
    ("0200", SALE, "pan", "DE 2 pan is missing, and no track or chip data give it"),
    ("0220", REFUND, "rrn", "DE 37 rrn is missing"),
    ("0200", COMPLETION, "authorization_id", "DE 38 authorization_id is missing"),
    ("0400", SALE, "batch_data", "DE 60 batch_data is missing"),
    ("0400", SALE, "amount_transaction", "DE 4 amount_transaction is missing"),
]


@pytest.mark.parametrize(
    ("mti", "base", "name", "told"), MISSING, ids=[f"{one[0]} {one[2]}" for one in MISSING]
)
def test_a_missing_element_is_30_and_named(world, mti, base, name, told):
    answer = say(world, mti, base, **{name: ""})
    assert answer.fields["response_code"] == "30"
    assert world.events(RequestRefused)[-1].answer.detail == told
    assert world.sent == []


@pytest.mark.parametrize("name", ["stan", "terminal_id", "merchant_id"])
def test_what_names_the_message_is_asked_for_by_the_gateway(world, name):
    answer = say(world, "0200", SALE, **{name: ""})
    assert answer.fields["response_code"] == "30"
    assert f"{name} missing" in read_reason(answer)
    assert world.inbound == []


def test_a_void_names_what_it_voids(world):
    say(world, "0200", VOID, rrn="", original_transaction="")
    [refused] = world.events(RequestRefused)
    assert refused.answer.detail == "DE 61 original_transaction is missing, and there is no DE 37"


# where elements must agree
CONTRADICTIONS = {
    "keyed in, and a track": (
        {"pos_entry_mode": "012", "track2": TRACK},
        "DE 22 pos_entry_mode says keyed in, and there are DE 35 or DE 55",
    ),
    "keyed in, and a chip": (
        {"pos_entry_mode": "012", "icc_data": CHIP},
        "DE 22 pos_entry_mode says keyed in, and there are DE 35 or DE 55",
    ),
    "stripe without a track": (
        {"pos_entry_mode": "022"},
        "DE 22 pos_entry_mode says magnetic stripe, and there is no DE 35",
    ),
    "fallback without a track": (
        {"pos_entry_mode": "802", "icc_data": CHIP},
        "DE 22 pos_entry_mode says magnetic stripe, and there is no DE 35",
    ),
    "chip without chip data": (
        {"pos_entry_mode": "052"},
        "DE 22 pos_entry_mode says chip, and there is neither DE 55 nor DE 35",
    ),
    "contactless without chip data": (
        {"pos_entry_mode": "072"},
        "DE 22 pos_entry_mode says chip, and there is neither DE 55 nor DE 35",
    ),
    "PIN without a block": (
        {"pos_entry_mode": "011"},
        "DE 22 pos_entry_mode says PIN, and there is no DE 52",
    ),
    "no PIN, and a block": (
        {"pos_entry_mode": "012", **PIN},
        "DE 22 pos_entry_mode says no PIN, and there is a DE 52",
    ),
    "a block of no format": (
        {"pos_entry_mode": "011", **PIN, "security_control": "0600000000000000"},
        "DE 53 security_control names no PIN format",
    ),
    "a block without its control": (
        {"pos_entry_mode": "011", **PIN, "security_control": ""},
        "DE 53 security_control is missing, and there is a DE 52",
    ),
    "an encrypted track": (
        {"pos_entry_mode": "022", "track2": TRACK, "security_control": "2610000000000000"},
        "DE 53 security_control says that the track is encrypted, which is not supported",
    ),
}


@pytest.mark.parametrize(("changes", "told"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_elements_that_contradict_each_other_are_30_and_named(world, changes, told):
    answer = say(world, "0200", SALE, **changes)
    assert answer.fields["response_code"] == "30"
    assert world.events(RequestRefused)[-1].answer.detail == told
    assert world.sent == []


AGREEING = {
    "keyed in": {},
    "unspecified": {"pos_entry_mode": "000", "track2": TRACK},
    "stripe": {"pos_entry_mode": "022", "track2": TRACK},
    "chip": {"pos_entry_mode": "052", "icc_data": CHIP},
    "chip, read as a track only": {"pos_entry_mode": "052", "track2": TRACK},
    "contactless, a small amount without PIN": {"pos_entry_mode": "072", "icc_data": CHIP},
    "fallback to the stripe": {"pos_entry_mode": "802", "track2": TRACK},
}


@pytest.mark.parametrize("changes", AGREEING.values(), ids=AGREEING)
def test_elements_that_agree_are_taken(world, changes):
    assert say(world, "0200", SALE, **changes).fields["response_code"] == "00"


def test_every_rule_of_the_table_is_broken_by_one_of_these_tests():
    told = {one[3] for one in MISSING} | {one[1] for one in CONTRADICTIONS.values()}
    told.add("DE 61 original_transaction is missing, and there is no DE 37")
    assert {rule.breach for rule in RULES} <= told


# what is not asked


def test_a_reversal_is_not_asked_how_the_card_was_read(world):
    say(world, "0200", SALE)
    reversal = {"pos_entry_mode": "", "pos_condition_code": "", "pan": "", "response_code": "98"}
    assert say(world, "0400", SALE, **reversal).fields["response_code"] == "00"
    world.pass_ms(200)
    assert world.sent_kinds() == ["0200", "0420"]


def test_an_advice_is_not_asked_for_a_track_that_may_not_be_kept(world):
    offline = SALE | {"batch_data": "3000000100050", "pos_entry_mode": "022"}
    assert say(world, "0220", offline).fields["response_code"] == "00"


def test_an_inquiry_needs_no_amount(world):
    assert say(world, "0200", INQUIRY, amount_transaction="").fields["response_code"] == "00"


def test_a_dialect_without_batches_says_less(world):
    say(world, "0200", SALE)
    [received] = world.inbound
    received.fields.pop("pos_entry_mode")
    assert find_breach(received, TransactionType.SALE, has_batch=False) == ""
    assert find_breach(received, TransactionType.SALE, has_batch=True)


# values


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"amount_transaction": "0" * 12}, "13", "amount-not-positive"),
        ({"currency": "999"}, "30", "DE 49 currency is not a currency of this switch"),
        ({"currency": "840"}, "12", "currency-not-enabled"),
        ({"processing_code": "990000"}, "40", "txn-not-supported"),
        ({"pos_condition_code": "06"}, "40", "txn-not-supported"),
        ({"batch_data": "9900000100050"}, "40", "txn-not-supported"),
        ({"batch_data": "2200000100"}, "30", "DE 60"),
        ({"batch_data": "220000010005012"}, "30", "DE 60"),
        ({"original_transaction": "0000010000991"}, "30", "DE 61"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_element(world, changes, code, told):
    if len(changes.get("batch_data", "2" * 11)) < 11:
        wire = bytearray(frame_message(world, Message("0200", {**SALE, "mac": bytes(8)})))
        place = wire.index(bytes.fromhex("0013220000"))
        wire[place : place + 9] = bytes.fromhex("00102200000100")  # ten digits: a part is cut off
        body = bytes(wire[2:])
        [framed] = world.exchange(len(body).to_bytes(2, "big") + body)
        answer = world.dialect.decode(framed[13:])
    else:
        answer = say(world, "0200", SALE, **changes)
    assert answer.fields["response_code"] == code
    assert told in read_reason(answer)
    assert world.sent == []
    assert PAN not in read_reason(answer)


def test_an_element_longer_than_it_may_be_is_30_and_named(world):
    track = f"{TRACK:0<37}"
    message = Message("0200", {**SALE, "pos_entry_mode": "022", "track2": track, "mac": bytes(8)})
    longer = frame_message(world, message).replace(b"\x37\x62", b"\x39\x62", 1)
    [framed] = world.exchange(longer)
    answer = world.dialect.decode(framed[13:])
    assert answer.fields["response_code"] == "30"
    assert read_reason(answer).startswith("format-error: DE 35 track2")
    assert PAN not in read_reason(answer)

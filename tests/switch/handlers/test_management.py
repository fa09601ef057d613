import copy

import msgspec
import pytest
from msgspec.structs import replace

from switch.codec import Message
from switch.domain.payment.events import DuplicateConflicted, PaymentDeclined, RequestRefused
from switch.domain.registry.entities import TerminalStatus
from switch.domain.terminal.events import (
    TerminalAsked,
    TerminalSignedOn,
)
from switch.eventlog.inbound import RequestReceived
from switch.eventlog.journal import encode_record
from switch.security.keys import tmk_owner
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind

from .conftest import ACQUIRER, MAK, MERCHANT, TERMINAL
from .pos_world import HOUR_MS, PosWorld, decide_all_again, order_sale, read_reason

CHIP = bytes.fromhex("9F360200029F2608AABBCCDDEEFF0011DF3105200102030A")


@pytest.fixture
def world():
    return PosWorld()


@pytest.fixture
def signed_on(world):
    assert world.manage(Operation.SIGN_ON).kind is OutcomeKind.APPROVED
    return world


def sign_on_message(stan="000900", scheme="003", **changes):
    fields = {
        "stan": stan,
        "terminal_id": TERMINAL,
        "merchant_id": MERCHANT,
        "batch_data": f"00000001{scheme}",
        "private_62": "Sequence NoSN1",
        "private_63": "01 ",
        **changes,
    }
    return Message("0800", {name: value for name, value in fields.items() if value})


# -- sign-on --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "scheme"),
    [
        ("unionpay-ecb", "001"),
        ("unionpay-ecb", "003"),
        ("unionpay-ecb", "004"),
        ("x9.9", "003"),
        ("x9.19", "003"),
        ("unionpay-ecb-sm4", "006"),
    ],
)
def test_a_terminal_signs_on_and_sells_under_its_new_keys(algorithm, scheme):
    world = PosWorld(algorithm=algorithm, scheme=scheme)
    assert world.manage(Operation.SIGN_ON).kind is OutcomeKind.APPROVED
    assert world.till.key_version == 1
    assert world.pay().kind is OutcomeKind.APPROVED
    assert world.till.proven_version == 1
    assert world.reverse().kind is OutcomeKind.REVERSED
    decide_all_again(world)


def test_before_a_sign_on_nothing_is_sold(world):
    assert world.pay().reason == "sign-on-required"
    assert world.sent == []


def test_the_answer_to_a_sign_on_sets_clock_and_batch(world):
    answer = world.exchange_message(sign_on_message(batch_data="00000009003"))
    assert answer.mti == "0810"
    fields = answer.fields
    assert (fields["response_code"], fields["stan"]) == ("00", "000900")
    assert {"local_time", "local_date", "acquirer_id", "rrn"} < set(fields)
    assert fields["batch_data"] == "00000001003"  # the registry's, not the terminal's own
    assert len(fields["private_62"]) == 40
    assert "mac" not in fields


def test_a_sign_on_is_never_replayed(world):
    first = world.exchange_message(sign_on_message())
    again = world.exchange_message(sign_on_message())
    assert first.fields["private_62"] != again.fields["private_62"]
    assert [one.version for one in world.till.key_sets] == [1, 2]


def test_old_keys_verify_until_the_new_ones_were_used(signed_on):
    world = signed_on
    assert world.pay().kind is OutcomeKind.APPROVED
    world.is_deaf = True
    world.manage(Operation.SIGN_ON)  # its answer is lost: the terminal goes on with what it has
    world.is_deaf = False
    assert [one.version for one in world.till.key_sets] == [1, 2]
    old = copy.deepcopy(world.pos.state)
    assert world.pay().kind is OutcomeKind.APPROVED
    world.pass_ms(61_000)
    assert world.manage(Operation.SIGN_ON).kind is OutcomeKind.APPROVED
    assert world.pay().kind is OutcomeKind.APPROVED
    assert [one.version for one in world.till.key_sets] == [3]
    world.pos = world.make_pos(mak=old.mak, stan=500)
    assert world.pay().reason == "mac-invalid"


def test_an_answer_in_flight_has_the_mac_of_the_keys_its_request_came_with(signed_on):
    world = signed_on
    world.pay()
    till, world.issuer_code = world.pos, ""
    actions = till.start_payment(order_sale(), world.now)
    frame = next(action.frame for action in actions if hasattr(action, "frame"))
    world.exchange(frame)  # routed; the issuer has not answered yet
    other = world.pos = world.make_pos(batch=till.state.batch, stan=800)
    assert world.manage(Operation.SIGN_ON).kind is OutcomeKind.APPROVED
    world.issuer_code = "00"
    assert world.pay().kind is OutcomeKind.APPROVED  # under the new keys
    assert other.state.mak != till.state.mak
    world.heard = []
    world.issuer_says("00", index=-2)
    [answer] = world.heard
    [*_, finish] = till.data_received(answer, world.now)
    assert finish.outcome.kind is OutcomeKind.APPROVED
    assert finish.outcome.is_proven


def test_keys_survive_a_take_over(signed_on):
    world = signed_on
    world.restart()
    assert world.pay().kind is OutcomeKind.APPROVED
    decide_all_again(world)


def test_another_terminals_frames_prove_nothing(world):
    world.add_terminal("00000002", tmk=None, signed_on=True)
    world.change_terminal(signed_on=True)
    actions = world.pos.start_payment(order_sale(), world.now)
    frame = next(action.frame for action in actions if hasattr(action, "frame"))
    world.change_terminal(mak=world.keys.seal_key(bytes(8), f"mak:{ACQUIRER}:{TERMINAL}"))
    [answer] = world.exchange(frame)
    refused = world.dialect.decode(answer[13:])
    assert refused.fields["response_code"] == "A0"
    assert "mac" not in refused.fields  # what proved nothing is not answered with a MAC
    assert world.sent == []


def test_the_registrys_key_ends_with_the_first_proof_of_another(signed_on):
    world = signed_on
    new = world.pos
    world.pos = world.make_pos(stan=300)  # with the key it was delivered with
    assert world.pay().kind is OutcomeKind.APPROVED
    world.pos = new
    assert world.pay().kind is OutcomeKind.APPROVED
    world.pos = world.make_pos(stan=400)
    assert world.pay().reason == "mac-invalid"


def test_a_terminal_without_macs_signs_on_without_keys(world):
    world.prepare_terminal(mac_algorithm="none", mak=None, tmk=None)
    answer = world.exchange_message(sign_on_message())
    assert answer.fields["response_code"] == "00"
    assert "private_62" not in answer.fields
    assert world.till.is_signed_on


@pytest.mark.parametrize(
    ("changes", "scheme", "code", "reason"),
    [
        ({"tmk": None}, "003", "97", "master-key-missing"),
        ({}, "006", "97", "key-scheme-refused"),
        ({"status": TerminalStatus.DISABLED}, "003", "58", "terminal-inactive"),
        ({"merchant_id": "898110154110009"}, "003", "58", "terminal-mismatch"),
        ({}, "360", "40", "txn-not-supported"),
    ],
)
def test_a_sign_on_is_refused_with_its_reason(world, changes, scheme, code, reason):
    world.change_terminal(**changes)
    answer = world.exchange_message(sign_on_message(scheme=scheme))
    assert answer.fields["response_code"] == code
    assert read_reason(answer).split(":")[0] == reason
    assert "private_62" not in answer.fields
    assert world.till is None
    decide_all_again(world)


def test_a_master_key_that_does_not_open_here_is_none(world):
    terminal = world.registry.find_terminal(ACQUIRER, TERMINAL)
    other = world.keys.seal_key(bytes(16), tmk_owner(replace(terminal, terminal_id="00000099")))
    world.change_terminal(tmk=other)
    answer = world.exchange_message(sign_on_message())
    assert read_reason(answer) == "master-key-missing: a key does not open here"


def test_a_flood_of_sign_ons_leaves_the_keys_in_use_alone_and_keeps_nobody_from_new_ones(
    signed_on,
):
    world = signed_on
    assert world.pay().kind is OutcomeKind.APPROVED
    answers = [world.exchange_message(sign_on_message(stan=f"{n:06d}")) for n in range(900, 915)]
    wrapped = [answer.fields["private_62"] for answer in answers]
    assert len(set(wrapped[:4])) == 4
    assert set(wrapped[3:]) == {wrapped[3]}, "the newest that nobody has used"
    assert world.pay().kind is OutcomeKind.APPROVED
    assert world.manage(Operation.SIGN_ON).kind is OutcomeKind.APPROVED
    assert world.pay().kind is OutcomeKind.APPROVED
    assert world.till.proven_version == world.till.key_version == 5
    [left] = world.till.key_sets
    assert left.version == 5, "whoever uses the newest ends all others"
    fresh = world.exchange_message(sign_on_message(stan="000990"))
    assert fresh.fields["private_62"] not in wrapped
    decide_all_again(world)


def test_a_flood_of_sign_ons_of_another_scheme_is_refused(signed_on):
    world = signed_on
    world.pay()
    for stan in range(900, 904):
        world.exchange_message(sign_on_message(stan=f"{stan:06d}", scheme="001"))
    answer = world.exchange_message(sign_on_message(stan="000910", scheme="004"))
    assert "sign-on-too-often" in read_reason(answer)
    decide_all_again(world)


def test_keys_that_no_longer_fit_their_terminal_are_not_given_again(signed_on):
    world = signed_on
    world.pay()
    first = [world.exchange_message(sign_on_message(stan=f"{n:06d}")) for n in range(900, 904)]
    world.change_terminal(mac_algorithm="x9.19")
    answer = world.exchange_message(sign_on_message(stan="000910"))
    given = answer.fields["private_62"]
    assert given not in {one.fields["private_62"] for one in first}
    decide_all_again(world)


def test_a_sign_on_whose_terminal_no_longer_waits_makes_no_keys(world):
    frame = world.dialect.encode(sign_on_message())
    received = make_received(world, frame, "0800", deadline_at=world.now.wall_ms - 1)
    world.deliver(received)
    [refused] = world.events(RequestRefused)
    assert refused.answer.reason == "request-stale"
    [asked] = world.events(TerminalAsked)
    assert asked.offered is None


def make_received(world, wire, mti, *, deadline_at):
    message = world.dialect.decode(wire)
    inbound_id = f"gw-late-{len(world.inbound)}"
    key_id, sealed = world.keys.minute_keys.seal(world.now.wall_ms, wire, inbound_id)
    template = {
        "inbound_id": inbound_id,
        "gateway": "gw",
        "channel": "unionpay-pos",
        "acquirer": ACQUIRER,
        "partition_key": f"{ACQUIRER}|{MERCHANT}",
        "mti": mti,
        "fields": {k: v for k, v in message.fields.items() if k in CLEAR and isinstance(v, str)},
        "received_at": world.now.wall_ms,
        "start_before": world.now.wall_ms,
        "deadline_at": deadline_at,
        "minute_key_id": key_id,
        "sealed_message": sealed,
    }
    received = RequestReceived(**template)
    world.inbound.append(received)
    return received


CLEAR = {"stan", "terminal_id", "merchant_id", "batch_data", "currency"}


def test_no_key_is_ever_written_in_clear(signed_on):
    world = signed_on
    world.pay()
    text = b"".join(encode_record(record) for record in world.journal)
    wrapped = world.pos.state
    for key in (wrapped.mak, wrapped.pik, MAK):
        assert key not in text
        assert key.hex() not in text.decode("latin-1").lower()
    [signed] = world.events(TerminalSignedOn)
    assert "62" not in msgspec.json.encode(signed).decode().replace("1700", "")


# -- lost terminals -------------------------------------------------------------------------------


def lose(world, *, hours_ago):
    at = world.now.wall_ms - hours_ago * HOUR_MS
    world.change_terminal(status=TerminalStatus.LOST, lost_at=at)


def test_a_lost_terminals_keys_still_prove_its_reversals_for_a_day(signed_on):
    world = signed_on
    world.pay()
    lose(world, hours_ago=23)
    assert world.reverse().kind is OutcomeKind.REVERSED


def test_after_a_day_a_lost_terminal_proves_nothing(signed_on):
    world = signed_on
    world.pay()
    lose(world, hours_ago=24)
    assert world.reverse().kind is OutcomeKind.REVERSAL_OWED
    refused = world.dialect.decode(world.heard[-1][13:])
    assert refused.fields["response_code"] == "58"
    assert "mac" not in refused.fields


def test_a_lost_terminal_sells_nothing_and_hears_no_old_approval(signed_on):
    world = signed_on
    world.pay()
    world.issuer_code = ""
    lose(world, hours_ago=1)
    said = world.exchange(world.pos._voice.frame_payment(world.pos.state.last))
    refused = world.dialect.decode(said[0][13:])
    assert refused.fields["response_code"] == "58"
    assert "mac" not in refused.fields
    assert len(world.sent) == 1


# -- sign-off, echo -------------------------------------------------------------------------------


def test_a_sign_off_binds_nobody_who_proves_the_keys(signed_on):
    world = signed_on
    world.pay()
    assert world.manage(Operation.SIGN_OFF).kind is OutcomeKind.APPROVED
    assert world.till.is_signed_on is False
    assert world.reverse().kind is OutcomeKind.REVERSED
    assert world.pay().kind is OutcomeKind.APPROVED, "anybody may have sent that sign-off"
    assert world.manage(Operation.SIGN_ON).kind is OutcomeKind.APPROVED
    assert world.pay().kind is OutcomeKind.APPROVED
    decide_all_again(world)


def test_a_sign_off_binds_a_terminal_that_proves_nothing(signed_on):
    world = signed_on
    world.change_terminal(mac_algorithm="none")
    assert world.manage(Operation.SIGN_OFF).kind is OutcomeKind.APPROVED
    world.pay()
    [declined] = world.events(PaymentDeclined)
    assert declined.answer.reason == "sign-on-required"
    decide_all_again(world)


def test_an_echo_is_answered_and_leaves_no_record(world):
    before = len(world.journal)
    assert world.manage(Operation.ECHO).kind is OutcomeKind.APPROVED
    assert len(world.journal) == before
    assert world.till is None


# -- script notices -------------------------------------------------------------------------------


def tell_script(world, **options):
    [kept] = [one for one in world.pos.state.payments if one.operation is Operation.SALE]
    fields = {"original": kept.original, "icc_data": CHIP, **options}
    return world.pay(Operation.SCRIPT_NOTICE, **fields)


def test_a_script_notice_is_recorded_and_its_repeat_hears_the_same(signed_on):
    world = signed_on
    world.pay()
    assert tell_script(world).kind is OutcomeKind.APPROVED
    [asked] = [one for one in world.events(TerminalAsked) if one.request.script_result]
    assert asked.request.script_result == "200102030a"
    assert asked.request.original.rrn
    count = len(world.journal)
    first = world.heard[-1]
    assert world.repeat().kind is OutcomeKind.APPROVED
    assert len(world.journal) == count
    answers = [world.dialect.decode(one[13:]).fields for one in (first, world.heard[-1])]
    assert answers[0]["rrn"] == answers[1]["rrn"]
    assert "mac" in answers[0]
    decide_all_again(world)


def test_a_script_notice_with_other_content_is_a_conflict(signed_on):
    world = signed_on
    world.pay()
    tell_script(world)
    world.pos.state.stan -= 1
    assert tell_script(world, icc_data=bytes.fromhex("DF31021020")).reason == "duplicate-conflict"
    assert len(world.events(DuplicateConflicted)) == 1
    decide_all_again(world)

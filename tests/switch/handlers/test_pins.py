"""A PIN's way through the handler: in memory, from the terminal's key to its issuer's."""

import pytest

from switch.eventlog.journal import encode_record
from switch.security.keys import zpk_owner
from switch.security.pin_block import PinFormat, PinKey, holds_pin
from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind

from .conftest import PAN
from .pos_world import PosWorld, decide_all_again

ZPK = bytes.fromhex("0123456789ABCDEF1122334455667788")


def give_key(world, pin_format="iso-0"):
    issuer = world.registry.find_issuer("62000000")
    zpk = world.keys.seal_key(ZPK, zpk_owner(issuer))
    world.change_issuer(zpk=zpk, pin_format=pin_format)


@pytest.fixture
def world():
    world = PosWorld()
    give_key(world)
    assert world.manage(Operation.SIGN_ON).kind is OutcomeKind.APPROVED
    return world


def holds(world, pin, pin_format=PinFormat.ISO_0):
    block = world.sent[-1].request.secrets["pin_block"]
    return holds_pin(block, pin, key=PinKey("des", ZPK), pin_format=pin_format, pan=PAN)


def test_a_pin_under_the_keys_of_the_sign_on_reaches_its_issuer(world):
    assert world.pay(pin="123456").kind is OutcomeKind.APPROVED
    assert holds(world, "123456")
    assert world.sent[-1].request.secrets["security_control"] == "2600000000000000"


def test_a_pin_under_the_key_that_the_terminal_was_delivered_with_does_too(world):
    world.prepare_terminal(signed_on=True)
    world.pos = world.make_pos(stan=500)
    assert world.pay(pin="4711").kind is OutcomeKind.APPROVED
    assert holds(world, "4711")


def test_the_keys_are_those_that_the_message_was_proven_with(world):
    old = world.make_pos(
        stan=600, mak=world.pos.state.mak, pik=world.pos.state.pik, batch=world.pos.state.batch
    )
    assert world.manage(Operation.SIGN_ON).kind is OutcomeKind.APPROVED
    world.pos = old
    assert world.pay(pin="123456").kind is OutcomeKind.APPROVED
    assert holds(world, "123456")


@pytest.mark.parametrize("theirs", ["iso-0", "iso-2"])
@pytest.mark.parametrize("ours", ["iso-0", "iso-2"])
def test_the_form_is_changed_on_the_way(theirs, ours):
    world = PosWorld()
    give_key(world, theirs)
    world.change_terminal(pin_format=ours)
    world.pos = world.make_pos(pin_format=ours)
    world.manage(Operation.SIGN_ON)
    assert world.pay(pin="123456").kind is OutcomeKind.APPROVED
    assert holds(world, "123456", PinFormat(theirs))
    control = {"iso-0": "26", "iso-2": "16"}[theirs]
    assert world.sent[-1].request.secrets["security_control"] == control.ljust(16, "0")


def test_a_block_that_holds_no_pin_is_declined_before_anything_is_sent(world):
    world.pos.state.pik = bytes.fromhex("F1" * 16)
    declined = world.pay(pin="123456")
    assert (declined.response_code, declined.reason) == ("99", "pin-unusable")
    assert world.sent == []
    decide_all_again(world)


def test_an_issuer_without_a_key_takes_no_pin(world):
    world.change_issuer(zpk=None)
    declined = world.pay(pin="123456")
    assert declined.reason == "pin-unusable"
    assert declined.detail == "issuer bank has no zone PIN key"
    assert world.pay().kind is OutcomeKind.APPROVED


def test_a_key_that_does_not_open_here_is_no_key(world):
    issuer = world.registry.find_issuer("62000000")
    world.change_issuer(zpk=world.keys.seal_key(ZPK, zpk_owner(issuer) + "x"))
    assert world.pay(pin="123456").detail == "a key does not open here"


def test_a_balance_inquiry_brings_its_pin_too(world):
    assert world.pay(Operation.BALANCE, pin="123456").kind is OutcomeKind.APPROVED
    assert holds(world, "123456")


def test_a_pin_is_written_nowhere(world):
    world.pay(pin="123456")
    block = world.sent[-1].request.secrets["pin_block"]
    asked = world.pos.state.last
    written = b"".join(map(encode_record, world.journal)) + "".join(world.appended).encode()
    assert b"123456FF" not in written.upper()
    for secret in (block, block.hex().encode(), block.hex().upper().encode()):
        assert secret not in written
    assert "pin_block" not in asked.binary
    assert all("pin_block" not in one.fields for one in world.inbound)


def test_a_payment_without_a_pin_takes_none_along(world):
    world.pay()
    assert "pin_block" not in world.sent[-1].request.secrets
    assert "security_control" not in world.sent[-1].request.secrets

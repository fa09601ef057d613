"""The demo issuer's PIN check."""

import tomllib

import pytest

from switch.demo.issuer_pin import DEMO_PIN, PinCheck, make_demo_pin_check
from switch.demo.world import demo_registry_document
from switch.security.pin_block import PinFormat, PinKey, encrypt_pin_block

ZPK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PAN = "6200000000000005"


def block_of(pin: str, pin_format: PinFormat = PinFormat.ISO_0, pan: str = PAN) -> bytes:
    return encrypt_pin_block(pin, key=PinKey("des", ZPK), pin_format=pin_format, pan=pan)


def test_no_pin_is_no_wrong_pin() -> None:
    assert PinCheck(ZPK).refuse({"pan": PAN}) == ""


@pytest.mark.parametrize("pin_format", list(PinFormat))
def test_the_right_pin_under_the_right_key_in_the_right_form_is_taken(
    pin_format: PinFormat,
) -> None:
    block = block_of(DEMO_PIN, pin_format)
    assert PinCheck(ZPK, pin_format=pin_format).refuse({"pan": PAN, "pin_block": block}) == ""


@pytest.mark.parametrize(
    "block",
    [
        block_of("123457"),
        block_of(DEMO_PIN, PinFormat.ISO_2),
        block_of(DEMO_PIN, pan="6200000000000047"),
        bytes(8),
    ],
)
def test_any_other_block_is_55(block: bytes) -> None:
    assert PinCheck(ZPK).refuse({"pan": PAN, "pin_block": block}) == "55"


def test_a_pin_without_a_card_number_is_55() -> None:
    assert PinCheck(ZPK).refuse({"pin_block": block_of(DEMO_PIN)}) == "55"


@pytest.mark.parametrize("block", [b"", bytes(7), bytes(16), "0" * 16])
def test_what_is_no_block_of_eight_bytes_is_30(block: bytes | str) -> None:
    assert PinCheck(ZPK).refuse({"pan": PAN, "pin_block": block}) == "30"


def test_the_demo_checks_under_the_key_that_its_world_gives_the_issuer() -> None:
    world = tomllib.loads(demo_registry_document().decode())
    [issuer] = [each for each in world["issuers"] if each["issuer_id"] == "demo-issuer"]
    check = make_demo_pin_check()
    if not issuer.get("zpk"):
        assert check is None
        return
    assert check is not None
    key = PinKey("des", bytes.fromhex(issuer["zpk"]))
    pin_format = PinFormat(issuer.get("pin_format", "iso-0"))
    block = encrypt_pin_block(DEMO_PIN, key=key, pin_format=pin_format, pan=PAN)
    assert check.refuse({"pan": PAN, "pin_block": block}) == ""

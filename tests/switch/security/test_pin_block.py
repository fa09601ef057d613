import copy
import pickle
import traceback

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from switch.security import pin_block
from switch.security.des import open_block_cipher
from switch.security.pin_block import (
    PinFault,
    PinFormat,
    PinKey,
    encrypt_pin_block,
    holds_pin,
    translate_pin_block,
)
from switch.security.sm4 import open_block_cipher as open_sm4_cipher
from switch.security.sm4 import open_block_decipher as open_sm4_decipher

ISO_0, ISO_2 = PinFormat.ISO_0, PinFormat.ISO_2
PIK = bytes.fromhex("3132333435363738393A3B3C3D3E3F40")
ZPK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PAN = "5555555551234567"
KEYS = {
    "single": PinKey("des", PIK[:8]),
    "double": PinKey("des", PIK),
    "sm4": PinKey("sm4", PIK),
    "zone": PinKey("des", ZPK),
}

pins = st.text("0123456789", min_size=4, max_size=12)
long_pins = st.text("0123456789", min_size=8, max_size=12)  # never met by chance
pans = st.text("0123456789", min_size=13, max_size=19)
formats = st.sampled_from(PinFormat)
keys = st.sampled_from(sorted(KEYS)).map(KEYS.__getitem__)


def _clear(block: str) -> bytes:
    """Encrypt a block that the test wrote by hand under the PIN key."""
    return open_block_cipher(PIK)(bytes.fromhex(block))


def _translate(block: bytes, **changed: object) -> bytes:
    """Translate from the terminal's ISO-0 under PIK to ISO-0 under ZPK, except as `changed`."""
    arguments = {
        "from_key": KEYS["double"],
        "from_format": ISO_0,
        "to_key": KEYS["zone"],
        "to_format": ISO_0,
        "pan": PAN,
    }
    return translate_pin_block(block, **{**arguments, **changed})  # type: ignore[arg-type]


KNOWN_BLOCKS = [
    (ISO_0, "1234", "5555555551234567", "041261AAAAEDCBA9"),
    (ISO_0, "123456789012", "5555555551234567", "0C1261032D8226A9"),
    (ISO_0, "1234", "4012345678909", "041274EDCBA9876F"),
    (ISO_0, "123456", "123456789012345678", "061253DFFEDCBA98"),
    (ISO_0, "123456", "1234567890123456", "0612713176FEDCBA"),
    (ISO_0, "123456", "6200000000000005", "06123456FFFFFFFF"),
    (ISO_2, "1234", "5555555551234567", "241234FFFFFFFFFF"),
    (ISO_2, "1234", "", "241234FFFFFFFFFF"),  # no card number in it
]


@pytest.mark.parametrize(("pin_format", "pin", "pan", "clear"), KNOWN_BLOCKS)
def test_known_blocks_are_written(pin_format: PinFormat, pin: str, pan: str, clear: str) -> None:
    block = encrypt_pin_block(pin, key=KEYS["double"], pin_format=pin_format, pan=pan)
    assert block == _clear(clear)


@pytest.mark.parametrize(("pin_format", "pin", "pan", "clear"), KNOWN_BLOCKS)
@pytest.mark.parametrize("to_format", PinFormat)
def test_known_blocks_are_read(
    pin_format: PinFormat, pin: str, pan: str, clear: str, to_format: PinFormat
) -> None:
    pan = pan or PAN
    block = _translate(_clear(clear), from_format=pin_format, to_format=to_format, pan=pan)
    assert block == encrypt_pin_block(pin, key=KEYS["zone"], pin_format=to_format, pan=pan)


def test_the_encrypted_block_of_the_domain() -> None:
    block = encrypt_pin_block(
        "123456", key=KEYS["double"], pin_format=ISO_0, pan="6200000000000005"
    )
    assert block.hex().upper() == "1774D84E2E217BD6"


def test_a_block_under_sm4_has_sixteen_bytes_and_the_card_number_at_its_end() -> None:
    key = open_sm4_decipher(bytes.fromhex("1234567890ABCDEFABCDEF0987654321"))(
        bytes.fromhex("3D66234C49E4296FF9C78D8BACBD6A76")
    )
    block = encrypt_pin_block(
        "123654", key=PinKey("sm4", key), pin_format=ISO_0, pan="6230606601007726888"
    )
    clear = bytes.fromhex("06123654FFFFFFFFFFFF99FEFF88D977")
    assert block == open_sm4_cipher(key)(clear)


@given(pin=pins, pan=pans, first=formats, second=formats, from_key=keys, to_key=keys)
def test_a_translated_block_holds_the_same_pin_and_translates_back(
    *, pin: str, pan: str, first: PinFormat, second: PinFormat, from_key: PinKey, to_key: PinKey
) -> None:
    block = encrypt_pin_block(pin, key=from_key, pin_format=first, pan=pan)
    there = translate_pin_block(
        block, from_key=from_key, from_format=first, to_key=to_key, to_format=second, pan=pan
    )
    assert holds_pin(there, pin, key=to_key, pin_format=second, pan=pan)
    back = translate_pin_block(
        there, from_key=to_key, from_format=second, to_key=from_key, to_format=first, pan=pan
    )
    assert back == block


@given(pin=pins, other=pins, pan=pans, pin_format=formats, key=keys)
def test_a_block_holds_one_pin_only(
    pin: str, other: str, pan: str, pin_format: PinFormat, key: PinKey
) -> None:
    block = encrypt_pin_block(pin, key=key, pin_format=pin_format, pan=pan)
    held = holds_pin(block, other, key=key, pin_format=pin_format, pan=pan)
    assert held == (pin == other)
    assert not holds_pin(block[:-1], pin, key=key, pin_format=pin_format, pan=pan)
    assert not holds_pin(block, "x" + pin, key=key, pin_format=pin_format, pan=pan)


@pytest.mark.parametrize(
    "clear",
    [
        "141261AAAAEDCBA9",  # another control digit
        "241234FFFFFFFFFF",  # ISO-2
        "031261AAAAEDCBA9",  # three digits, and a filler that then does not begin where it should
        "0D1261032D8226A9",  # thirteen
        "0F1261032D8226A9",
        "001261AAAAEDCBA9",
        "051261AAAAEDCBA9",  # a filler digit within the PIN
        "0412618AAAEDCBA9",  # a digit within the filler
        "041A61AAAAEDCBA9",  # a letter within the PIN
        "0000000000000000",
        "FFFFFFFFFFFFFFFF",
    ],
)
def test_a_block_of_another_form_is_a_fault(clear: str) -> None:
    with pytest.raises(PinFault, match="holds no PIN"):
        _translate(_clear(clear))


@pytest.mark.parametrize(
    "clear", ["041234FFFFFFFFFF", "231234FFFFFFFFFF", "2D123412341234FF", "24123AFFFFFFFFFF"]
)
def test_a_block_of_another_form_than_iso_2_is_a_fault(clear: str) -> None:
    with pytest.raises(PinFault, match="holds no PIN"):
        _translate(_clear(clear), from_format=ISO_2)


@pytest.mark.parametrize("length", [0, 7, 9, 16])
def test_a_block_of_another_size_is_a_fault(length: int) -> None:
    with pytest.raises(PinFault, match=f"has {length} bytes, not 8"):
        _translate(bytes(length))


@pytest.mark.parametrize(
    "pan", ["", "123456789012", "55555555512345AB", "５５５５５５５５５５５５５"]
)
def test_a_card_number_that_is_none_is_a_fault_where_the_form_needs_one(pan: str) -> None:
    block = encrypt_pin_block("1234", key=KEYS["double"], pin_format=ISO_2, pan=pan)
    with pytest.raises(PinFault, match="holds no PIN"):
        _translate(block, from_format=ISO_2, pan=pan)
    with pytest.raises(PinFault, match="holds no PIN"):
        _translate(block, to_format=ISO_2, pan=pan)
    with pytest.raises(PinFault, match="at least 13"):
        encrypt_pin_block("1234", key=KEYS["double"], pin_format=ISO_0, pan=pan)


@pytest.mark.parametrize("pin", ["", "123", "1234567890123", "12a4", "１２３４", "-123"])
@pytest.mark.parametrize("pin_format", PinFormat)
def test_what_is_no_pin_is_not_written_and_not_told(pin: str, pin_format: PinFormat) -> None:
    with pytest.raises(PinFault) as caught:
        encrypt_pin_block(pin, key=KEYS["double"], pin_format=pin_format, pan=PAN)
    assert not pin or pin not in str(caught.value)


def _fault_of(block: bytes, **changed: object) -> PinFault | None:
    try:
        _translate(block, **changed)
    except PinFault as fault:
        return fault
    return None


@given(pin=long_pins, pan=pans, wrong_pan=pans, from_format=formats, key=keys, wrong_key=keys)
def test_a_wrong_key_form_or_card_never_tells_the_pin(
    *,
    pin: str,
    pan: str,
    wrong_pan: str,
    from_format: PinFormat,
    key: PinKey,
    wrong_key: PinKey,
) -> None:
    assume(pin not in wrong_pan)
    block = encrypt_pin_block(pin, key=key, pin_format=ISO_0, pan=pan)
    fault = _fault_of(block, from_key=wrong_key, from_format=from_format, pan=wrong_pan)
    assume(fault is not None)
    assert fault is not None
    report = traceback.TracebackException.from_exception(fault, capture_locals=True)
    frames = [frame for frame in report.stack if frame.filename == pin_block.__file__]
    assert frames
    clear = key._decrypt(block)
    told = f"{fault} {fault!r} {fault.__dict__} {[frame.locals for frame in frames]}"
    assert pin not in told
    assert repr(clear)[2:-1] not in told
    assert clear.hex() not in told.lower()
    assert fault.__cause__ is fault.__context__ is None


def test_all_faults_of_content_have_one_text() -> None:
    good = encrypt_pin_block("1234", key=KEYS["double"], pin_format=ISO_0, pan=PAN)
    changes: list[dict[str, object]] = [
        {"from_key": KEYS["zone"]},
        {"from_format": ISO_2},
        {"pan": "4012345678909"},
        {"pan": "1"},
    ]
    texts = set()
    for changed in changes:
        with pytest.raises(PinFault) as caught:
            _translate(good, **changed)
        texts.add(str(caught.value))
    assert len(texts) == 1


@pytest.mark.parametrize("cipher", ["des", "sm4"])
def test_a_pin_key_hides_and_cannot_be_copied_out(cipher: str) -> None:
    key = PinKey(cipher, PIK)  # type: ignore[arg-type]
    assert repr(key) == f"PinKey({cipher!r}, <hidden>)"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(key)


@pytest.mark.parametrize(("cipher", "length"), [("des", 5), ("sm4", 8)])
def test_a_key_of_another_length_is_refused(cipher: str, length: int) -> None:
    with pytest.raises(ValueError, match=f"not {length}$"):
        PinKey(cipher, bytes(length))  # type: ignore[arg-type]

"""PIN blocks (ISO 9564): from the terminal's key and form to the issuer's, never in clear."""

import enum
from hmac import compare_digest
from typing import ClassVar, Final, NoReturn

from switch.security.ciphers import CIPHERS, CipherName

PIN_DIGITS_MIN: Final = 4
PIN_DIGITS_MAX: Final = 12
_PAN_DIGITS: Final = 12  # of the card number, from the right, without its check digit
_FILLER: Final = "F"


class PinFormat(enum.Enum):
    """How a block holds a PIN: mixed with the card number (ISO-0), or alone (ISO-2)."""

    ISO_0 = "iso-0"
    ISO_2 = "iso-2"


_CONTROL_DIGITS: Final = {PinFormat.ISO_0: "0", PinFormat.ISO_2: "2"}


class PinFault(Exception):
    """A PIN block cannot be read or written; what is in it is told to nobody."""

    retryable: ClassVar[bool] = False


class PinKey:
    """
    A key for PIN blocks under one cipher; it shows neither itself nor a PIN.

    A block has the size of the cipher's: 8 bytes under DES, 16 under SM4, filled up with F.
    Not to be shared between threads.
    """

    __slots__ = ("_decrypt", "_encrypt", "block_bytes", "cipher")

    def __init__(self, cipher: CipherName, key: bytes) -> None:
        """
        Prepare the cipher contexts; they live as long as this object.

        Raises:
            ValueError: the cipher takes no key of this length.
        """
        block_cipher = CIPHERS[cipher]
        self.cipher = cipher
        self.block_bytes = block_cipher.block_bytes
        self._encrypt = block_cipher.open_encryptor(key)
        self._decrypt = block_cipher.open_decryptor(key)

    def __repr__(self) -> str:
        return f"PinKey({self.cipher!r}, <hidden>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a PinKey is not to be copied or written anywhere")


def translate_pin_block(
    block: bytes,
    *,
    from_key: PinKey,
    from_format: PinFormat,
    to_key: PinKey,
    to_format: PinFormat,
    pan: str,
) -> bytes:
    """
    Decrypt a PIN block, check its form, and write the PIN in another form under another key.

    A wrong key, form, length, filler and card number are one fault with one text: whoever sends
    blocks learns nothing about a PIN from the answers.

    Raises:
        PinFault: the block holds no PIN that can be read so, or the card number is too short.
    """
    if len(block) != from_key.block_bytes:
        raise PinFault(f"DE 52 pin_block has {len(block)} bytes, not {from_key.block_bytes}")
    # the clear block lives only in calls that return: no traceback has it in a frame
    translated = _translate(
        block,
        from_key=from_key,
        from_format=from_format,
        to_key=to_key,
        to_format=to_format,
        pan=pan,
    )
    if translated is None:
        raise PinFault("DE 52 pin_block holds no PIN: another key, form or card number")
    return translated


def encrypt_pin_block(pin: str, *, key: PinKey, pin_format: PinFormat, pan: str) -> bytes:
    """
    Write a PIN as a terminal does: for test terminals and issuers, the switch is told no PIN.

    Raises:
        PinFault: not 4 to 12 digits, or a card number too short for the form.
    """
    encrypted = _encrypt_pin(pin, key, pin_format, pan)
    if encrypted is None:
        raise PinFault("a PIN has 4 to 12 digits, and the number of its card at least 13")
    return encrypted


def holds_pin(block: bytes, pin: str, *, key: PinKey, pin_format: PinFormat, pan: str) -> bool:
    """Tell whether a block holds this PIN, in constant time: for test issuers, which know PINs."""
    expected = _encrypt_pin(pin, key, pin_format, pan)
    return expected is not None and compare_digest(expected, block)


def _translate(
    block: bytes,
    *,
    from_key: PinKey,
    from_format: PinFormat,
    to_key: PinKey,
    to_format: PinFormat,
    pan: str,
) -> bytes | None:
    clear = from_key._decrypt(block)  # noqa: SLF001 - a PinKey decrypts for this module only
    pin = _read_pin(clear, from_format, pan)
    return None if pin is None else _encrypt_pin(pin, to_key, to_format, pan)


def _encrypt_pin(pin: str, key: PinKey, pin_format: PinFormat, pan: str) -> bytes | None:
    mask = _mask_of(pin_format, pan)
    if mask is None or not _is_pin(pin):
        return None
    text = f"{_CONTROL_DIGITS[pin_format]}{len(pin):X}{pin}".ljust(2 * key.block_bytes, _FILLER)
    clear = (int(text, 16) ^ mask).to_bytes(key.block_bytes, "big")
    return key._encrypt(clear)  # noqa: SLF001 - as above


def _read_pin(clear: bytes, pin_format: PinFormat, pan: str) -> str | None:
    mask = _mask_of(pin_format, pan)
    if mask is None:
        return None
    text = f"{int.from_bytes(clear, 'big') ^ mask:0{2 * len(clear)}X}"
    end = 2 + int(text[1], 16)
    pin, filler = text[2:end], text[end:]
    is_form = text[0] == _CONTROL_DIGITS[pin_format] and not filler.strip(_FILLER)
    return pin if is_form and _is_pin(pin) else None


def _is_pin(text: str) -> bool:
    return PIN_DIGITS_MIN <= len(text) <= PIN_DIGITS_MAX and _is_number(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _mask_of(pin_format: PinFormat, pan: str) -> int | None:
    """Compute what a block is XORed with; None if the form needs a card number and has none."""
    if pin_format is PinFormat.ISO_2:
        return 0
    digits = pan[-_PAN_DIGITS - 1 : -1]
    return int(digits, 16) if len(digits) == _PAN_DIGITS and _is_number(pan) else None

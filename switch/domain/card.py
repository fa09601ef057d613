"""Card data as events and rows may hold it: token, mask, BIN and a sealed PAN; never the PAN."""

import re
from typing import Final

import msgspec

PAN_DIGITS_MIN: Final = 13
PAN_DIGITS_MAX: Final = 19
_LONG_PAN_DIGITS: Final = 16
_NUMBER: Final = re.compile(r"\d+(?:[ -]\d{3,})*")


def mask_pan(digits: str) -> str:
    """Show first six and last four, or nothing at all: never the input itself."""
    if not PAN_DIGITS_MIN <= len(digits) <= PAN_DIGITS_MAX:
        return "*" * len(digits)
    return f"{digits[:6]}{'*' * (len(digits) - 10)}{digits[-4:]}"


def bin_of(pan: str) -> str:
    """Take the digits that routing may see: eight of a PAN of 16 or more, else six."""
    return pan[:8] if len(pan) >= _LONG_PAN_DIGITS else pan[:6]


def passes_luhn(digits: str) -> bool:
    """Check the last digit of a PAN (ISO/IEC 7812-1 annex B)."""
    total = 0
    for index, char in enumerate(reversed(digits)):
        value = ord(char) - 48
        if index % 2:
            value = value * 2 - 9 if value > 4 else value * 2  # noqa: PLR2004 - two digits add up
        total += value
    return total % 10 == 0


def holds_card_number(text: str) -> bool:
    """Say whether free text holds what can be a card number, also one written in groups."""
    for found in _NUMBER.finditer(text):
        groups = re.split("[ -]", found.group())
        for candidate in ("".join(groups), *groups):
            is_length = PAN_DIGITS_MIN <= len(candidate) <= PAN_DIGITS_MAX
            if is_length and passes_luhn(candidate):
                return True
    return False


class Card(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    A card as the switch remembers it.

    `token` is an HMAC-SHA-256 of the whole PAN (hex) under key `token_key_id`; `sealed_pan` is
    PAN and expiry under AES-256-GCM with `seal_id` as associated data; only an issuer link
    opens it, for the message that it sends.
    """

    token: str
    token_key_id: str
    masked_pan: str
    bin: str
    sealed_pan: bytes
    seal_key_id: str
    seal_id: str

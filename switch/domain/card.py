"""Card data as events and rows may hold it: token, mask, BIN and a sealed PAN; never the PAN."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

import msgspec

PAN_DIGITS_MIN: Final = 13
PAN_DIGITS_MAX: Final = 19
_LONG_PAN_DIGITS: Final = 16
# digits, and groups of digits with what people write between them
_NUMBER: Final = re.compile(r"[0-9]+(?:[\s./,_\u2010-\u2015-]{1,3}[0-9]{3,})*")
_NO_DIGITS: Final = re.compile(r"[^0-9]+")
# UnionPay 62 81 (ICBC also 95), Visa 4, Mastercard 5 2221-2720, Maestro and Discover 5 6, JCB 35,
# American Express 34 37, Diners 30 36 38 39
_ISSUED: Final = re.compile(r"[456]|3[04-9]|2[2-7]|81|95")


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
    return any(map(passes_luhn, _candidates(text)))


def holds_issued_number(text: str) -> bool:
    """
    Say whether text holds what can be a card number and begins as those of card schemes do.

    For names and references that somebody else makes up: fewer of theirs are taken for cards.
    """
    return any(is_issued_number(candidate) for candidate in _candidates(text))


def is_issued_number(digits: str) -> bool:
    """Say whether 13 to 19 digits begin as card numbers do, and have a right check digit."""
    is_length = PAN_DIGITS_MIN <= len(digits) <= PAN_DIGITS_MAX
    return is_length and _ISSUED.match(digits) is not None and passes_luhn(digits)


def _candidates(text: str) -> Iterator[str]:
    """
    Yield the numbers of a text that are as long as a card's, whatever digits they are in.

    Of numbers in groups any groups in a row: an amount, a day or a CVV may stand beside them.
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    for found in _NUMBER.finditer(plain):
        groups = _NO_DIGITS.split(found.group())
        for start in range(len(groups)):
            candidate = ""
            for group in groups[start:]:
                candidate += group
                if len(candidate) > PAN_DIGITS_MAX:
                    break
                if len(candidate) >= PAN_DIGITS_MIN:
                    yield candidate


class Card(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    A card as the switch remembers it.

    `token` is an HMAC-SHA-256 of the whole PAN (hex) under key `token_key_id`, `older_tokens` are
    the same under each older key that is still listed, by key id, the oldest last; `sealed_pan` is
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
    older_tokens: tuple[tuple[str, str], ...] = ()

    @property
    def lasting_token(self) -> str:
        """The token that a rotation of the key leaves as it is: by it cards are found again."""
        return self.older_tokens[-1][1] if self.older_tokens else self.token

    def is_same_as(self, other: "Card") -> bool:
        """
        Compare tokens under a key that both have, also across a rotation.

        Where there is none, because a key was destroyed, the masks must do.
        """
        if self.token_key_id == other.token_key_id:
            return self.token == other.token
        ours = {self.token_key_id: self.token, **dict(self.older_tokens)}
        theirs = {other.token_key_id: other.token, **dict(other.older_tokens)}
        for key_id in ours.keys() & theirs.keys():
            return ours[key_id] == theirs[key_id]
        return self.masked_pan == other.masked_pan

"""From a message as it arrived to the record that the inbound log keeps, without card secrets."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from switch.codec.tlv import TlvError, decode_tlv, find_tlv
from switch.domain.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN

# requests, advices and their repeats of every class that docs/rules.md 1 gives a key
REQUEST_MTIS: Final = frozenset(
    f"0{message_class}{function}{origin}"
    for message_class in "1234568"
    for function in "02"
    for origin in "01"
)
# What the log may hold in clear: identities, amounts, times and codes. Whatever else a message
# carries (private elements may hold card numbers) is in the sealed message only.
CLEAR_NAMES: Final = frozenset(
    {
        "processing_code",
        "amount_transaction",
        "amount_settlement",
        "amount_billing",
        "transmission_time",
        "stan",
        "local_time",
        "local_date",
        "settlement_date",
        "merchant_type",
        "acquirer_country",
        "pos_entry_mode",
        "card_sequence_number",
        "network_international_id",
        "pos_condition_code",
        "pin_capture_code",
        "acquirer_id",
        "forwarding_id",
        "rrn",
        "authorization_id",
        "response_code",
        "terminal_id",
        "merchant_id",
        "currency",
        "security_control",
        "batch_data",
        "original_transaction",
        "network_code",
        "original_data_elements",
        "replacement_amounts",
    }
)
# the same, unless so many digits stand in a row that they may be a card number
PRIVATE_NAMES: Final = frozenset({"private_60", "private_61", "private_63"})
# elements of digits that have room for a card number; nobody knows a wrong one from their own
_ROOMY_NAMES: Final = frozenset(
    {
        "original_transaction",
        "original_data_elements",
        "batch_data",
        "replacement_amounts",
        "security_control",
    }
)
_REQUIRED_ELEMENTS: Final = {"stan": 11, "terminal_id": 41, "merchant_id": 42}
_PAN_LIKE: Final = re.compile(rf"[0-9]{{{PAN_DIGITS_MIN}}}")
_TAG_PAN: Final = "5A"
_TAG_TRACK2: Final = "57"
_TAG_EXPIRATION: Final = "5F24"
_EXPIRATION_DIGITS: Final = 4


class FormatFault(Exception):
    """The message cannot be used; says which element and which rule, never content."""

    def __init__(self, place: str, rule: str) -> None:
        super().__init__(f"{place}: {rule}")


class CardNumber(NamedTuple):
    """PAN and expiry (YYMM, empty if not sent) on their way into the vault; never shown."""

    pan: str
    expiration_date: str

    def __repr__(self) -> str:
        """Hide the content."""
        return "CardNumber(hidden)"


def find_missing(fields: Mapping[str, str | bytes]) -> str | None:
    """Name the elements that every request needs and this one lacks; None if it has them all."""
    if "stan" in fields and "terminal_id" in fields and "merchant_id" in fields:
        return None
    missing = (name for name in _REQUIRED_ELEMENTS if name not in fields)
    return ", ".join(f"DE {_REQUIRED_ELEMENTS[name]} {name} missing" for name in missing)


def clear_fields(fields: Mapping[str, str | bytes], pan: str = "") -> dict[str, str]:
    """
    Copy the elements that the log may hold.

    An element in which a terminal put the card number `pan` of its message counts as not sent.
    """
    clear = {
        name: value for name, value in fields.items() if name in CLEAR_NAMES and type(value) is str
    }
    for name in PRIVATE_NAMES.intersection(fields):
        value = fields[name]
        if isinstance(value, str) and not _PAN_LIKE.search(value):
            clear[name] = value
    if pan:
        for name in _ROOMY_NAMES.intersection(clear):
            if pan in clear[name]:
                del clear[name]
    return clear


def find_card_number(fields: Mapping[str, str | bytes]) -> CardNumber | None:
    """
    Take the card from DE 2, else DE 35, else tags 5A and 57 of DE 55 (docs/rules.md 6).

    Raises:
        FormatFault: there is a card number, but none that can be.
    """
    expiration_date = fields.get("expiration_date", "")
    assert isinstance(expiration_date, str)
    if pan := fields.get("pan"):
        return check_card_number("DE 2 pan", str(pan), expiration_date)
    if track2 := fields.get("track2"):
        pan, track_date = _split_track2(str(track2))
        return check_card_number("DE 35 track2", pan, expiration_date or track_date)
    icc_data = fields.get("icc_data")
    if isinstance(icc_data, bytes):
        return _find_chip_card(icc_data, expiration_date)
    return None


def _find_chip_card(icc_data: bytes, expiration_date: str) -> CardNumber | None:
    try:
        objects = decode_tlv(icc_data)
    except TlvError as error:
        raise FormatFault("DE 55 icc_data", "not BER-TLV") from error
    if pan := find_tlv(objects, _TAG_PAN):
        expires = find_tlv(objects, _TAG_EXPIRATION)
        chip_date = expires.value.hex()[:_EXPIRATION_DIGITS] if expires else ""
        digits = pan.value.hex().rstrip("f")
        return check_card_number("DE 55 tag 5A", digits, expiration_date or chip_date)
    if track2 := find_tlv(objects, _TAG_TRACK2):
        digits, track_date = _split_track2(track2.value.hex().upper())
        return check_card_number("DE 55 tag 57", digits, expiration_date or track_date)
    return None


def _split_track2(track2: str) -> tuple[str, str]:
    pan, _, rest = track2.replace("=", "D").partition("D")
    return pan, rest[:_EXPIRATION_DIGITS]


def check_card_number(place: str, pan: str, expiration_date: str) -> CardNumber:
    """
    Take a card number if it can be one.

    Raises:
        FormatFault: not 13 to 19 digits, or an expiry that is not YYMM.
    """
    if not PAN_DIGITS_MIN <= len(pan) <= PAN_DIGITS_MAX:
        raise FormatFault(place, "a card number has 13 to 19 digits")
    if not (pan.isascii() and pan.isdecimal()):
        raise FormatFault(place, "not decimal")
    if expiration_date and not (
        len(expiration_date) == _EXPIRATION_DIGITS
        and expiration_date.isascii()
        and expiration_date.isdecimal()
    ):
        raise FormatFault(place, "the expiry is not YYMM")
    return CardNumber(pan, expiration_date)


def original_stan(fields: Mapping[str, str]) -> str:
    """Return the trace number of the payment that an 0400 gives up: DE 90's, else its own."""
    quoted = fields.get("original_data_elements")
    return quoted[4:10] if quoted else fields["stan"]

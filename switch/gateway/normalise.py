"""From a message as it arrived to the record that the inbound log keeps, without card secrets."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from switch.codec.tlv import TlvError, decode_tlv, find_tlv
from switch.domain.card import (
    PAN_DIGITS_MAX,
    PAN_DIGITS_MIN,
    holds_issued_number,
    is_issued_number,
)

# requests, advices and their repeats of every class that docs/rules.md 1 gives a key
REQUEST_MTIS: Final = frozenset(
    f"0{message_class}{function}{origin}"
    for message_class in "1234568"
    for function in "02"
    for origin in "01"
)
# What the log may hold in clear: identities, amounts, times and codes, all too short for a card
# number; those that are not are in _LAYOUTS, and DE 42 is looked up (`Gateway`). Whatever else a
# message carries (private elements may hold card numbers) is in the sealed message only.
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
    }
)
_REQUIRED_ELEMENTS: Final = {"stan": 11, "terminal_id": 41, "merchant_id": 42}
_LEAP_YEAR: Final = 2024  # in which every MMDD is a day
_AUTHORIZATION_MODES: Final = frozenset({"", "00", "01", "02"})  # DE 61.4
_ASKED_NOW: Final = frozenset({"10", "20"})  # class and function of 0100 and 0200
_TRACK_ENCRYPTED: Final = "1"  # third digit of DE 53
_TAG_PAN: Final = "5A"
_TAG_TRACK2: Final = "57"
_TAG_EXPIRATION: Final = "5F24"
_EXPIRATION_DIGITS: Final = 4


class Fingerprints(Protocol):
    """The keyed hash of the fingerprints."""

    def fingerprint(self, parts: Sequence[str]) -> str:
        """Return the hex HMAC of the parts."""
        ...


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
    Copy the elements that the log may hold, and of the long ones what a decision needs.

    An element in which a terminal put the card number `pan` of its message, or what looks like
    another one and is not what belongs there, counts as not sent (docs/rules.md 6).
    """
    clear = {
        name: value for name, value in fields.items() if name in CLEAR_NAMES and type(value) is str
    }
    batch = clear.get("batch_data", "")[2:8]
    for name, trim in _LAYOUTS.items():
        if name in clear:
            value = clear[name]
            kept = "" if pan and pan in value else trim(value, batch)
            if kept:
                clear[name] = kept
            else:
                del clear[name]
    return clear


def _trim_batch_data(value: str, _batch: str) -> str:
    """Keep code, batch and network code, and whether a part may be approved: 12 digits."""
    return value[:11] + "00"[: len(value) - 11] + value[13:14] + "0" * (len(value) - 14)


def _trim_security_control(value: str, _batch: str) -> str:
    """Keep format, cipher and whether the track is encrypted."""
    return value[:3] + "0" * (len(value) - 3)


def _trim_elements(value: str, _batch: str) -> str:
    """Keep type, trace number and day; a type begins with 0, and no card number does."""
    if value[:1] != "0":
        return ""
    day = value[10:14] if _is_day(value[10:14]) else ""
    return (value[:10] + day).ljust(len(value), "0")


def _trim_original(value: str, batch: str) -> str:
    """
    Keep batch, trace number and day, and nothing if they may be a card number.

    Any twelve or sixteen digits may be one, so what is in its layout stays: the batch that the
    message itself is of, or one with a leading zero, which no card number has.
    """
    is_in_layout = (
        (value[:6] == batch or value[:1] == "0")
        and _is_day(value[12:16])
        and value[16:18] in _AUTHORIZATION_MODES
    )
    if not is_in_layout and _holds_issued_window(value):
        return ""
    return value[:16] + "0" * (len(value) - 16)


_LAYOUTS: Final[Mapping[str, Callable[[str, str], str]]] = {
    "batch_data": _trim_batch_data,
    "security_control": _trim_security_control,
    "original_data_elements": _trim_elements,
    "original_transaction": _trim_original,
}


def _is_day(mmdd: str) -> bool:
    """Say whether this is a day, or zeros or nothing where one is not known."""
    if not mmdd.strip("0"):
        return True
    try:
        dt.date(_LEAP_YEAR, int(mmdd[:2]), int(mmdd[2:]))
    except ValueError:
        return False
    return True


def _holds_issued_window(digits: str) -> bool:
    """Say whether what can be a card number stands anywhere in a row of digits."""
    return any(
        is_issued_number(digits[start : start + size])
        for start in range(len(digits) - PAN_DIGITS_MIN + 1)
        for size in range(PAN_DIGITS_MIN, min(PAN_DIGITS_MAX, len(digits) - start) + 1)
    )


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


def check_track(mti: str, fields: Mapping[str, str | bytes]) -> None:
    """
    See that DE 2 and the track of a request are one card's: its issuer may debit either.

    A reversal is not looked at, nor is an advice, nor an encrypted track, which a handler refuses.

    Raises:
        FormatFault: they are two.
    """
    pan, track2 = fields.get("pan"), fields.get("track2")
    if not pan or not track2 or mti[1:3] not in _ASKED_NOW:
        return
    is_encrypted = str(fields.get("security_control", ""))[2:3] == _TRACK_ENCRYPTED
    if not is_encrypted and _split_track2(str(track2))[0] != pan:
        raise FormatFault("DE 35 track2", "it is not of the card in DE 2")


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


def hide_reference(reference: str, fingerprints: Fingerprints) -> str:
    """
    Give the name under which a partner's own key of a request is kept: itself, if it may be.

    One that looks like a card number is kept as its keyed hash: the same key, the same name.
    """
    if not holds_issued_number(reference):
        return reference
    return f"hidden-{fingerprints.fingerprint(('reference', reference))}"


def original_stan(fields: Mapping[str, str]) -> str:
    """Return the trace number of the payment that an 0400 gives up: DE 90's, else its own."""
    quoted = fields.get("original_data_elements")
    return quoted[4:10] if quoted else fields["stan"]

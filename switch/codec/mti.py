"""Message type indicators: version, class, function and origin (ISO 8583 VCFO)."""

import enum
from typing import Final

import msgspec


class MessageClass(enum.Enum):
    """Second digit: what the message is about."""

    AUTHORIZATION = "1"
    FINANCIAL = "2"
    FILE_ACTION = "3"
    REVERSAL = "4"
    RECONCILIATION = "5"
    ADMINISTRATIVE = "6"
    FEE_COLLECTION = "7"
    NETWORK_MANAGEMENT = "8"


class Function(enum.Enum):
    """Third digit: asked, told, or the answer to either."""

    REQUEST = "0"
    REQUEST_RESPONSE = "1"
    ADVICE = "2"
    ADVICE_RESPONSE = "3"
    NOTIFICATION = "4"
    NOTIFICATION_ACKNOWLEDGEMENT = "5"
    INSTRUCTION = "6"
    INSTRUCTION_ACKNOWLEDGEMENT = "7"
    POSITIVE_ACKNOWLEDGEMENT = "8"
    NEGATIVE_ACKNOWLEDGEMENT = "9"


class Origin(enum.Enum):
    """Fourth digit: who began, and whether this is a repeat."""

    ACQUIRER = "0"
    ACQUIRER_REPEAT = "1"
    ISSUER = "2"
    ISSUER_REPEAT = "3"
    OTHER = "4"
    OTHER_REPEAT = "5"


class Mti(msgspec.Struct, frozen=True):
    """The four digits of a message type, each by its meaning."""

    version: str
    message_class: MessageClass
    function: Function
    origin: Origin

    def __str__(self) -> str:
        """Write the four digits."""
        return f"{self.version}{self.message_class.value}{self.function.value}{self.origin.value}"


_VERSIONS: Final = "01289"  # 1987, 1993, 2003, national, private
_ALL: Final = {
    str(mti): mti
    for version in _VERSIONS
    for message_class in MessageClass
    for function in Function
    for origin in Origin
    for mti in (Mti(version, message_class, function, origin),)
}
_ANSWERS: Final = {
    Function.REQUEST: Function.REQUEST_RESPONSE,
    Function.ADVICE: Function.ADVICE_RESPONSE,
    Function.NOTIFICATION: Function.NOTIFICATION_ACKNOWLEDGEMENT,
    Function.INSTRUCTION: Function.INSTRUCTION_ACKNOWLEDGEMENT,
}
_FIRST_ORIGIN: Final = {
    Origin.ACQUIRER_REPEAT: Origin.ACQUIRER,
    Origin.ISSUER_REPEAT: Origin.ISSUER,
    Origin.OTHER_REPEAT: Origin.OTHER,
}
_RESPONSES: Final = {
    text: str(Mti(mti.version, mti.message_class, _ANSWERS[mti.function], origin))
    for text, mti in _ALL.items()
    if mti.function in _ANSWERS
    for origin in (_FIRST_ORIGIN.get(mti.origin, mti.origin),)
}


def known_mtis(versions: str) -> frozenset[str]:
    """All message types whose first digit is one of `versions`."""
    return frozenset(text for text, mti in _ALL.items() if mti.version in versions)


def parse_mti(mti: str) -> Mti:
    """
    Take a message type apart.

    Raises:
        ValueError: not four digits that ISO 8583 gives a meaning to.
    """
    try:
        return _ALL[mti]
    except KeyError:
        raise ValueError("not a message type") from None


def message_class(mti: str) -> MessageClass:
    """
    Tell what the message is about.

    Raises:
        ValueError: as parse_mti.
    """
    return parse_mti(mti).message_class


def is_repeat(mti: str) -> bool:
    """
    Tell whether the sender marks the message as one it sent before (odd last digit).

    Raises:
        ValueError: as parse_mti.
    """
    return parse_mti(mti).origin in _FIRST_ORIGIN


def is_advice(mti: str) -> bool:
    """
    Tell whether the message reports what was already decided and must be accepted.

    Raises:
        ValueError: as parse_mti.
    """
    return parse_mti(mti).function is Function.ADVICE


def response_mti(mti: str) -> str:
    """
    Derive the answer's type: function + 1, never a repeat (0200 and 0201 -> 0210).

    Raises:
        ValueError: not a message type, or one that nobody answers.
    """
    try:
        return _RESPONSES[mti]
    except KeyError:
        raise ValueError("not a message type that is answered") from None

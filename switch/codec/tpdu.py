"""What a POS link puts before a message: TPDU (5 bytes) and header (6 bytes, 12 digits)."""

from typing import Final

import msgspec

from switch.codec.errors import CodecError, Rule

TPDU_BYTES: Final = 5
HEADER_BYTES: Final = 6
_FINANCIAL: Final = 0x60
_REQUIREMENT_BYTE: Final = TPDU_BYTES + 2  # third byte of the header: status, requirement
_NIBBLE_MAX: Final = 15


class Transport(msgspec.Struct, frozen=True):
    """A frame of a POS link, cut in three; its message is card data, so repr shows none of it."""

    tpdu: bytes
    header: bytes
    message: bytes

    def __repr__(self) -> str:
        return f"Transport(tpdu={self.tpdu.hex()}, header={self.header.hex()})"


def split_transport(frame: bytes) -> Transport:
    """
    Cut a frame into TPDU, header and message (MTI to end).

    Raises:
        CodecError: too short, or no TPDU for financial messages (60).
    """
    if len(frame) < TPDU_BYTES + HEADER_BYTES:
        raise CodecError(0, "message", 0, Rule.SHORT)
    if frame[0] != _FINANCIAL:
        raise CodecError(0, "message", 0, Rule.NOT_TPDU)
    message_start = TPDU_BYTES + HEADER_BYTES
    return Transport(frame[:TPDU_BYTES], frame[TPDU_BYTES:message_start], frame[message_start:])


def answer_transport(transport: Transport, processing_requirement: int = 0) -> bytes:
    """
    Write what goes before the answer: addresses swapped, header echoed.

    `processing_requirement` is the one digit by which a switch asks a terminal for something
    (0 nothing, 1 download parameters, 3 sign on again...).

    Raises:
        ValueError: not one hex digit.
    """
    if not 0 <= processing_requirement <= _NIBBLE_MAX:
        raise ValueError("a processing requirement is one hex digit")
    tpdu = transport.tpdu
    answer = bytearray(tpdu[:1] + tpdu[3:5] + tpdu[1:3] + transport.header)
    answer[_REQUIREMENT_BYTE] = answer[_REQUIREMENT_BYTE] & 0xF0 | processing_requirement
    return bytes(answer)

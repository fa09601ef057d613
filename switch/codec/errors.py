"""What the codec says when it refuses: place and rule, never content."""

import enum


class Rule(enum.StrEnum):
    """Every rule that a message, or a message to be, can break."""

    NOT_MTI = "not a message type of this dialect"
    SHORT = "the data ends inside the element"
    TRAILING = "bytes after the last element"
    NOT_TPDU = "does not start with a TPDU for financial messages"
    THIRD_BITMAP = "announces a third bitmap"
    NOT_IN_DIALECT = "present, but the dialect has no such element"
    MAC_NOT_LAST = "a MAC must be the last element"
    LENGTH_NOT_DECIMAL = "the length is not decimal"
    TOO_LONG = "longer than the element may be"
    TOO_SHORT = "shorter than the element must be"
    WRONG_LENGTH = "not as long as the element is"
    NOT_DECIMAL = "not decimal"
    NOT_LETTERS = "not letters"
    NOT_ALPHANUMERIC = "not letters and digits"
    NOT_PRINTABLE = "not printable ASCII"
    NOT_DIGITS_AND_SIGNS = "not digits and special characters"
    NOT_TRACK = "not track characters"
    NOT_SIGNED = "not C or D and digits"
    NOT_HEX = "not hexadecimal"
    NOT_ENCODABLE = "not representable in the element's character set"
    PAD_NIBBLE = "a pad nibble that the dialect does not accept"
    NOT_TEXT = "must be given as text"
    NOT_BYTES = "must be given as bytes"
    NOT_PARTS = "does not fit its parts"


class CodecError(Exception):
    """
    A message that cannot be decoded or encoded; deterministic, so a retry never helps.

    Attributes:
        de: number of the data element; 0 for the message type and the message as a whole,
            1 for the bitmap.
        name: the element's standard name, or `mti`, `bitmap`, `message`.
        offset: byte at which the element starts in the message (from the MTI on).
        rule: what was broken.
    """

    def __init__(self, de: int, name: str, offset: int, rule: Rule) -> None:
        place = f"DE {de} {name}" if de > 1 else name
        super().__init__(f"{place} at offset {offset}: {rule}")
        self.de = de
        self.name = name
        self.offset = offset
        self.rule = rule

    def __reduce__(self) -> tuple[type["CodecError"], tuple[int, str, int, Rule]]:
        return (CodecError, (self.de, self.name, self.offset, self.rule))


class DialectError(ValueError):
    """A dialect table that is unknown or contradicts itself: fix the table."""

"""What can be read of a message that breaks its dialect, so that its sender can be told so."""

from switch.codec.dialect import Dialect
from switch.codec.message import Message


def salvage_message(dialect: Dialect, wire: bytes) -> Message:
    """
    Read the message type and every element before the first one that cannot be read.

    For the sender's sake only: an answer may echo it, nothing may be decided upon it.

    Raises:
        CodecError: not even the message type and the bitmap can be read.
    """
    return dialect.table_driven.salvage(wire)

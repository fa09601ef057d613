"""ISO 8583 codec: bytes to messages and back; dialects are tables; no I/O; usable alone."""

from switch.codec.describe import Description, describe
from switch.codec.dialect import Dialect, load_dialect
from switch.codec.dialect_table import list_dialects
from switch.codec.errors import CodecError, DialectError, Rule
from switch.codec.message import Message, Value

__all__ = [
    "CodecError",
    "Description",
    "Dialect",
    "DialectError",
    "Message",
    "Rule",
    "Value",
    "describe",
    "list_dialects",
    "load_dialect",
]

"""ISO 8583 codec: bytes to messages and back; dialects are tables; no I/O; usable alone."""

from switch.codec.dialect import Dialect, load_dialect
from switch.codec.errors import CodecError, DialectError, Rule
from switch.codec.message import Message, Value

__all__ = ["CodecError", "Dialect", "DialectError", "Message", "Rule", "Value", "load_dialect"]

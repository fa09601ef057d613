"""One element at a time: bytes to value and back, as its row says. The table-driven path."""

import re
from typing import Final

from switch.codec.errors import Rule
from switch.codec.field_spec import CHARSETS, KIND_RULES, FieldSpec
from switch.codec.message import Value
from switch.codec.prefix_table import write_prefix

CONTENT_PATTERNS: Final = {
    "n": re.compile(r"[0-9]*"),
    "a": re.compile(r"[A-Za-z ]*"),
    "an": re.compile(r"[0-9A-Za-z ]*"),
    "ans": re.compile(r"[ -~]*"),
    "ns": re.compile(r"[ -@\[-`{-~]*"),
    "z": re.compile(r"[0-9=]*"),
    "xn": re.compile(r"[CD][0-9]*"),
}
_HEX: Final = re.compile(r"[0-9A-Fa-f]*")


def decode_element(spec: FieldSpec, wire: bytes, start: int) -> tuple[Value, int]:
    """
    Read the element that starts at byte `start`; return its value and the byte after it.

    Raises:
        CodecError: it breaks its row.
    """
    content_start, count = _read_length(spec, wire, start)
    size = count if spec.counts == "bytes" else spec.count_bytes(count)
    end = content_start + size
    content = wire[content_start:end]
    if len(content) < size:
        raise spec.error(start, Rule.SHORT)
    value: Value
    if spec.is_binary:
        value = _read_binary(spec, content, start)
    elif spec.wire == "bcd":
        value = _read_packed(spec, content, count, start)
    else:
        value = content.decode(CHARSETS[spec.wire])
        if spec.kind == "z":
            value = value.replace("D", "=")
    if spec.is_variable:
        if len(value) > spec.length:
            raise spec.error(start, Rule.TOO_LONG)
        if len(value) < spec.length_min:
            raise spec.error(start, Rule.TOO_SHORT)
    if not spec.is_binary:
        _check_content(spec, str(value), start)
    return value, end


def _read_length(spec: FieldSpec, wire: bytes, start: int) -> tuple[int, int]:
    """Read the length before the content; what it counts is the row's business."""
    if not spec.is_variable:
        return start, spec.length
    end = start + spec.prefix_size
    prefix = wire[start:end]
    if len(prefix) < spec.prefix_size:
        raise spec.error(start, Rule.SHORT)
    if spec.prefix == "binary":
        count = int.from_bytes(prefix, "big")
    else:
        text = prefix.hex() if spec.prefix == "bcd" else prefix.decode(CHARSETS[spec.prefix])
        if not text.isdecimal():
            raise spec.error(start, Rule.LENGTH_NOT_DECIMAL)
        count = int(text)
    if count > (spec.count_bytes(spec.length) if spec.counts == "bytes" else spec.length):
        raise spec.error(start, Rule.TOO_LONG)
    return end, count


def _read_binary(spec: FieldSpec, content: bytes, start: int) -> bytes:
    if spec.wire == "binary":
        return content
    if len(content) % 2 or not _HEX.fullmatch(content.decode("latin-1")):
        raise spec.error(start, Rule.NOT_HEX)
    return bytes.fromhex(content.decode("ascii"))


def _read_packed(spec: FieldSpec, content: bytes, count: int, start: int) -> str:
    """Unpack BCD: sign of an xn amount, pad nibble, track separator."""
    if spec.kind == "xn":
        return content[:1].decode("latin-1") + content[1:].hex()
    nibbles = content.hex()
    if spec.counts == "bytes":  # only a foreign nibble tells that the number of digits is odd
        pad_at = -1 if spec.pad_side == "right" else 0
        is_odd = bool(nibbles) and nibbles[pad_at] in spec.pad_nibbles
    else:
        is_odd = count % 2 == 1
    if is_odd and spec.pad_side == "right":
        nibbles, pad = nibbles[:-1], nibbles[-1]
    elif is_odd:
        nibbles, pad = nibbles[1:], nibbles[0]
    else:
        pad = ""
    if pad not in spec.pad_nibbles:
        raise spec.error(start, Rule.PAD_NIBBLE)
    return nibbles.replace("d", "=") if spec.kind == "z" else nibbles


def _check_content(spec: FieldSpec, value: str, offset: int) -> None:
    if spec.content == "lenient":
        return
    if not CONTENT_PATTERNS[spec.kind].fullmatch(value):
        raise spec.error(offset, KIND_RULES[spec.kind])


def encode_element(spec: FieldSpec, value: Value, offset: int) -> bytes:
    """
    Write an element; `offset` is only for the error's text.

    Raises:
        CodecError: the value breaks the row.
    """
    if spec.is_binary:
        if not isinstance(value, bytes):
            raise spec.error(offset, Rule.NOT_BYTES)
        _check_length(spec, len(value), offset)
        content = value.hex().upper().encode() if spec.wire == "hex" else value
        return _write_length(spec, len(value), len(content)) + content
    if not isinstance(value, str):
        raise spec.error(offset, Rule.NOT_TEXT)
    if spec.fill:
        value = value.ljust(spec.length)
    if spec.kind == "z":
        value = value.replace("D", "=")
    _check_length(spec, len(value), offset)
    _check_content(spec, value, offset)
    content = _write_text(spec, value, offset)
    return _write_length(spec, len(value), len(content)) + content


def _check_length(spec: FieldSpec, units: int, offset: int) -> None:
    if not spec.is_variable:
        if units != spec.length:
            raise spec.error(offset, Rule.WRONG_LENGTH)
    elif units > spec.length:
        raise spec.error(offset, Rule.TOO_LONG)
    elif units < spec.length_min:
        raise spec.error(offset, Rule.TOO_SHORT)


def _write_length(spec: FieldSpec, units: int, size: int) -> bytes:
    if not spec.is_variable:
        return b""
    return write_prefix(spec, size if spec.counts == "bytes" else units)


def _write_text(spec: FieldSpec, value: str, offset: int) -> bytes:
    if spec.kind == "z":
        value = value.replace("=", spec.separator)
    if spec.wire != "bcd":
        try:
            return value.encode(CHARSETS[spec.wire])
        except UnicodeEncodeError:
            raise spec.error(offset, Rule.NOT_ENCODABLE) from None
    if spec.kind == "xn":
        return value[:1].encode() + bytes.fromhex(value[1:])
    if len(value) % 2:
        pad = spec.pad_nibbles[0]
        value = value + pad if spec.pad_side == "right" else pad + value
    return bytes.fromhex(value)

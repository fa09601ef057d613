"""A message for people: names, parts and tags; card numbers masked, secrets hidden."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from switch.codec.dialect import Dialect
from switch.codec.emv_tags import OPEN_TAGS, SECRET_TAGS
from switch.codec.errors import CodecError
from switch.codec.field_spec import FieldSpec
from switch.codec.masking import mask_card_numbers, mask_pan
from switch.codec.message import Message, Value
from switch.codec.mti import parse_mti
from switch.codec.tlv import Tlv, TlvError, decode_tlv

_ICC_DATA_DE: Final = 55


class TagLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tag of chip data; `value` is empty where it may not be shown."""

    tag: str
    meaning: str
    size: int
    value: str = ""
    tags: tuple["TagLine", ...] = ()


class ElementLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One element as it may be shown, with its parts or tags."""

    de: int
    name: str
    value: str
    parts: dict[str, str] = {}
    tags: tuple[TagLine, ...] = ()
    note: str = ""


class Description(msgspec.Struct, frozen=True):
    """A whole message as it may be shown; `msgspec.json.encode` makes JSON of it."""

    mti: str
    meaning: str
    elements: tuple[ElementLine, ...]

    def __str__(self) -> str:
        """Write a table, one element a line."""
        return "\n".join((f"{self.mti}  {self.meaning}", *map(_format_element, self.elements)))


def describe(message: Message, dialect: Dialect) -> Description:
    """
    Say what a message says, without what must not be shown.

    Raises:
        CodecError: an element that the dialect does not have.
        ValueError: the message type is none.
    """
    specs = sorted(map(dialect.get_spec, message.fields), key=lambda spec: spec.de)
    mti = parse_mti(message.mti)
    meaning = f"{_say(mti.message_class.name)} {_say(mti.function.name)}, {_say(mti.origin.name)}"
    lines = (_describe_element(dialect, spec, message.fields[spec.name]) for spec in specs)
    return Description(message.mti, meaning, tuple(lines))


def show_value(dialect: Dialect, spec: FieldSpec, value: Value) -> str:
    """Write one element's value as it may be shown."""
    if spec.secrecy == "masked" and isinstance(value, str):
        return mask_pan(value)
    if spec.secrecy == "secret" or isinstance(value, bytes):
        return f"(hidden, {len(value)} {'bytes' if spec.is_binary else 'characters'})"
    if spec.secrecy == "parts" and len(_split(dialect, spec, value)) < len(spec.parts):
        return f"(hidden, {len(value)} characters)"
    is_free_text = spec.content == "lenient" or (spec.is_variable and spec.kind not in {"n", "z"})
    return mask_card_numbers(_make_readable(value)) if is_free_text else value


def _describe_element(dialect: Dialect, spec: FieldSpec, value: Value) -> ElementLine:
    shown = show_value(dialect, spec, value)
    if spec.de == _ICC_DATA_DE and isinstance(value, bytes):
        try:
            tags = tuple(_describe_tags(decode_tlv(value)))
        except TlvError as e:
            return ElementLine(spec.de, spec.name, shown, note=str(e))
        return ElementLine(spec.de, spec.name, shown, tags=tags)
    if spec.secrecy in {"open", "parts"} and isinstance(value, str) and shown == value:
        return ElementLine(spec.de, spec.name, shown, parts=_split(dialect, spec, value))
    return ElementLine(spec.de, spec.name, shown)


def _split(dialect: Dialect, spec: FieldSpec, value: str) -> dict[str, str]:
    """Split a composite; no parts for what has none, or does not fit them."""
    try:
        return dialect.split(spec.name, value)
    except CodecError:
        return {}


def _describe_tags(objects: Iterable[Tlv]) -> Iterator[TagLine]:
    for tlv in objects:
        tags = tuple(_describe_tags(tlv.children))
        meaning = OPEN_TAGS.get(tlv.tag) or SECRET_TAGS.get(tlv.tag, "")
        value = tlv.value.hex().upper() if tlv.tag in OPEN_TAGS else ""
        yield TagLine(tlv.tag, meaning, len(tlv.value), value, tags)


def _make_readable(text: str) -> str:
    """Show free text: as it is, as the Chinese it may be, or with its odd bytes escaped."""
    if text.isascii() and text.isprintable():
        return text
    try:
        chinese = text.encode("latin-1").decode("gb18030")
    except UnicodeError:
        chinese = ""
    if chinese.isprintable() and chinese:
        return chinese
    return text.encode("unicode_escape").decode("ascii")


def _say(enum_name: str) -> str:
    return enum_name.lower().replace("_", " ")


def _format_element(line: ElementLine) -> str:
    lines = [f"  DE {line.de:>3} {line.name:<28} {line.value}".rstrip()]
    lines += [f"           - {name:<24} {value}" for name, value in line.parts.items()]
    lines += _format_tags(line.tags, "           - ")
    if line.note:
        lines.append(f"           - {line.note}")
    return "\n".join(lines)


def _format_tags(tags: Iterable[TagLine], indent: str) -> Iterator[str]:
    for tag in tags:
        value = tag.value or f"({tag.size} bytes)"
        yield f"{indent}{tag.tag:<6} {tag.meaning or 'not known':<32} {'' if tag.tags else value}"
        yield from _format_tags(tag.tags, f"  {indent}")

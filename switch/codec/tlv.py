"""BER-TLV as EMV uses it in DE 55 icc_data: tags, lengths, values; nested, and bounded."""

from collections.abc import Iterable
from typing import Final

import msgspec

# DE 55 holds at most 255 bytes (999 in some estates): no honest one comes near these.
_TAG_COUNT_MAX: Final = 256
_DEPTH_MAX: Final = 4
_TAG_BYTES_MAX: Final = 3
_LENGTH_BYTES_MAX: Final = 2

_IS_CONSTRUCTED: Final = 0x20
_TAG_CONTINUES: Final = 0x1F
_HIGH_BIT: Final = 0x80


class TlvError(ValueError):
    """
    Not BER-TLV; says where and why, never the content.

    Attributes:
        offset: byte within the outermost value.
    """

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(f"BER-TLV at offset {offset}: {why}")
        self.offset = offset


class Tlv(msgspec.Struct, frozen=True):
    """
    One object: its tag in upper-case hex, and its value or (for a constructed tag) its children.

    repr shows the tag only: values may be card data.
    """

    tag: str
    value: bytes = b""
    children: tuple["Tlv", ...] = ()

    @property
    def is_constructed(self) -> bool:
        """Whether the tag says that it holds other objects."""
        return bool(int(self.tag[:2], 16) & _IS_CONSTRUCTED)

    def __repr__(self) -> str:
        return f"Tlv({self.tag})"


def decode_tlv(content: bytes) -> tuple[Tlv, ...]:
    """
    Take BER-TLV apart; zero bytes between objects are passed over (EMV book 3, annex B).

    Raises:
        TlvError: cut short, an indefinite or oversized length, too deep, or too many objects.
    """
    return _Parser(content).parse(0, len(content), 1)


def encode_tlv(objects: Iterable[Tlv]) -> bytes:
    """
    Write objects, lengths in the shortest form.

    Raises:
        TlvError: a tag that is none, or a value longer than two length bytes can say.
    """
    return b"".join(_encode_object(tlv) for tlv in objects)


def find_tlv(objects: Iterable[Tlv], tag: str) -> Tlv | None:
    """Find the first object of a tag, at any depth."""
    for tlv in objects:
        found = tlv if tlv.tag == tag else find_tlv(tlv.children, tag)
        if found is not None:
            return found
    return None


class _Parser:
    """Counts the objects of one value, however deep they lie."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._count = 0

    def parse(self, at: int, end: int, depth: int) -> tuple[Tlv, ...]:
        if depth > _DEPTH_MAX:
            raise TlvError(at, "nested too deep")
        objects = []
        while at < end:
            if self._content[at] == 0:
                at += 1
                continue
            self._count += 1
            if self._count > _TAG_COUNT_MAX:
                raise TlvError(at, "too many objects")
            start = at
            tag, at = self.read_tag(at, end)
            length, at = self._read_length(at, end)
            if at + length > end:
                raise TlvError(start, "the data ends inside the object")
            if self._content[start] & _IS_CONSTRUCTED:
                objects.append(Tlv(tag, children=self.parse(at, at + length, depth + 1)))
            else:
                objects.append(Tlv(tag, self._content[at : at + length]))
            at += length
        return tuple(objects)

    def read_tag(self, start: int, end: int) -> tuple[str, int]:
        at = start + 1
        if self._content[start] & _TAG_CONTINUES == _TAG_CONTINUES:
            while at < end and self._content[at] & _HIGH_BIT:
                at += 1
            at += 1
        if at > end:
            raise TlvError(start, "the data ends inside the tag")
        if at - start > _TAG_BYTES_MAX:
            raise TlvError(start, "tag too long")
        return self._content[start:at].hex().upper(), at

    def _read_length(self, start: int, end: int) -> tuple[int, int]:
        if start >= end:
            raise TlvError(start, "the data ends before the length")
        first = self._content[start]
        if first < _HIGH_BIT:
            return first, start + 1
        size = first - _HIGH_BIT
        if not 1 <= size <= _LENGTH_BYTES_MAX:
            raise TlvError(start, "length indefinite or too long")
        if start + 1 + size > end:
            raise TlvError(start, "the data ends inside the length")
        return int.from_bytes(self._content[start + 1 : start + 1 + size], "big"), start + 1 + size


def _encode_object(tlv: Tlv) -> bytes:
    try:
        tag = bytes.fromhex(tlv.tag)
        is_one_tag = _Parser(tag).read_tag(0, len(tag)) == (tlv.tag, len(tag)) and tag[0] != 0
    except (ValueError, IndexError):
        is_one_tag = False
    if not is_one_tag:
        raise TlvError(0, "not a tag")
    value = encode_tlv(tlv.children) if tlv.is_constructed else tlv.value
    size = len(value)
    if size < _HIGH_BIT:
        return tag + bytes((size,)) + value
    width = (size.bit_length() + 7) // 8
    if size >= 256**_LENGTH_BYTES_MAX:
        raise TlvError(0, "value too long")
    return tag + bytes((_HIGH_BIT | width,)) + size.to_bytes(width, "big") + value

"""Bitmaps: which elements a message has. Bit 1 announces the second map; it is no element."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal, TypeAlias

from switch.codec.errors import CodecError, Rule

BitmapWire: TypeAlias = Literal["binary", "hex"]

MAP_BITS: Final = 64
_MAP_BYTES: Final = MAP_BITS // 8
_SECOND_MAP: Final = 1 << (MAP_BITS - 1)
_HEX_MAP: Final = re.compile(rb"[0-9A-Fa-f]{16}")


def read_bitmap(form: BitmapWire, wire: bytes, start: int) -> tuple[tuple[int, ...], int]:
    """
    Read one map or two at byte `start`; return the elements and the byte after the maps.

    Raises:
        CodecError: short, not hex, or a third map is announced.
    """
    first, end = _read_map(form, wire, start)
    if not first & _SECOND_MAP:
        return tuple(_list_bits(first, 0)), end
    second, end = _read_map(form, wire, end)
    if second & _SECOND_MAP:
        raise CodecError(1, "bitmap", start, Rule.THIRD_BITMAP)
    first ^= _SECOND_MAP
    return (*_list_bits(first, 0), *_list_bits(second, MAP_BITS)), end


def write_bitmap(form: BitmapWire, elements: Iterable[int]) -> bytes:
    """Write the map of these elements; two maps if one is above 64."""
    bits = 0
    for de in elements:
        bits |= 1 << (2 * MAP_BITS - de)
    low = bits & ((1 << MAP_BITS) - 1)
    high = bits >> MAP_BITS
    wire = (
        (high | _SECOND_MAP).to_bytes(_MAP_BYTES, "big") + low.to_bytes(_MAP_BYTES, "big")
        if low
        else high.to_bytes(_MAP_BYTES, "big")
    )
    return wire if form == "binary" else wire.hex().upper().encode()


def _read_map(form: BitmapWire, wire: bytes, start: int) -> tuple[int, int]:
    end = start + (_MAP_BYTES if form == "binary" else 2 * _MAP_BYTES)
    piece = wire[start:end]
    if len(piece) < end - start:
        raise CodecError(1, "bitmap", start, Rule.SHORT)
    if form == "binary":
        return int.from_bytes(piece, "big"), end
    if not _HEX_MAP.fullmatch(piece):
        raise CodecError(1, "bitmap", start, Rule.NOT_HEX)
    return int(piece, 16), end


def _list_bits(bits: int, before: int) -> Iterator[int]:
    """Elements of one map of 64 bits, the most significant bit first."""
    for position in range(1, MAP_BITS + 1):
        if bits >> (MAP_BITS - position) & 1:
            yield before + position

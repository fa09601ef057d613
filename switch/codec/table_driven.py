"""A whole message by the rows of the table, element after element.

This is the definition of what a dialect accepts and writes, and it says precisely what is wrong.
The compiled functions are a faster way to the same result.
"""

import contextlib
from collections.abc import Iterable
from typing import Final

from switch.codec.bitmap import read_bitmap, write_bitmap
from switch.codec.dialect_table import DialectTable
from switch.codec.element import decode_element, encode_element
from switch.codec.errors import CodecError, Rule
from switch.codec.field_spec import CHARSETS, FieldSpec
from switch.codec.message import Message, Value
from switch.codec.mti import known_mtis

MAC_ELEMENTS: Final = (64, 128)


class TableDriven:
    """Decodes and encodes messages of one dialect by its rows."""

    def __init__(self, table: DialectTable) -> None:
        self._table = table
        self._specs = {spec.de: spec for spec in table.specs}
        self._specs_by_name = {spec.name: spec for spec in table.specs}
        self._mtis = known_mtis(table.mti_versions)
        self._mti_size = 2 if table.mti == "bcd" else 4

    def decode(self, wire: bytes) -> Message:
        """
        Decode a message, MTI to end.

        Raises:
            CodecError: the first thing that is wrong with it.
        """
        mti = self._read_mti(wire)
        elements, at = read_bitmap(self._table.bitmap, wire, self._mti_size)
        fields: dict[str, Value] = {}
        for spec in self.order_specs(elements):
            fields[spec.name], at = decode_element(spec, wire, at)
        if at != len(wire):
            raise CodecError(0, "message", at, Rule.TRAILING)
        return Message(mti, fields)

    def salvage(self, wire: bytes) -> Message:
        """
        Decode what comes before the first element that breaks the dialect.

        Raises:
            CodecError: not even the message type and the bitmap can be read.
        """
        mti = self._read_mti(wire)
        elements, at = read_bitmap(self._table.bitmap, wire, self._mti_size)
        fields: dict[str, Value] = {}
        with contextlib.suppress(CodecError, KeyError):  # KeyError: an element without a row
            for de in elements:
                spec = self._specs[de]
                fields[spec.name], at = decode_element(spec, wire, at)
        return Message(mti, fields)

    def encode(self, message: Message) -> bytes:
        """
        Encode a message; the elements' order in `fields` does not matter.

        Raises:
            CodecError: the first element that breaks its row, or is unknown.
        """
        specs = self.order_specs(self.list_elements(message.fields))
        pieces = [self._write_mti(message.mti)]
        pieces.append(write_bitmap(self._table.bitmap, (spec.de for spec in specs)))
        offset = len(pieces[0]) + len(pieces[1])
        for spec in specs:
            piece = encode_element(spec, message.fields[spec.name], offset)
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def order_specs(self, elements: tuple[int, ...]) -> tuple[FieldSpec, ...]:
        """
        Find the rows of these elements, given by rising number.

        Raises:
            CodecError: one has no row, or a MAC is not the last.
        """
        for de in elements:
            if de not in self._specs:
                raise CodecError(de, "?", self._mti_size, Rule.NOT_IN_DIALECT)
            if de in MAC_ELEMENTS and de != elements[-1]:
                raise self._specs[de].error(self._mti_size, Rule.MAC_NOT_LAST)
        return tuple(self._specs[de] for de in elements)

    def list_elements(self, names: Iterable[str]) -> tuple[int, ...]:
        """
        Turn names into numbers, rising.

        Raises:
            CodecError: the dialect has no element of that name.
        """
        elements = []
        for name in names:
            spec = self._specs_by_name.get(name)
            if spec is None:
                raise CodecError(0, name, 0, Rule.NOT_IN_DIALECT)
            elements.append(spec.de)
        return tuple(sorted(elements))

    def _read_mti(self, wire: bytes) -> str:
        piece = wire[: self._mti_size]
        if len(piece) < self._mti_size:
            raise CodecError(0, "mti", 0, Rule.SHORT)
        form = self._table.mti
        mti = piece.hex() if form == "bcd" else piece.decode(CHARSETS[form])
        if mti not in self._mtis:
            raise CodecError(0, "mti", 0, Rule.NOT_MTI)
        return mti

    def _write_mti(self, mti: str) -> bytes:
        if mti not in self._mtis:
            raise CodecError(0, "mti", 0, Rule.NOT_MTI)
        form = self._table.mti
        return bytes.fromhex(mti) if form == "bcd" else mti.encode(CHARSETS[form])

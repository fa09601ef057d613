"""A dialect in use: decode, encode, composites, and what must never be shown."""

import functools
from collections.abc import Iterable, Mapping
from typing import cast

from switch.codec.bitmap import MAP_BITS, read_bitmap
from switch.codec.compiled_cache import CompiledCache
from switch.codec.compiled_decoder import Decoder, Picker, compile_decoder, compile_picker
from switch.codec.compiled_encoder import Encoder, compile_encoder
from switch.codec.composites import join_groups, join_parts, split_groups, split_parts
from switch.codec.dialect_table import DialectTable, parse_dialect_table, read_dialect_text
from switch.codec.errors import CodecError, Rule
from switch.codec.field_spec import FieldSpec
from switch.codec.message import Message, Value
from switch.codec.table_driven import MAC_ELEMENTS, TableDriven


class Dialect:
    """
    One way of writing ISO 8583 messages.

    Attributes:
        name: as load_dialect knows it.
        table: the rows.
        specs: the rows by standard name.
        shapes: other shapes of some elements' values, by names of their own; for split and join.
        table_driven: the slow path behind decode and encode, which defines what they do.
        secret_names: elements that are never shown or stored in clear.
        mac_length: bytes of the MAC element on the wire; what a MAC covers is the message without
            its last so many bytes.
    """

    def __init__(self, table: DialectTable) -> None:
        self.name = table.name
        self.table = table
        self.specs = {spec.name: spec for spec in table.specs}
        self.shapes = {shape.name: shape for shape in table.shapes}
        self.secret_names = frozenset(s.name for s in table.specs if s.secrecy != "open")
        self._clear_names = frozenset(
            s.name for s in table.specs if s.secrecy == "open" and not s.is_binary
        )
        self.mac_length = max(
            (s.count_bytes(s.length) for s in table.specs if s.de in MAC_ELEMENTS), default=0
        )
        self.table_driven = TableDriven(table)
        self._decoders = CompiledCache(self._compile_decoder)
        self._pickers = CompiledCache(self._compile_picker)
        self._encoders = CompiledCache(self._compile_encoder)
        self._find_decoder = self._decoders.find_hot
        self._find_picker = self._pickers.find_hot
        self._find_encoder = self._encoders.find_hot
        map_size = MAP_BITS // 8 if table.bitmap == "binary" else MAP_BITS // 4
        start = 2 if table.mti == "bcd" else 4
        self._map_start = start
        self._one_map = slice(start, start + map_size)
        self._two_maps = slice(start, start + 2 * map_size)
        # what the first byte of a map is at least, when it announces another
        self._second_map_mark = 0x80 if table.bitmap == "binary" else ord("8")
        self._second_map_byte = bytes((self._second_map_mark,))

    @classmethod
    def from_toml(cls, text: str) -> "Dialect":
        """
        Build a dialect from the text of a table, which may extend one of the codec's.

        Raises:
            DialectError: the table is wrong.
        """
        return cls(parse_dialect_table(text))

    def decode(self, wire: bytes) -> Message:
        """
        Decode a message: MTI to end, without length, TPDU and header.

        Raises:
            CodecError: the message breaks the dialect; says where and which rule, not the content.
        """
        try:
            has_one_map = wire[self._map_start] < self._second_map_mark
        except IndexError:
            return self.table_driven.decode(wire)  # it says what is missing
        maps = wire[self._one_map if has_one_map else self._two_maps]
        decoder = self._find_decoder(maps) or self._decoders.recall(maps)
        if decoder is not None and (message := decoder(wire)) is not None:
            return message
        message = self.table_driven.decode(wire)
        if decoder is None:
            self._decoders.note_sighting(maps)
        return message

    def pick(self, wire: bytes, names: frozenset[str]) -> dict[str, Value]:
        """
        Read a few elements, by name, of a message that was decoded before; the others cost little.

        What is returned are those of them that the message has.

        Raises:
            CodecError: as decode; what is wrong elsewhere in the message may go unseen.
        """
        has_one_map = wire[self._map_start : self._map_start + 1] < self._second_map_byte
        place = (wire[self._one_map if has_one_map else self._two_maps], names)
        picker = self._find_picker(place) or self._pickers.recall(place)
        if picker is not None and (picked := picker(wire)) is not None:
            return picked
        fields = self.decode(wire).fields
        if picker is None:
            self._pickers.note_sighting(place)
        return {name: fields[name] for name in names if name in fields}

    def clear_texts(self, message: Message) -> dict[str, str]:
        """Give the elements of a decoded message that are text and may be stored in clear."""
        fields = message.fields
        names = self._clear_names
        if names.issuperset(fields):  # as in most answers: nothing has to be copied
            return cast("dict[str, str]", fields)
        return {name: str(value) for name, value in fields.items() if name in names}

    def encode(self, message: Message) -> bytes:
        """
        Encode a message: MTI to end.

        Raises:
            CodecError: an element breaks its row, or is unknown.
        """
        fields = message.fields
        names = tuple(fields)
        encoder = self._find_encoder(names) or self._encoders.recall(names)
        if encoder is not None and (wire := encoder(message.mti, fields)) is not None:
            return wire
        wire = self.table_driven.encode(message)
        if encoder is None:
            self._encoders.note_sighting(names)
        return wire

    def split(self, name: str, value: str) -> dict[str, str]:
        """
        Take a composite element's value apart; absent trailing parts are left out.

        Raises:
            CodecError: no such composite, or the value does not fit its parts.
        """
        return split_parts(self._get_shape(name), value)

    def join(self, name: str, parts: Mapping[str, str]) -> str:
        """
        Put a composite element's value together from its parts.

        Raises:
            CodecError: no such composite, an unknown part, a gap, or a part of a wrong length.
        """
        return join_parts(self._get_shape(name), parts)

    def split_groups(self, name: str, value: str) -> list[dict[str, str]]:
        """
        Take the repeated groups of a composite's value apart, each under its parts' plain names.

        Raises:
            CodecError: no such composite, or the value does not fit its parts.
        """
        return split_groups(self._get_shape(name), value)

    def join_groups(
        self, name: str, head: Mapping[str, str], groups: Iterable[Mapping[str, str]]
    ) -> str:
        """
        Put a composite's value together from the parts before its groups, and the groups.

        Raises:
            CodecError: as join.
        """
        return join_groups(self._get_shape(name), head, groups)

    def get_spec(self, name: str) -> FieldSpec:
        """
        Give the row of an element.

        Raises:
            CodecError: the dialect has no element of that name.
        """
        spec = self.specs.get(name)
        if spec is None:
            raise CodecError(0, name, 0, Rule.NOT_IN_DIALECT)
        return spec

    def _get_shape(self, name: str) -> FieldSpec:
        return self.shapes.get(name) or self.get_spec(name)

    def _compile_decoder(self, maps: bytes) -> Decoder:
        elements, start = read_bitmap(self.table.bitmap, maps, 0)
        specs = self.table_driven.order_specs(elements)
        return compile_decoder(self.table, specs, self._map_start + start)

    def _compile_picker(self, place: tuple[bytes, frozenset[str]]) -> Picker:
        maps, names = place
        elements, start = read_bitmap(self.table.bitmap, maps, 0)
        specs = self.table_driven.order_specs(elements)
        return compile_picker(self.table, specs, self._map_start + start, names)

    def _compile_encoder(self, names: tuple[str, ...]) -> Encoder:
        elements = self.table_driven.list_elements(names)
        return compile_encoder(self.table, self.table_driven.order_specs(elements), names)


@functools.cache
def load_dialect(name: str) -> Dialect:
    """
    Give a dialect that comes with the codec: iso1987-ascii, iso1987-binary, unionpay-pos.

    Raises:
        DialectError: there is none of that name.
    """
    return Dialect(parse_dialect_table(read_dialect_text(name)))

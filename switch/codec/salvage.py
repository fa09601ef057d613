"""What can be read of a message that breaks its dialect, so that its sender can be told so."""

from switch.codec.bitmap import read_bitmap
from switch.codec.dialect import Dialect
from switch.codec.element import decode_element
from switch.codec.errors import CodecError, Rule
from switch.codec.field_spec import CHARSETS
from switch.codec.message import Message, Value
from switch.codec.mti import known_mtis


def salvage_message(dialect: Dialect, wire: bytes) -> Message:
    """
    Read the message type and every element before the first one that cannot be read.

    For the sender's sake only: an answer may echo it, nothing may be decided upon it.

    Raises:
        CodecError: not even the message type and the bitmap can be read.
    """
    table = dialect.table
    size = 2 if table.mti == "bcd" else 4
    piece = wire[:size]
    mti = piece.hex() if table.mti == "bcd" else piece.decode(CHARSETS[table.mti])
    if mti not in known_mtis(table.mti_versions):
        raise CodecError(0, "mti", 0, Rule.NOT_MTI)
    elements, at = read_bitmap(table.bitmap, wire, size)
    specs = {spec.de: spec for spec in table.specs}
    fields: dict[str, Value] = {}
    for de in elements:
        spec = specs.get(de)
        if spec is None:
            break
        try:
            fields[spec.name], at = decode_element(spec, wire, at)
        except CodecError:
            break
    return Message(mti, fields)

"""Lengths before elements, spelled out: one entry for each length that a row allows."""

from switch.codec.field_spec import CHARSETS, FieldSpec


def write_prefix(spec: FieldSpec, count: int) -> bytes:
    """Write a length (of whatever the row counts) as the row's prefix."""
    if spec.prefix == "binary":
        return count.to_bytes(spec.prefix_size, "big")
    if spec.prefix == "bcd":
        return bytes.fromhex(str(count).zfill(spec.prefix_size * 2))
    return str(count).zfill(spec.prefix_digits).encode(CHARSETS[spec.prefix])


def list_prefixes(spec: FieldSpec) -> dict[int, bytes]:
    """Every length the row allows, in units of the value, with its prefix on the wire."""
    return {
        units: write_prefix(spec, spec.count_bytes(units) if spec.counts == "bytes" else units)
        for units in range(spec.length_min, spec.length + 1)
    }

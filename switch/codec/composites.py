"""Composite elements: one value, several parts, as the dialect's table names them."""

from collections.abc import Mapping

from switch.codec.errors import Rule
from switch.codec.field_spec import FieldSpec, Part


def split_parts(spec: FieldSpec, value: str) -> dict[str, str]:
    """
    Take a value apart; trailing parts may be absent, but none may be cut.

    A repeated group's second and later parts carry their number: `amount`, `amount_2`.

    Raises:
        CodecError: the element has no parts, or the value does not end with one of them.
    """
    parts: dict[str, str] = {}
    at = 0
    for repeat in range(1, spec.parts_repeat_max + 1):
        for part in spec.parts:
            if at == len(value):
                break
            piece = value[at : at + part.length]
            if len(piece) < part.length and not part.rest:
                raise spec.error(0, Rule.NOT_PARTS)
            parts[_name_part(part, repeat)] = piece
            at += len(piece)
    if at != len(value) or not spec.parts:
        raise spec.error(0, Rule.NOT_PARTS)
    return parts


def join_parts(spec: FieldSpec, parts: Mapping[str, str]) -> str:
    """
    Put a value together; only trailing parts may be left out.

    Raises:
        CodecError: an unknown part, a gap, or a part that is not as long as it must be.
    """
    names = [
        (_name_part(part, repeat), part)
        for repeat in range(1, spec.parts_repeat_max + 1)
        for part in spec.parts
    ]
    present = names[: len(parts)]
    if not parts or any(name not in parts for name, _ in present) or len(present) < len(parts):
        raise spec.error(0, Rule.NOT_PARTS)
    return "".join(_fill_part(spec, part, parts[name]) for name, part in present)


def _name_part(part: Part, repeat: int) -> str:
    return part.name if repeat == 1 else f"{part.name}_{repeat}"


def _fill_part(spec: FieldSpec, part: Part, value: str) -> str:
    if part.fill == "zeros":
        value = value.rjust(part.length, "0")
    elif part.fill == "blanks":
        value = value.ljust(part.length)
    if len(value) != part.length and not (part.rest and len(value) < part.length):
        raise spec.error(0, Rule.NOT_PARTS)
    return value

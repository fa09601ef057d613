"""Composite elements: one value, several parts, as the dialect's table names them."""

from collections.abc import Iterable, Mapping

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
    for name, part in _name_parts(spec):
        if at == len(value):
            break
        piece = value[at : at + part.length]
        if len(piece) < part.length and not part.rest:
            raise spec.error(0, Rule.NOT_PARTS)
        parts[name] = piece
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
    present = _name_parts(spec)[: len(parts)]
    if not parts or any(name not in parts for name, _ in present) or len(present) < len(parts):
        raise spec.error(0, Rule.NOT_PARTS)
    return "".join(_fill_part(spec, part, parts[name]) for name, part in present)


def split_groups(spec: FieldSpec, value: str) -> list[dict[str, str]]:
    """
    Take the repeated groups of a value apart, each under the plain names of its parts.

    Raises:
        CodecError: as split_parts; or the last group is not complete.
    """
    found = list(split_parts(spec, value).values())[spec.parts_repeat_from :]
    names = [part.name for part in spec.parts[spec.parts_repeat_from :]]
    if len(found) % len(names):
        raise spec.error(0, Rule.NOT_PARTS)
    starts = range(0, len(found), len(names))
    return [dict(zip(names, found[at : at + len(names)], strict=True)) for at in starts]


def join_groups(
    spec: FieldSpec, head: Mapping[str, str], groups: Iterable[Mapping[str, str]]
) -> str:
    """
    Put a value together from what stands before its groups, and the groups in their order.

    Raises:
        CodecError: as join_parts.
    """
    parts = dict(head)
    for repeat, group in enumerate(groups, 1):
        parts |= {name if repeat == 1 else f"{name}_{repeat}": text for name, text in group.items()}
    return join_parts(spec, parts)


def _name_parts(spec: FieldSpec) -> list[tuple[str, Part]]:
    """Name every part that a value may have, in order."""
    head, group = spec.parts[: spec.parts_repeat_from], spec.parts[spec.parts_repeat_from :]
    return [
        *((part.name, part) for part in head),
        *(
            (part.name if repeat == 1 else f"{part.name}_{repeat}", part)
            for repeat in range(1, spec.parts_repeat_max + 1)
            for part in group
        ),
    ]


def _fill_part(spec: FieldSpec, part: Part, value: str) -> str:
    if part.fill == "zeros":
        value = value.rjust(part.length, "0")
    elif part.fill == "blanks":
        value = value.ljust(part.length)
    if len(value) != part.length and not (part.rest and len(value) < part.length):
        raise spec.error(0, Rule.NOT_PARTS)
    return value

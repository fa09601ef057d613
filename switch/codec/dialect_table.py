"""Dialect tables: TOML text, merged along `extends`, checked, with every default resolved."""

import tomllib
from importlib import resources
from typing import Any, Final, Literal

import msgspec

from switch.codec.errors import DialectError
from switch.codec.field_spec import FieldSpec, PrefixWire, Wire
from switch.codec.framing import Prefix

_EXTENDS_DEPTH_MAX: Final = 4
_GROUP_OF_KIND: Final = {"n": "digits", "xn": "digits", "z": "track", "b": "binary"}


class Defaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Wire forms of the rows that do not name their own, by group of kinds."""

    digits: Wire
    track: Wire
    text: Wire
    binary: Wire
    prefix: PrefixWire
    counts_binary: Literal["units", "bytes"] = "units"


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How messages of the dialect usually travel: length before the frame, and what follows it."""

    prefix: Prefix
    transport: Literal["none", "tpdu-header"]


class DialectTable(msgspec.Struct, frozen=True, kw_only=True):
    """A whole dialect: head and rows, complete."""

    name: str
    mti_versions: str
    mti: Literal["ascii", "ebcdic", "bcd"]
    bitmap: Literal["binary", "hex"]
    link: Link
    specs: tuple[FieldSpec, ...]  # by rising number of the element
    shapes: tuple[FieldSpec, ...] = ()  # rows again, under another name and with other parts


class _Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other parts that an element's value may have, as what the message is about says."""

    element: int
    parts: list[dict[str, Any]]
    parts_repeat_from: int = 0
    parts_repeat_max: int = 1


class _Text(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table as written; what it leaves out comes from the one it extends."""

    name: str
    extends: str = ""
    mti_versions: str = ""
    mti: str = ""
    bitmap: str = ""
    link: dict[str, str] = {}
    defaults: dict[str, str] = {}
    drop: list[int] = []  # elements of the extended dialect that this one does not have
    fields: dict[str, dict[str, Any]] = {}
    parts: dict[str, list[dict[str, Any]]] = {}
    shapes: dict[str, _Shape] = {}


def list_dialects() -> tuple[str, ...]:
    """Names of the dialects that come with the codec."""
    files = resources.files("switch.codec") / "dialects"
    return tuple(sorted(f.name.removesuffix(".toml") for f in files.iterdir()))


def read_dialect_text(name: str) -> str:
    """
    Read the table of a dialect that comes with the codec.

    Raises:
        DialectError: there is none of that name.
    """
    known = list_dialects()
    if name not in known:
        raise DialectError(f"no dialect {name!r}; there are {', '.join(known)}")
    return (resources.files("switch.codec") / "dialects" / f"{name}.toml").read_text("utf-8")


def parse_dialect_table(text: str) -> DialectTable:
    """
    Build a complete, checked table from its text; `extends` names a dialect of the codec.

    Raises:
        DialectError: not TOML, an unknown key, a missing one, or a row that contradicts itself.
    """
    try:
        merged = _merge(_parse_chain(text))
        return _resolve(merged)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as e:
        raise DialectError(f"dialect table: {e}") from e


def _parse_chain(text: str) -> list[_Text]:
    """Parse the table and those it extends, the most basic one first."""
    chain = [msgspec.convert(tomllib.loads(text), _Text)]
    while chain[0].extends:
        if len(chain) > _EXTENDS_DEPTH_MAX:
            raise DialectError(f"{chain[-1].name}: extends too many tables, or itself")
        text = read_dialect_text(chain[0].extends)
        chain.insert(0, msgspec.convert(tomllib.loads(text), _Text))
    return chain


def _merge(chain: list[_Text]) -> _Text:
    """Lay the tables over each other; later keys win, row by row."""
    merged = chain[0]
    for table in chain[1:]:
        fields = {de: row for de, row in merged.fields.items() if int(de) not in table.drop}
        for de, row in table.fields.items():
            fields[de] = {**fields.get(de, {}), **row}
        merged = msgspec.structs.replace(
            table,
            mti_versions=table.mti_versions or merged.mti_versions,
            mti=table.mti or merged.mti,
            bitmap=table.bitmap or merged.bitmap,
            link={**merged.link, **table.link},
            defaults={**merged.defaults, **table.defaults},
            fields=fields,
            parts={de: parts for de, parts in merged.parts.items() if de in fields} | table.parts,
            shapes={**merged.shapes, **table.shapes},
        )
    return merged


def _resolve(text: _Text) -> DialectTable:
    defaults = msgspec.convert(text.defaults, Defaults)
    if orphans := text.parts.keys() - text.fields.keys():
        raise DialectError(f"{text.name}: parts of elements it does not have: {sorted(orphans)}")
    specs = [
        _resolve_row(
            {"de": int(de), "parts": text.parts.get(de, []), **_defaults_of(row, defaults), **row}
        )
        for de, row in text.fields.items()
    ]
    shapes = []
    for name, shape in text.shapes.items():
        row = text.fields.get(str(shape.element))
        if row is None:
            raise DialectError(f"{text.name}: {name} is a shape of an element it does not have")
        other = msgspec.to_builtins(shape)
        other["de"] = other.pop("element")
        shapes.append(_resolve_row(_defaults_of(row, defaults) | row | other | {"name": name}))
    if len({spec.name for spec in (*specs, *shapes)}) != len(specs) + len(shapes):
        raise DialectError(f"{text.name}: one name for two elements")
    table = {
        "name": text.name,
        "mti_versions": text.mti_versions,
        "mti": text.mti,
        "bitmap": text.bitmap,
        "link": text.link,
        "specs": sorted(specs, key=lambda spec: spec.de),
        "shapes": shapes,
    }
    return msgspec.convert(table, DialectTable)


def _resolve_row(row: dict[str, Any]) -> FieldSpec:
    spec = msgspec.convert(row, FieldSpec)
    spec.check()
    return spec


def _defaults_of(row: dict[str, Any], defaults: Defaults) -> dict[str, str]:
    """Wire, prefix and counting of a row that does not say."""
    group = _GROUP_OF_KIND.get(row.get("kind", ""), "text")
    found = {"wire": getattr(defaults, group), "prefix": defaults.prefix}
    if group == "binary" and row.get("prefix_digits"):
        found["counts"] = defaults.counts_binary
    return found

"""Encoders written out for one set of elements, made from the dialect's rows.

Neighbouring elements that are written alike share one conversion (a *run*): packed digits become
one hex string, texts one string of characters. Within a run, neighbours of one kind are joined
and checked together (a *stretch*). A length takes the form of the run that its content is in. At
the least doubt the function returns None, as the decoders do.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeAlias

from switch.codec.bitmap import write_bitmap
from switch.codec.compiled_decoder import JOINED_CHECKS
from switch.codec.dialect_table import DialectTable
from switch.codec.element import CONTENT_PATTERNS
from switch.codec.field_spec import CHARSETS, FieldSpec
from switch.codec.message import Value
from switch.codec.mti import known_mtis
from switch.codec.prefix_table import list_prefixes

Encoder: TypeAlias = Callable[[str, Mapping[str, Value]], bytes | None]

_RUN_OF_WIRE: Final = {"bcd": "h", "ascii": "t", "ebcdic": "e", "hex": "t", "binary": "t"}
_RUN_CODE: Final = {
    "h": "fromhex({})",
    "t": '({}).encode("latin-1")',
    "e": '({}).encode("cp500")',
    "w": "{}",
}


class _Piece(NamedTuple):
    """An expression, the run it belongs to, and the kind that its stretch is checked as."""

    run: str  # h hex, t characters, e characters in EBCDIC, w bytes
    kind: str  # of JOINED_CHECKS, or empty: needs no check, or has its own
    code: str


def compile_encoder(
    table: DialectTable, specs: Iterable[FieldSpec], names: Iterable[str]
) -> Encoder:
    """Make the encoder of messages whose fields are exactly these, by name, in this order."""
    return _EncoderWriter(table).write(tuple(specs), tuple(names))


@functools.cache
def encode_mtis(versions: str, form: str) -> dict[str, bytes]:
    """Give each message type of these versions as it is on the wire."""
    return {
        mti: bytes.fromhex(mti) if form == "bcd" else mti.encode(CHARSETS[form])
        for mti in known_mtis(versions)
    }


class _EncoderWriter:
    """Collects the pieces, checks and constants of one function."""

    def __init__(self, table: DialectTable) -> None:
        self._table = table
        self._lines: list[str] = []
        self._checks: list[str] = []
        self._pieces: list[_Piece] = []
        self._names: dict[str, Any] = {
            "fromhex": bytes.fromhex,
            "MTIS": encode_mtis(table.mti_versions, table.mti),
        }

    def write(self, specs: tuple[FieldSpec, ...], names: tuple[str, ...]) -> Encoder:
        de_of = {spec.name: spec.de for spec in specs}
        self._lines.append(f"[{', '.join(f'v{de_of[name]}' for name in names)}] = f.values()")
        bitmap = write_bitmap(self._table.bitmap, (spec.de for spec in specs))
        for spec in specs:
            self._write_element(spec)
        written = [
            _RUN_CODE[run].format(self._write_run(run, list(pieces)))
            for run, pieces in groupby(self._pieces, key=lambda piece: piece.run)
        ]
        body = "\n        ".join(self._lines)
        source = f"""\
def encode(mti, f):
    try:
        {body}
        if not ({" and ".join(self._checks) or True}):
            return None
        return b"".join((MTIS[mti], {", ".join((repr(bitmap), *written))}))
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
"""
        exec(compile(source, f"<{self._table.name} encoder>", "exec"), self._names)  # noqa: S102
        encoder: Encoder = self._names["encode"]
        return encoder

    def _write_run(self, run: str, pieces: list[_Piece]) -> str:
        """Join a run out of its stretches; bytes between them are joined at the very end."""
        if run == "w":
            return ", ".join(piece.code for piece in pieces)
        stretches = []
        for kind, neighbours in groupby(pieces, key=lambda piece: piece.kind):
            code = _join([piece.code for piece in neighbours])
            if kind:
                name = f"s{len(self._lines)}"
                self._lines.append(f"{name} = {code}")
                self._checks.append(JOINED_CHECKS[kind].format(name))
                code = name
            stretches.append(code)
        return _join(stretches)

    def _add(self, run: str, code: str, kind: str = "") -> None:
        self._pieces.append(_Piece(run, kind, code))

    def _write_element(self, spec: FieldSpec) -> None:
        value, run, kind = f"v{spec.de}", _RUN_OF_WIRE[spec.wire], _kind_of_stretch(spec)
        if spec.kind == "z":
            other = "D" if spec.separator == "=" else "="
            self._lines.append(f"{value} = {value}.replace({other!r}, {spec.separator!r})")
        self._check_value(spec, value)
        if spec.is_variable:
            self._names[f"L{spec.de}"] = {
                units: _show(prefix, run) for units, prefix in list_prefixes(spec).items()
            }
            self._lines.append(f"n{spec.de} = len({value})")
            is_decimal = run == "h" and spec.prefix == "bcd"
            self._add(run, f"L{spec.de}[n{spec.de}]", "n" if is_decimal else "")
        else:
            self._checks.append(f"len({value}) == {spec.length}")
        if spec.wire == "bcd":
            self._add_packed(spec, value, kind)
        elif spec.wire == "binary":
            self._add("w", value)
        else:
            self._add(run, f"{value}.hex().upper()" if spec.wire == "hex" else value, kind)

    def _add_packed(self, spec: FieldSpec, value: str, kind: str) -> None:
        if spec.kind == "xn":
            self._add("t", f"{value}[:1]")
            self._add("h", f"{value}[1:]")
            return
        nibble = spec.pad_nibbles[0]
        pad = _Piece("h", kind if nibble.isdecimal() else "", repr(nibble))
        if spec.is_variable:
            pad = pad._replace(code=f'("", {nibble!r})[n{spec.de} & 1]')
        content = [_Piece("h", kind, value)]
        if spec.is_variable or spec.length % 2:
            content.insert(0 if spec.pad_side == "left" else 1, pad)
        self._pieces += content

    def _check_value(self, spec: FieldSpec, value: str) -> None:
        """Arrange for the checks that a stretch does not do."""
        if spec.is_binary:
            self._checks.append(f"type({value}) is bytes")
        elif spec.kind == "z":
            check = JOINED_CHECKS["n"].format(f'{value}.replace({spec.separator!r}, "0")')
            self._checks.append(check)
        elif spec.content == "strict" and spec.kind not in JOINED_CHECKS:
            self._names[f"M{spec.kind}"] = CONTENT_PATTERNS[spec.kind].fullmatch
            self._checks.append(f"M{spec.kind}({value})")


def _kind_of_stretch(spec: FieldSpec) -> str:
    """Kind that the element's neighbours may be checked with; what is lenient needs no check."""
    is_joined = spec.content == "strict" and spec.kind in JOINED_CHECKS and spec.kind != "z"
    return spec.kind if is_joined else ""


def _join(codes: list[str]) -> str:
    """Join as code does that fails on what is no text."""
    return codes[0] if len(codes) == 1 else f'"".join(({", ".join(codes)}))'


def _show(wire: bytes, run: str) -> str:
    """Write bytes in the form that a run is collected in."""
    return wire.hex() if run == "h" else wire.decode("latin-1" if run == "t" else "cp500")

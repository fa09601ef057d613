"""Encoders written out for one set of elements, made from the dialect's rows.

Neighbouring elements that are written alike share one conversion: a run of packed digits is one
hex string, a run of texts is one string of characters. A length takes the form of the run that
its content is in. At the least doubt the function returns None, as the decoders do.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from switch.codec.bitmap import write_bitmap
from switch.codec.compiled_decoder import JOINED_CHECKS
from switch.codec.dialect_table import DialectTable
from switch.codec.element import CONTENT_PATTERNS
from switch.codec.field_spec import FieldSpec
from switch.codec.message import Value
from switch.codec.mti import known_mtis
from switch.codec.prefix_table import list_prefixes

Encoder: TypeAlias = Callable[[str, Mapping[str, Value]], bytes | None]

_RUN_OF_WIRE: Final = {"bcd": "h", "ascii": "t", "ebcdic": "e", "hex": "t", "binary": "t"}
_RUN_CODE: Final = {
    "h": 'fromhex("".join(({},)))',
    "t": '"".join(({},)).encode("latin-1")',
    "e": '"".join(({},)).encode("cp500")',
}


def compile_encoder(table: DialectTable, specs: Iterable[FieldSpec]) -> Encoder:
    """Make the encoder of messages with exactly these elements."""
    return _EncoderWriter(table).write(tuple(specs))


class _EncoderWriter:
    """Collects the runs, checks and constants of one function."""

    def __init__(self, table: DialectTable) -> None:
        self._table = table
        self._lines: list[str] = []
        self._joined: dict[str, list[str]] = {}
        self._checks: list[str] = ["mti in MTIS"]
        self._runs: list[tuple[str, list[str]]] = []  # what the run is, expressions in it
        self._names: dict[str, Any] = {
            "fromhex": bytes.fromhex,
            "MTIS": known_mtis(table.mti_versions),
        }

    def write(self, specs: tuple[FieldSpec, ...]) -> Encoder:
        mti_run = _RUN_OF_WIRE[self._table.mti]
        self._add(mti_run, "mti")
        bitmap = write_bitmap(self._table.bitmap, (spec.de for spec in specs))
        self._add(mti_run, repr(_show(bitmap, mti_run)))
        for spec in specs:
            self._write_element(spec)
        checks = self._checks
        for kind, values in self._joined.items():
            joined = f'"".join(({", ".join(values)},))'
            checks.append(JOINED_CHECKS[kind].format(joined))
        body = "\n        ".join(self._lines) or "pass"
        pieces = ", ".join(_write_run(run, items) for run, items in self._runs)
        source = f"""\
def encode(mti, f):
    try:
        {body}
        if not ({" and ".join(checks)}):
            return None
        return b"".join(({pieces},))
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
"""
        exec(compile(source, f"<{self._table.name} encoder>", "exec"), self._names)  # noqa: S102
        encoder: Encoder = self._names["encode"]
        return encoder

    def _add(self, run: str, expression: str) -> None:
        if run != "w" and self._runs and self._runs[-1][0] == run:
            self._runs[-1][1].append(expression)
        else:
            self._runs.append((run, [expression]))

    def _write_element(self, spec: FieldSpec) -> None:
        value, run = f"v{spec.de}", _RUN_OF_WIRE[spec.wire]
        fetch = f"f[{spec.name!r}]"
        if spec.kind == "z":
            other = "D" if spec.separator == "=" else "="
            fetch += f".replace({other!r}, {spec.separator!r})"
        self._lines.append(f"{value} = {fetch}")
        self._check_value(spec, value)
        if spec.is_variable:
            self._names[f"L{spec.de}"] = {
                units: _show(prefix, run) for units, prefix in list_prefixes(spec).items()
            }
            self._lines.append(f"n{spec.de} = len({value})")
            self._add(run, f"L{spec.de}[n{spec.de}]")
        else:
            self._checks.append(f"len({value}) == {spec.length}")
        if spec.wire == "bcd":
            self._add_packed(spec, value)
        elif spec.wire == "binary":
            self._add("w", value)
        else:
            self._add(run, f"{value}.hex().upper()" if spec.wire == "hex" else value)

    def _add_packed(self, spec: FieldSpec, value: str) -> None:
        if spec.kind == "xn":
            self._add("t", f"{value}[:1]")
            self._add("h", f"{value}[1:]")
            return
        pad = repr(spec.pad_nibbles[0])
        if spec.is_variable:
            pad = f'("", {pad})[n{spec.de} & 1]'
        elif spec.length % 2 == 0:
            pad = ""
        for expression in (pad, value) if spec.pad_side == "left" else (value, pad):
            if expression:
                self._add("h", expression)

    def _check_value(self, spec: FieldSpec, value: str) -> None:
        if spec.is_binary:
            self._checks.append(f"type({value}) is bytes")
        elif spec.content == "lenient":
            pass  # what the character set cannot hold fails when it is written
        elif spec.kind == "z":
            # the separator is already the one that is written
            self._checks.append(f'{value}.replace({spec.separator!r}, "0").isdecimal()')
        elif spec.kind in JOINED_CHECKS:
            self._joined.setdefault(spec.kind, []).append(value)
        else:
            self._names[f"M{spec.kind}"] = CONTENT_PATTERNS[spec.kind].fullmatch
            self._checks.append(f"M{spec.kind}({value})")


def _show(wire: bytes, run: str) -> str:
    """Write bytes in the form that a run is collected in."""
    return wire.hex() if run == "h" else wire.decode("latin-1" if run == "t" else "cp500")


def _write_run(run: str, items: list[str]) -> str:
    return items[0] if run == "w" else _RUN_CODE[run].format(", ".join(items))

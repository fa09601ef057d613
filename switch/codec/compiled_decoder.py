"""Decoders written out for one bitmap: straight-line slicing, made from the dialect's rows.

The function looks at the message through strings made once (`h` its hex, `t` its bytes as
characters, `e` the same read as EBCDIC) and cuts values out at positions that are constants until
the first element with a length, and sums after it. At the least doubt it returns None, and the
table-driven path says what is wrong, or finds that all is well. Code is made from rows of the
table only: the bitmap chooses rows, and nothing else of a message comes near it.
"""

import operator
import re
from collections.abc import Callable, Collection, Iterable
from itertools import groupby
from typing import Any, Final, TypeAlias

from switch.codec.dialect_table import DialectTable
from switch.codec.element import CONTENT_PATTERNS
from switch.codec.field_spec import FieldSpec
from switch.codec.message import Message, Value
from switch.codec.mti import known_mtis
from switch.codec.prefix_table import list_prefixes

Decoder: TypeAlias = Callable[[bytes], Message | None]
Picker: TypeAlias = Callable[[bytes], dict[str, Value] | None]

_VIEWS: Final = {
    "h": "h = w.hex()",
    "t": 't = w.decode("latin-1")',
    "e": 'e = w.decode("cp500")',
}
_VIEW_OF_WIRE: Final = {"ascii": "t", "ebcdic": "e", "bcd": "h", "binary": "h", "hex": "t"}

# Joined values of one kind -> whether they are all well. False for no characters at all, which
# the table-driven path then looks at.
JOINED_CHECKS: Final = {  # bytes.isdigit is four times as fast as str.isdecimal, and ASCII only
    "n": "({}).encode().isdigit()",
    "z": '({}).replace("=", "0").encode().isdigit()',
    "a": '({}).replace(" ", "a").encode().isalpha()',
    "an": '((x := {}).encode().isalnum() or x.replace(" ", "0").encode().isalnum())',
    "ans": "(x := {}).isascii() and x.isprintable()",
}


def compile_decoder(table: DialectTable, specs: Iterable[FieldSpec], start: int) -> Decoder:
    """Make the decoder of messages with these elements, which begin at byte `start`."""
    return _DecoderWriter(table, start).write(tuple(specs))


def compile_picker(
    table: DialectTable, specs: Iterable[FieldSpec], start: int, names: Collection[str]
) -> Picker:
    """
    Make what reads a few elements, by name, of messages that were decoded before.

    It goes no further than the last of them, and does not look at what the others hold.
    """
    return _DecoderWriter(table, start).write_picker(tuple(specs), names)


class _Position:
    """A byte offset in the code to be: a variable (or none yet) and a constant."""

    def __init__(self, variable: str, constant: int) -> None:
        self.variable = variable
        self.constant = constant

    def byte(self, delta: int = 0) -> str:
        """Write the offset, `delta` bytes on, as an expression."""
        return self._write(self.variable, self.constant + delta)

    def half(self, delta: int = 0) -> str:
        """Write it counted in half bytes, `delta` half bytes on; `p2h` is kept beside `p2`."""
        return self._write(self.variable and f"{self.variable}h", 2 * self.constant + delta)

    @staticmethod
    def _write(variable: str, constant: int) -> str:
        if not variable:
            return str(constant)
        return f"{variable} + {constant}" if constant else variable


class _DecoderWriter:
    """Collects the lines, checks and constants of one function."""

    def __init__(self, table: DialectTable, start: int) -> None:
        self._table = table
        self._position = _Position("", start)
        self._lines: list[str] = []
        self._joined: dict[str, list[str]] = {}
        self._checks: list[str] = []
        self._views: set[str] = set()
        self._names: dict[str, Any] = {
            "Message": Message,
            "fromhex": bytes.fromhex,
            "MTIS": known_mtis(table.mti_versions),
        }

    def write(self, specs: tuple[FieldSpec, ...]) -> Decoder:
        mti_view = _VIEW_OF_WIRE[self._table.mti]
        self._views.add(mti_view)
        self._write_elements(specs)
        checks = [f"len(w) == {self._position.byte()}", "mti in MTIS"]
        for kind, values in self._joined.items():
            checks.append(JOINED_CHECKS[kind].format(_join(values)))
        checks += self._checks
        self._drop_unused_positions(checks)
        self._lines.insert(0, f"mti = {mti_view}[0:4]")
        self._lines.append(f"if not ({' and '.join(checks)}): return None")
        decoder: Decoder = self._compile(f"Message(mti, {_write_dict(specs)})")
        return decoder

    def write_picker(self, specs: tuple[FieldSpec, ...], names: Collection[str]) -> Picker:
        picked = [spec for spec in specs if spec.name in names]
        self._write_elements(specs[: specs.index(picked[-1]) + 1] if picked else ())
        self._drop_unused_positions([])
        picker: Picker = self._compile(_write_dict(picked))
        return picker

    def _write_elements(self, specs: tuple[FieldSpec, ...]) -> None:
        for is_packed_run, neighbours in groupby(specs, key=_is_fixed_packed_number):
            if is_packed_run:
                self._write_packed_run(tuple(neighbours))
                continue
            for spec in neighbours:
                if spec.is_variable:
                    self._write_variable(spec)
                else:
                    self._write_fixed(spec)

    def _compile(self, result: str) -> Any:  # noqa: ANN401 - a decoder or a picker
        """Make a function of the lines so far; `result` is the code of what it returns."""
        views = [_VIEWS[view] for view in sorted(self._views)]
        body = "\n        ".join((*views, *self._lines))
        source = f"""\
def decode(w):
    try:
        {body}
        return {result}
    except (LookupError, ValueError):
        return None
"""
        exec(compile(source, f"<{self._table.name} decoder>", "exec"), self._names)  # noqa: S102
        return self._names["decode"]

    def _drop_unused_positions(self, checks: list[str]) -> None:
        """Leave out positions that nothing after them is cut at."""
        rest = " ".join(checks)
        kept = []
        for line in reversed(self._lines):
            name = line.split(" = ")[0]
            if not name.startswith("p") or re.search(rf"\b{name}\b", rest):
                kept.append(line)
                rest += f" {line}"
        self._lines = kept[::-1]

    def _slice(self, view: str, start: str, end: str) -> str:
        if view != "w":
            self._views.add(view)
        return f"{view}[{start}:{end}]"

    def _write_packed_run(self, specs: tuple[FieldSpec, ...]) -> None:
        """Cut neighbouring numbers out of their common piece at once, and check it as a whole."""
        at, half, slices = self._position, 0, []
        run = f"r{specs[0].de}"
        for spec in specs:
            is_odd = spec.length % 2
            skip, pad_at = (is_odd, 0) if spec.pad_side == "left" else (0, spec.length)
            slices.append(slice(half + skip, half + skip + spec.length))
            if is_odd:
                self._checks.append(f"{run}[{half + pad_at}] in {spec.pad_nibbles!r}")
            half += spec.length + is_odd
        values = [f"v{spec.de}" for spec in specs]
        self._lines.append(f"{run} = {self._slice('h', at.half(), at.half(half))}")
        self._names[f"G{run}"] = operator.itemgetter(*slices)
        self._lines.append(f"{', '.join(values)} = G{run}({run})")
        # a pad nibble that is no digit would fail the check of the run
        has_digits_only = all(spec.pad_nibbles.isdecimal() for spec in specs)
        self._joined.setdefault("n", []).extend([run] if has_digits_only else values)
        self._position = _Position(at.variable, at.constant + half // 2)

    def _write_fixed(self, spec: FieldSpec) -> None:
        value, at, size = f"v{spec.de}", self._position, spec.count_bytes(spec.length)
        if spec.wire == "bcd" and spec.kind == "xn":
            sign = self._slice("t", at.byte(), at.byte(1))
            digits = self._slice("h", at.half(2), at.half(2 * size))
            self._lines.append(f"{value} = {sign} + {digits}")
        else:
            view = "w" if spec.wire == "binary" else _VIEW_OF_WIRE[spec.wire]
            self._lines.append(f"{value} = {self._slice(view, at.byte(), at.byte(size))}")
        self._finish_value(spec)
        self._position = _Position(at.variable, at.constant + size)

    def _write_variable(self, spec: FieldSpec) -> None:
        """Read the length by looking it up: unknown text, too long, too short are all KeyErrors."""
        de, at = spec.de, self._position
        view = _VIEW_OF_WIRE[spec.prefix]
        self._names[f"L{de}"] = _lengths_by_text(spec, view)
        size = spec.prefix_size
        prefix = (
            self._slice(view, at.half(), at.half(2 * size))
            if view == "h"
            else self._slice(view, at.byte(), at.byte(size))
        )
        self._lines.append(f"n = L{de}[{prefix}]")
        self._position = _Position(f"p{de}", 0)
        if spec.wire == "bcd":
            self._write_packed_content(spec, at.half(2 * size))
        else:
            content = "n * 2" if spec.wire == "hex" else "n"
            view = "w" if spec.wire == "binary" else _VIEW_OF_WIRE[spec.wire]
            start, end = at.byte(size), f"p{de}"
            self._lines.append(f"{end} = {start} + {content}")
            self._lines.append(f"v{de} = {self._slice(view, start, end)}")
            self._lines.append(f"p{de}h = p{de} * 2")
        self._finish_value(spec)

    def _write_packed_content(self, spec: FieldSpec, start: str) -> None:
        """Cut out n digits from half byte `start` on, and leave `p<de>h` behind them."""
        de = spec.de
        nibble = f"if n & 1 and h[{{}}] not in {spec.pad_nibbles!r}: return None"
        if spec.counts == "bytes":  # n is even here, and a pad nibble is no digit
            pad, rest = ("[-1:]", "[:-1]") if spec.pad_side == "right" else ("[:1]", "[1:]")
            self._names[f"P{de}"] = frozenset(spec.pad_nibbles)
            self._lines.append(f"p{de}h = {start} + n")
            self._lines.append(f"v{de} = {self._slice('h', start, f'p{de}h')}")
            self._lines.append(f"if v{de}{pad} in P{de}: v{de} = v{de}{rest}")
            self._checks.append(f"{spec.length_min} <= len(v{de}) <= {spec.length}")
        elif spec.pad_side == "right":
            self._lines.append(f"a = {start} + n")
            self._lines.append(f"v{de} = {self._slice('h', start, 'a')}")
            self._lines.append(nibble.format("a"))
            self._lines.append(f"p{de}h = a + (n & 1)")
        else:
            self._lines.append(f"a = {start} + (n & 1)")
            self._lines.append(f"p{de}h = a + n")
            self._lines.append(f"v{de} = {self._slice('h', 'a', f'p{de}h')}")
            self._lines.append(nibble.format(start))
        self._lines.append(f"p{de} = p{de}h >> 1")

    def _finish_value(self, spec: FieldSpec) -> None:
        """Normalise what is not yet the value, and arrange for its check."""
        value = f"v{spec.de}"
        if spec.wire == "hex":  # fromhex alone would pass over blanks
            self._lines.append(f"if {value} and not {value}.isalnum(): return None")
            self._lines.append(f"{value} = fromhex({value})")
        elif spec.kind == "z":
            separator = "d" if spec.wire == "bcd" else "D"
            self._lines.append(f'{value} = {value}.replace("{separator}", "=")')
        if spec.is_binary or spec.content == "lenient":
            return
        if spec.kind in JOINED_CHECKS:
            self._joined.setdefault(spec.kind, []).append(value)
        else:
            self._names[f"M{spec.kind}"] = CONTENT_PATTERNS[spec.kind].fullmatch
            self._checks.append(f"M{spec.kind}({value})")


def _write_dict(specs: Iterable[FieldSpec]) -> str:
    fields = ", ".join(f"{spec.name!r}: v{spec.de}" for spec in specs)
    return f"{{{fields}}}"


def _is_fixed_packed_number(spec: FieldSpec) -> bool:
    return spec.wire == "bcd" and spec.kind == "n" and not spec.is_variable


def _join(values: list[str]) -> str:
    if len(values) == 1:
        return values[0]
    return 'f"' + "".join(f"{{{value}}}" for value in values) + '"'


def _lengths_by_text(spec: FieldSpec, view: str) -> dict[str, int]:
    """Prefixes as the view shows them, with the units of value that follow."""
    is_half_bytes = spec.wire == "bcd" and spec.counts == "bytes"
    lengths = {}
    for units, prefix in list_prefixes(spec).items():
        text = prefix.hex() if view == "h" else prefix.decode("latin-1" if view == "t" else "cp500")
        lengths[text] = units + units % 2 if is_half_bytes else units
    return lengths

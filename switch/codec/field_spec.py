"""One row of a dialect table: everything that is known about a data element on the wire."""

from typing import Final, Literal, TypeAlias

import msgspec

from switch.codec.errors import CodecError, DialectError, Rule

Kind: TypeAlias = Literal["n", "a", "an", "ans", "ns", "z", "xn", "b"]
Wire: TypeAlias = Literal["ascii", "ebcdic", "bcd", "binary", "hex"]
PrefixWire: TypeAlias = Literal["ascii", "ebcdic", "bcd", "binary"]
Secrecy: TypeAlias = Literal["open", "masked", "parts", "secret"]

# The rule that content of each kind must keep.
KIND_RULES: Final[dict[str, Rule]] = {
    "n": Rule.NOT_DECIMAL,
    "a": Rule.NOT_LETTERS,
    "an": Rule.NOT_ALPHANUMERIC,
    "ans": Rule.NOT_PRINTABLE,
    "ns": Rule.NOT_DIGITS_AND_SIGNS,
    "z": Rule.NOT_TRACK,
    "xn": Rule.NOT_SIGNED,
    "b": Rule.NOT_HEX,
}
CHARSETS: Final = {"ascii": "latin-1", "ebcdic": "cp500"}  # both map all 256 bytes, one to one

_WIRES_OF_KIND: Final[dict[str, tuple[str, ...]]] = {
    "n": ("ascii", "ebcdic", "bcd"),
    "xn": ("ascii", "ebcdic", "bcd"),
    "z": ("ascii", "ebcdic", "bcd"),
    "b": ("binary", "hex"),
}
_TEXT_WIRES: Final = ("ascii", "ebcdic")
_BCD_LENGTH_COUNTED_IN_BYTES_PADS: Final = "abcdef"


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One part of a composite element.

    `length` is fixed; a part with `rest` takes what is left, up to `length`. A value shorter than
    its part is refused, or filled: `zeros` on the left, `blanks` on the right.
    """

    name: str
    length: int
    rest: bool = False
    fill: Literal["", "zeros", "blanks"] = ""


class FieldSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A data element of one dialect, with every default resolved.

    Lengths count the value's own units: digits, characters or (kind `b`) bytes; `length` is the
    maximum where `prefix_digits` is 2 (LL) or 3 (LLL), else the exact length.
    """

    de: int
    name: str
    kind: Kind
    length: int
    length_min: int = 0
    prefix_digits: Literal[0, 2, 3] = 0
    prefix: PrefixWire = "ascii"
    counts: Literal["units", "bytes"] = "units"  # what the length on the wire counts
    wire: Wire = "ascii"
    pad_side: Literal["left", "right"] = "left"  # where the nibble goes that makes a byte whole
    pad_nibbles: str = "0"  # hex; the first is written, all are accepted
    separator: Literal["=", "D"] = "="  # track separator as written; both are accepted
    content: Literal["strict", "lenient"] = "strict"  # lenient: any byte, one character each
    fill: Literal["", "blanks"] = ""  # a short text is filled on the right when encoded
    secrecy: Secrecy = "open"
    parts: tuple[Part, ...] = ()
    parts_repeat_from: int = 0  # index of the first part of the group that may come again
    parts_repeat_max: int = 1

    @property
    def is_variable(self) -> bool:
        """Whether a length goes before the content."""
        return self.prefix_digits > 0

    @property
    def is_binary(self) -> bool:
        """Whether the value is bytes."""
        return self.kind == "b"

    @property
    def prefix_size(self) -> int:
        """Bytes of the length before the content."""
        if self.prefix in CHARSETS:
            return self.prefix_digits
        return (self.prefix_digits + 1) // 2

    def count_bytes(self, units: int) -> int:
        """Bytes that a content of so many units takes on the wire."""
        if self.wire == "bcd":
            # the sign of an xn amount stays a character of its own
            return (units + 1) // 2 if self.kind != "xn" else 1 + units // 2
        return units * 2 if self.wire == "hex" else units

    def error(self, offset: int, rule: Rule) -> CodecError:
        """Say that this element, starting at byte `offset`, breaks a rule."""
        return CodecError(self.de, self.name, offset, rule)

    def check(self) -> None:
        """
        Refuse a row that contradicts itself.

        Raises:
            DialectError: with the element and the contradiction.
        """
        for is_wrong, why in (
            (not 2 <= self.de <= 128 or self.de == 65, "no such data element"),  # noqa: PLR2004
            (self.wire not in _WIRES_OF_KIND.get(self.kind, _TEXT_WIRES), "wire against kind"),
            (not 0 <= self.length_min <= self.length, "length_min against length"),
            (self.length < 1, "no length"),
            (self.length_min > 0 and not self.is_variable, "length_min of a fixed length"),
            (self.is_variable and self._prefix_max() < self._prefixed_max(), "prefix too small"),
            (self.kind == "z" and not self.is_variable, "a track has a length"),
            (
                self._is_packed("z") and self.separator != "D",
                "the separator of a packed track is D",
            ),
            (self.counts == "bytes" and not self.is_variable, "counts without a prefix"),
            (
                self.counts == "bytes"
                and self.wire == "bcd"
                and any(
                    nibble not in _BCD_LENGTH_COUNTED_IN_BYTES_PADS for nibble in self.pad_nibbles
                ),
                "a length in bytes needs pad nibbles that are no digits",
            ),
            (
                not self.pad_nibbles or any(n not in "0123456789abcdef" for n in self.pad_nibbles),
                "pad_nibbles must be lower-case hex",
            ),
            (self.kind == "xn" and (self.is_variable or self.length % 2 == 0), "length of xn"),
            (self.content == "lenient" and self.kind not in {"a", "an", "ans", "ns"}, "lenient"),
            (bool(self.fill) and (self.is_variable or self.kind not in {"an", "ans"}), "fill"),
            (self.secrecy == "parts" and not self.parts, "secrecy of parts without parts"),
            (any(part.rest for part in self.parts[:-1]), "only the last part may be the rest"),
            (len({part.name for part in self.parts}) != len(self.parts), "a part twice"),
            (not 0 <= self.parts_repeat_from <= max(len(self.parts) - 1, 0), "nothing to repeat"),
        ):
            if is_wrong:
                raise DialectError(f"DE {self.de} {self.name}: {why}")

    def _is_packed(self, kind: Kind) -> bool:
        return self.kind == kind and self.wire == "bcd"

    def _prefixed_max(self) -> int:
        return self.count_bytes(self.length) if self.counts == "bytes" else self.length

    def _prefix_max(self) -> int:
        if self.prefix == "binary":
            return int(256**self.prefix_size) - 1
        return int(10**self.prefix_digits) - 1

"""
A scanner for card numbers in whatever an instance leaves behind (invariant 11).

It looks for the very PANs that were used (as text, as packed BCD, as UTF-16) and for anything that
looks like one: 15 to 19 digits on their own, a card organisation's first digits, and a right check
digit. Evidence shows place and mask, never the number.
"""

import mmap
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from switch.domain.card import mask_pan, passes_luhn

FINDING_COUNT_MAX: Final = 1000  # enough to see that something is very wrong

# American Express 34 37, Mastercard 51-55 2221-2720, Visa 4, JCB 35, Discover 6011 65,
# UnionPay 62 81; times since the epoch begin with 1, our merchant ids with 8981
_CANDIDATE: Final = re.compile(
    rb"(?:(?<![0-9A-Za-z+/])|(?<=%B))"  # not within base64 or a longer word; track 1 begins with %B
    rb"(?:62|81|4[0-9]|5[1-5]|2[2-7]|35|3[47]|6011|65)[0-9]{11,17}"
    rb"(?=[D=][0-9]{4}|[^0-9A-Za-z+/]|\Z)"  # track 2 goes on with D or = and the expiry
)
_CANDIDATE_DIGITS_MIN: Final = 15
# DE 53 of every message with a PIN under a double-length key; its check digit is right by chance
_NO_CARDS: Final = frozenset({"2600000000000000"})
# a test PAN that is nearly all zeros also occurs by chance once it is packed: text only
_DISTINCT_DIGITS_MIN: Final = 5


class PanFinding(NamedTuple):
    """Where something was found; `how` is `known`, `known-bcd`, `known-utf16` or `luhn`."""

    path: Path
    position: int
    how: str
    masked: str


class _Needle(NamedTuple):
    """Bytes to look for; `halves` are the digits in the half bytes before and after them."""

    how: str
    core: bytes
    halves: str
    pan: str


class PanScanner:
    """Searches bytes for known PANs in every encoding that a payment system uses, and by Luhn."""

    def __init__(
        self,
        known_pans: Iterable[str] = (),
        *,
        luhn: bool = True,
        published_pans: Iterable[str] = (),
    ) -> None:
        """Look for known PANs and (`luhn`) any other, but not for those that are `published`."""
        self._published = frozenset(published_pans)
        wanted = sorted(set(known_pans) - self._published)
        self._needles = [needle for pan in wanted for needle in _needles(pan)]
        self._luhn = luhn

    def scan_bytes(self, content: bytes | mmap.mmap, path: Path) -> Iterator[PanFinding]:
        """Yield what is found, in no particular order; one place may be found in two ways."""
        for needle in self._needles:
            position = content.find(needle.core)
            while position >= 0:
                if not needle.halves or _has_halves(content, position, needle):
                    yield PanFinding(path, position, needle.how, mask_pan(needle.pan))
                position = content.find(needle.core, position + 1)
        if self._luhn:
            for match in _CANDIDATE.finditer(content):
                digits = match.group().decode()
                if digits not in self._published and _looks_like_pan(digits):
                    yield PanFinding(path, match.start(), "luhn", mask_pan(digits))

    def scan_tree(self, root: Path) -> list[PanFinding]:
        """Scan every regular file below a folder; at most FINDING_COUNT_MAX findings."""
        findings: list[PanFinding] = []
        for path in sorted(root.rglob("*")):
            if path.is_symlink() or not path.is_file() or not path.stat().st_size:
                continue
            with path.open("rb") as file, _map(file.fileno()) as content:
                for finding in self.scan_bytes(content, path.relative_to(root)):
                    findings.append(finding)
                    if len(findings) >= FINDING_COUNT_MAX:
                        return findings
        return findings


def _looks_like_pan(digits: str) -> bool:
    return len(digits) >= _CANDIDATE_DIGITS_MIN and digits not in _NO_CARDS and passes_luhn(digits)


def _map(descriptor: int) -> mmap.mmap:
    return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)


def _needles(pan: str) -> Iterator[_Needle]:
    yield _Needle("known", pan.encode(), "", pan)
    if len(set(pan)) < _DISTINCT_DIGITS_MIN:
        return
    yield _Needle("known-utf16", pan.encode("utf-16-le"), "", pan)
    # two digits a byte, beginning in the high half of the first byte or in its low half
    even, odd = len(pan) // 2 * 2, 1 + (len(pan) - 1) // 2 * 2
    yield _Needle("known-bcd", bytes.fromhex(pan[:even]), "?" + (pan[even:] or "?"), pan)
    yield _Needle("known-bcd", bytes.fromhex(pan[1:odd]), pan[0] + (pan[odd:] or "?"), pan)


def _has_halves(content: bytes | mmap.mmap, position: int, needle: _Needle) -> bool:
    before = content[position - 1] & 15 if position else -1
    end = position + len(needle.core)
    after = content[end] >> 4 if end < len(content) else -1
    wanted = zip(needle.halves, (before, after), strict=True)
    return all(digit in ("?", str(half)) for digit, half in wanted)

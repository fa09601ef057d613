"""Hiding what must not be seen: card numbers, and whatever might be one. Fails closed."""

import re
from typing import Final

PAN_DIGITS_MIN: Final = 13
PAN_DIGITS_MAX: Final = 19
_LONG_NUMBERS: Final = re.compile(rf"\d{{{PAN_DIGITS_MIN},}}")


def mask_pan(digits: str) -> str:
    """First six and last four of a card number, or nothing at all: never the input itself."""
    if not PAN_DIGITS_MIN <= len(digits) <= PAN_DIGITS_MAX:
        return "*" * len(digits)
    return f"{digits[:6]}{'*' * (len(digits) - 10)}{digits[-4:]}"


def mask_card_numbers(text: str) -> str:
    """
    Hide in free text each run of digits that is, or could contain, a card number.

    A run of 13 to 19 digits stays only if no 13 or more of them in a row pass the Luhn check; a
    longer one never does.
    """
    return _LONG_NUMBERS.sub(lambda found: _mask_run(found.group()), text)


def _mask_run(digits: str) -> str:
    size = len(digits)
    if size > PAN_DIGITS_MAX:
        return "*" * size
    if _passes_luhn(digits):
        return mask_pan(digits)
    windows = (
        digits[start:end]
        for start in range(size - PAN_DIGITS_MIN + 1)
        for end in range(start + PAN_DIGITS_MIN, size + 1)
    )
    return "*" * size if any(map(_passes_luhn, windows)) else digits


def _passes_luhn(digits: str) -> bool:
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    total = sum(map(int, digits[-1::-2])) + sum(d - 9 if d > 9 else d for d in doubled)  # noqa: PLR2004
    return total % 10 == 0

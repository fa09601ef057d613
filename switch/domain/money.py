"""Money: an integer of minor units with its currency; no float ever touches an amount."""

from typing import Final

import msgspec

# ISO 4217 numeric code -> digits after the decimal point
CURRENCY_EXPONENTS: Final = {
    "048": 3,  # BHD
    "156": 2,  # CNY
    "344": 2,  # HKD
    "392": 0,  # JPY
    "410": 0,  # KRW
    "414": 3,  # KWD
    "840": 2,  # USD
    "978": 2,  # EUR
}
CURRENCY_NAMES: Final = {
    "048": "BHD",
    "156": "CNY",
    "344": "HKD",
    "392": "JPY",
    "410": "KRW",
    "414": "KWD",
    "840": "USD",
    "978": "EUR",
}
AMOUNT_MINOR_MAX: Final = 999_999_999_999  # twelve digits: what DE 4 amount_transaction can hold


class Money(msgspec.Struct, frozen=True, gc=False):
    """An amount in minor units (fen, cents) of one currency (ISO 4217 numeric code)."""

    minor: int
    currency: str

    def __str__(self) -> str:
        """Show the amount as people write it: ``12.34 CNY``."""
        return f"{format_minor(self.minor, self.currency)} {CURRENCY_NAMES[self.currency]}"


def format_minor(minor: int, currency: str) -> str:
    """
    Write minor units with the currency's decimals: ``1234, "156"`` -> ``"12.34"``.

    Raises:
        KeyError: the currency is not one of CURRENCY_EXPONENTS.
    """
    exponent = CURRENCY_EXPONENTS[currency]
    sign = "-" if minor < 0 else ""
    digits = str(abs(minor)).rjust(exponent + 1, "0")
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}" if exponent else f"{sign}{digits}"


def parse_amount(text: str, currency: str) -> Money:
    """
    Read ``"12.34"`` as minor units of a currency, exactly.

    Raises:
        ValueError: not a decimal number, too many decimals, or beyond AMOUNT_MINOR_MAX.
        KeyError: the currency is not one of CURRENCY_EXPONENTS.
    """
    exponent = CURRENCY_EXPONENTS[currency]
    whole, _, fraction = text.partition(".")
    if not (whole + fraction).isascii() or not whole.isdecimal():
        raise ValueError(f"{text!r} is not an amount; write it like 12.34")
    if len(fraction) > exponent or (fraction and not fraction.isdecimal()):
        raise ValueError(f"{text!r} has more decimals than currency {currency} ({exponent})")
    minor = int(whole + fraction.ljust(exponent, "0"))
    if minor > AMOUNT_MINOR_MAX:
        raise ValueError(f"{text!r} is more than the twelve digits of an amount can hold")
    return Money(minor, currency)

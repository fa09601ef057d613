"""Which terminals the load tool plays: identity, keys and card of each."""

from pathlib import Path
from typing import Final

import msgspec

from switch.domain.card import passes_luhn

PAN_DIGITS: Final = 16


class TerminalListError(Exception):
    """The list of terminals cannot be used; the message says which file and why."""


class TerminalSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One terminal as the registry knows it, and the test card that it keeps using.

    `mak` is the clear key in hex: load runs use keys that are made for them. `mac_algorithm` is
    that of `switch.security.mac`, or `none`.
    """

    acquirer: str
    merchant_id: str
    terminal_id: str
    batch: str
    mak: str
    pan: str
    expiration_date: str = "3012"
    mac_algorithm: str = "unionpay-ecb"


class TerminalList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file: TOML with one `[[terminals]]` table for each."""

    terminals: tuple[TerminalSpec, ...]


def load_terminals(path: Path) -> tuple[TerminalSpec, ...]:
    """
    Read a list of terminals.

    Raises:
        TerminalListError: not there, not TOML, an unknown or missing key, or an empty list.
    """
    try:
        content = msgspec.toml.decode(path.read_bytes(), type=TerminalList)
    except OSError as error:
        raise TerminalListError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise TerminalListError(f"{path}: {error}") from error
    if not content.terminals:
        raise TerminalListError(f"{path}: holds no terminals")
    return content.terminals


def make_test_pan(issuer_digits: str, number: int) -> str:
    """Make a PAN of 16 digits below an issuer's first digits, with a right check digit."""
    body = f"{issuer_digits}{number:0{PAN_DIGITS - 1 - len(issuer_digits)}d}"
    return next(body + str(digit) for digit in range(10) if passes_luhn(body + str(digit)))

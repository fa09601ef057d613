"""The terminals that a load run brings to an instance: made by a formula, so both sides agree."""

import hashlib
from typing import Final

from loadtest.terminal_list import TerminalSpec, make_test_pan

ACQUIRER: Final = "00000001"
BATCH: Final = "000001"
TERMINALS_PER_MERCHANT: Final = 4
_ISSUER_DIGITS: Final = "62000000"
_MERCHANT_PREFIX: Final = "89811015411"  # acquirer 898, region 1101, MCC 5411; then 4 digits
_MERCHANT_FIRST: Final = 5000  # below: merchants of the demo world
_CARD_COUNT: Final = 500


def make_terminals(count: int) -> tuple[TerminalSpec, ...]:
    """Make the first `count` terminals of the load world."""
    return tuple(_make_terminal(number) for number in range(count))


def _make_terminal(number: int) -> TerminalSpec:
    terminal_id = f"9{number:07d}"
    return TerminalSpec(
        acquirer=ACQUIRER,
        merchant_id=f"{_MERCHANT_PREFIX}{_MERCHANT_FIRST + number // TERMINALS_PER_MERCHANT:04d}",
        terminal_id=terminal_id,
        batch=BATCH,
        mak=make_test_key(terminal_id),
        pan=make_test_pan(_ISSUER_DIGITS, 7_391_000 + number % _CARD_COUNT),
    )


def make_test_key(terminal_id: str) -> str:
    """Derive a terminal's test MAK (16 bytes, hex) from its id."""
    return hashlib.sha256(f"load test MAK {terminal_id}".encode()).hexdigest()[:32].upper()

"""What a terminal has said of itself: signed on or off, its batch, its working keys."""

import msgspec

from switch.domain.registry.entities import SealedWorkingKeys


class KeySet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Working keys that a sign-on handed out; `version` tells them apart (from 1 upwards)."""

    version: int
    at: int
    keys: SealedWorkingKeys


class BatchTotals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Sums and counts of one batch in one currency, minor units (docs/iso8583.md 5)."""

    debit_minor: int = 0
    debit_count: int = 0
    credit_minor: int = 0
    credit_count: int = 0


class TerminalState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    One terminal as its partition's journal left it; what it never said is as the registry says.

    `key_sets`: the first is the one that the terminal has proven (if any), then those that it was
    handed since; old ones verify until a new one is proven (docs/rules.md 6). `batch` is empty
    until a sign-on or a settlement has set it.
    """

    acquirer: str
    merchant_id: str
    terminal_id: str
    is_signed_on: bool = True
    batch: str = ""
    totals: BatchTotals = BatchTotals()
    key_sets: tuple[KeySet, ...] = ()
    key_version: int = 0  # of the newest set handed out

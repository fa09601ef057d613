"""The issuer's own ledger as a witness: one JSON line for each message that it received."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from switch.demo.issuer_line import BOOKED_OUTCOMES
from switch.demo.issuer_line import LedgerLine as LedgerLine  # noqa: PLC0414 - readers find it here
from switch.demo.issuer_standing import standing_by_original, standing_holds, standing_money

# an advice or refund that the issuer passed over, or answered as its first attempt: it did nothing
_IDLE_OUTCOMES = frozenset({"ignored", "already"})
_ASKED_OPS = frozenset({"debit", "authorization", "void", "credit", "inquiry"})


class IssuerAccount:
    """What the issuer did for one RRN, with the place of each line in its ledger."""

    __slots__ = ("asked", "held_minor", "money_minor", "reversals")

    def __init__(self) -> None:
        self.asked: list[tuple[int, LedgerLine]] = []  # what it decided, a repeat only once
        self.reversals: list[tuple[int, LedgerLine]] = []
        self.money_minor = 0  # taken and not given back; negative: given back, and that stands
        self.held_minor = 0  # by how much it changed what is held

    @property
    def booked(self) -> list[tuple[int, LedgerLine]]:
        """Return what was carried out of what was asked under this RRN."""
        return [each for each in self.asked if each[1].outcome in BOOKED_OUTCOMES]

    @property
    def debits(self) -> list[tuple[int, LedgerLine]]:
        """Return the debits that were asked for, declined ones as well."""
        return [each for each in self.asked if each[1].op == "debit"]

    @property
    def stands(self) -> bool:
        """Whether anything of it is left: money taken, given back, held or released."""
        return bool(self.money_minor or self.held_minor)


_decode = msgspec.json.Decoder(LedgerLine).decode


def read_ledger(path: Path) -> list[LedgerLine]:
    """
    Read the whole ledger; a torn last line (the issuer was killed) is left out.

    Raises:
        msgspec.DecodeError: any other line is not readable.
    """
    lines = path.read_bytes().split(b"\n")
    lines.pop()  # what follows the last line feed: nothing, or a torn line
    return [_decode(line) for line in lines]


def accounts_by_rrn(lines: Sequence[LedgerLine]) -> dict[str, IssuerAccount]:
    """Group what was decided, and reversals, by RRN, in the order of the ledger."""
    accounts: dict[str, IssuerAccount] = {}
    for index, line in enumerate(lines):
        account = accounts.get(line.rrn)
        if account is None:
            account = accounts[line.rrn] = IssuerAccount()
        if line.op == "reversal":
            account.reversals.append((index, line))
        elif line.op in _ASKED_OPS and line.outcome not in _IDLE_OUTCOMES:
            account.asked.append((index, line))
    for rrn, minor in standing_money(lines).items():
        accounts[rrn].money_minor = minor
    for rrn, minor in standing_holds(lines).items():
        accounts[rrn].held_minor = minor
    return accounts


def find_overpaid(lines: Iterable[LedgerLine]) -> dict[str, int]:
    """Find payments of which more was given back than had been taken, by how much (negative)."""
    return {rrn: minor for rrn, minor in standing_by_original(lines).items() if minor < 0}

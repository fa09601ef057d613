"""The issuer's own ledger as a witness: one JSON line for each message that it received."""

from collections.abc import Iterable
from pathlib import Path

import msgspec


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One message at the issuer and what it did with it (docs/rules.md 10)."""

    op: str
    rrn: str = ""
    stan: str = ""
    amount_minor: int = 0
    outcome: str = ""
    at: int = 0


class IssuerAccount:
    """What the issuer did for one RRN, as indices into its ledger."""

    __slots__ = ("debits", "others", "reversals")

    def __init__(self) -> None:
        self.debits: list[tuple[int, LedgerLine]] = []
        self.others: list[tuple[int, LedgerLine]] = []  # voids, credits, holds, inquiries
        self.reversals: list[tuple[int, LedgerLine]] = []

    @property
    def standing(self) -> tuple[int, LedgerLine] | None:
        """Return a debit that took money and was not given back after it, if there is one."""
        return self._find_standing(self.debits)

    @property
    def standing_return(self) -> tuple[int, LedgerLine] | None:
        """Return a void or credit that was booked and not reversed after it, if there is one."""
        return self._find_standing(
            [(index, line) for index, line in self.others if line.op in _GIVING_BACK]
        )

    @property
    def was_booked(self) -> bool:
        """Whether the issuer did anything of what was asked under this RRN."""
        return any(took_money(line) for _, line in (*self.debits, *self.others))

    def _find_standing(self, booked: list[tuple[int, LedgerLine]]) -> tuple[int, LedgerLine] | None:
        last_return = max((i for i, line in self.reversals if returned_money(line)), default=-1)
        for index, line in booked:
            if took_money(line) and index > last_return:
                return index, line
        return None


_BOOKED_OUTCOMES = frozenset({"approved", "late", "silent"})  # answered in time, too late, never
_RETURNED_OUTCOMES = frozenset({"reversed", "already"})  # by this reversal, by an earlier one
# an advice that the issuer passed over, or answered as its first attempt: it did nothing
_IDLE_OUTCOMES = frozenset({"ignored", "already"})
_GIVING_BACK = frozenset({"void", "credit"})
_OTHER_OPS = frozenset({*_GIVING_BACK, "authorization", "inquiry"})


def took_money(line: LedgerLine) -> bool:
    """Whether this debit (void, credit, hold) was booked."""
    return line.outcome in _BOOKED_OUTCOMES


def returned_money(line: LedgerLine) -> bool:
    """Whether this reversal found its debit and gave the money back (now or before)."""
    return line.outcome in _RETURNED_OUTCOMES


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


def accounts_by_rrn(lines: Iterable[LedgerLine]) -> dict[str, IssuerAccount]:
    """Group what was decided, and reversals, by RRN, in the order of the ledger."""
    accounts: dict[str, IssuerAccount] = {}
    for index, line in enumerate(lines):
        account = accounts.get(line.rrn)
        if account is None:
            account = accounts[line.rrn] = IssuerAccount()
        if line.op == "debit" and line.outcome not in _IDLE_OUTCOMES:
            account.debits.append((index, line))
        elif line.op == "reversal":
            account.reversals.append((index, line))
        elif line.op in _OTHER_OPS:
            account.others.append((index, line))
    return accounts

"""
What the issuer's ledger says about each payment: the tour's own arithmetic.

Nothing of the switch is asked here, not even how the ledger was written: the file is read as the
JSON lines that it is.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

ONE_DEBIT: Final = "one debit"
RETURNED: Final = "a debit and its return"
NO_DEBIT: Final = "no debit"
SOUND_VERDICTS: Final = frozenset({ONE_DEBIT, RETURNED, NO_DEBIT})

_DEBITS: Final = frozenset({"debit", "authorization"})
_NOT_BOOKED: Final = "declined"
_REVERSED: Final = "reversed"


class LedgerEntry(NamedTuple):
    """One line of the issuer's ledger, as far as it concerns money."""

    op: str
    outcome: str
    at: int
    rrn: str
    stan: str
    amount_minor: int
    currency: str
    response_code: str


def read_entries(text: str) -> list[LedgerEntry]:
    """Read the ledger's whole lines; one that is just being written is left out."""
    entries = []
    for line in text.split("\n")[:-1]:
        found = json.loads(line)
        entries.append(
            LedgerEntry(
                op=found["op"],
                outcome=found["outcome"],
                at=found["at"],
                rrn=found.get("rrn", ""),
                stan=found.get("stan", ""),
                amount_minor=found.get("amount_minor", 0),
                currency=found.get("currency", ""),
                response_code=found.get("response_code", ""),
            )
        )
    return entries


def entries_of(entries: Sequence[LedgerEntry], rrn: str) -> list[LedgerEntry]:
    """Return what the issuer was told about one payment, in order."""
    return [entry for entry in entries if rrn and entry.rrn == rrn]


def judge(entries: Sequence[LedgerEntry]) -> str:
    """Say in one line what the entries of one payment come to; see SOUND_VERDICTS."""
    debits = [entry for entry in entries if entry.op in _DEBITS and entry.outcome != _NOT_BOOKED]
    returns = [entry for entry in entries if entry.op == "reversal" and entry.outcome == _REVERSED]
    if len(debits) > 1:
        return f"{len(debits)} debits"
    if len(returns) > 1:
        return f"{len(returns)} returns"
    if not debits:
        return "a return without a debit" if returns else NO_DEBIT
    if not returns:
        return ONE_DEBIT
    debit, back = debits[0], returns[0]
    if entries.index(back) < entries.index(debit):
        return "a debit after its return"
    if (back.amount_minor, back.currency) != (debit.amount_minor, debit.currency):
        return "a return of another amount"
    return RETURNED


def find_strangers(entries: Sequence[LedgerEntry], rrns: Collection[str]) -> list[str]:
    """Name everything about money in the ledger that belongs to none of these payments."""
    counts = Counter(
        (entry.op, entry.rrn)
        for entry in entries
        if entry.op != "network" and entry.rrn not in rrns
    )
    return [
        f"{count} x {op} under RRN {rrn or '(none)'}, which no step of the tour asked for"
        for (op, rrn), count in counts.items()
    ]

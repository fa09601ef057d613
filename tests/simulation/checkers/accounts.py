"""The issuers' ledgers as an auditor adds them up: what stands under each RRN."""

BOOKED = frozenset({"approved", "late", "silent"})
MOVING = frozenset({"debit", "credit", "void", "authorization"})


class Account:
    """What one issuer booked under one RRN."""

    __slots__ = ("booked", "issuer", "lines", "reversals", "stands")

    def __init__(self, issuer: int) -> None:
        self.issuer = issuer
        self.lines: list = []
        self.booked: list = []  # lines that moved money (or gave it back, or held it)
        self.reversals: list = []  # lines that took such a one back
        self.stands = False

    def take(self, seen) -> None:
        line = seen.line
        self.lines.append(seen)
        if line.op in MOVING and line.outcome in BOOKED:
            self.booked.append(seen)
            self.stands = True
        elif line.op == "reversal" and line.outcome == "reversed":
            self.reversals.append(seen)
            self.stands = False


def add_up(ledger) -> dict[str, Account]:
    accounts: dict[str, Account] = {}
    for seen in ledger:
        rrn = seen.line.rrn
        account = accounts.get(rrn)
        if account is None:
            account = accounts[rrn] = Account(seen.issuer)
        account.take(seen)
    return accounts

"""
What the demo issuer holds: one account a payment, folded from the lines of its ledger.

A debit has what it took, less what voids and refunds gave back; a refund may also give back what
debits that quote it (adjustments) have added. A pre-authorization holds its
amount until a void or a completion uses it; the void of the completion frees it again. A reversal
takes back whatever is left of its payment, and cuts it off from those that used it: undoing a void
of a sale that has been reversed in the meantime restores nothing.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from switch.demo.issuer_line import BOOKED_OUTCOMES, LedgerLine

CARDS_COUNT_MAX: Final = 100_000  # cards whose balance is remembered; about 200 bytes each
_GIVING_BACK: Final = frozenset({"void", "credit"})
_MOVING: Final = frozenset({"debit", "authorization", "void", "credit"})
_ADVICE_FUNCTION: Final = "2"


class Movement(NamedTuple):
    """By how much one line changed what was taken, and what is held."""

    money_minor: int = 0
    held_minor: int = 0


class Answered(NamedTuple):
    """How an advice or refund was decided, for its repeats."""

    stan: str
    response_code: str
    at: int


_NOTHING: Final = Movement()


class Account:
    """What the issuer knows of one RRN."""

    __slots__ = (
        "added_by",
        "amount_minor",
        "answered",
        "ignored_count",
        "is_returned",
        "key",
        "op",
        "original_rrn",
        "own_minor",
        "uses",
    )

    def __init__(self) -> None:
        self.op = ""  # of the first message that was not ignored
        self.own_minor = 0  # what its own messages took, held or gave back, and was not reversed
        self.amount_minor = 0  # of its last booked message
        self.uses: dict[str, int] | None = None  # RRN of a void, credit, completion -> its amount
        self.added_by: tuple[str, ...] = ()  # RRNs of the adjustments of a debit
        self.original_rrn: str | None = None  # as first booked; "" for what has none
        self.key = ""  # as DE 90 names it
        self.answered: Answered | None = None
        self.is_returned = False
        self.ignored_count = 0

    @property
    def is_known(self) -> bool:
        """Whether the issuer took notice of it at all."""
        return bool(self.op) or self.is_returned

    @property
    def standing_minor(self) -> int:
        """What is left: of a debit, of a hold, or of what a void or refund has given back."""
        if not self.uses:
            return self.own_minor
        return 0 if self.op == "authorization" else self.own_minor - sum(self.uses.values())

    def use(self, rrn: str, amount_minor: int) -> int:
        """Let a void, credit or completion use up some of it; return the change (not positive)."""
        before = self.standing_minor
        if self.uses is None:
            self.uses = {}
        self.uses[rrn] = self.uses.get(rrn, 0) + amount_minor
        return self.standing_minor - before

    def free(self, rrn: str) -> int:
        """Undo what that payment used; return the change (not negative)."""
        before = self.standing_minor
        if self.uses:
            self.uses.pop(rrn, None)
        return self.standing_minor - before


class IssuerAccounts:
    """
    The accounts by RRN and by what DE 90 quotes, and the balances of cards.

    Only `apply` changes them, so an issuer that reads its ledger again knows what it knew.
    """

    def __init__(self, *, remembered_count_max: int) -> None:
        """Begin empty; of more payments than `remembered_count_max` the oldest are forgotten."""
        self._remembered_count_max = remembered_count_max
        self._accounts: OrderedDict[str, Account] = OrderedDict()
        self._rrns: dict[str, str] = {}
        self._spent: OrderedDict[str, int] = OrderedDict()

    def find(self, rrn: str) -> Account | None:
        """Return what is known of a payment."""
        return self._accounts.get(rrn)

    def refundable_minor(self, rrn: str) -> int:
        """Return what is left of a debit and of what its adjustments have added."""
        account = self._accounts.get(rrn)
        if account is None or account.op != "debit":
            return 0
        added = (self._accounts.get(one) for one in account.added_by)
        return account.standing_minor + sum(one.standing_minor for one in added if one)

    def find_rrn(self, merchant_id: str, stan: str, transmission_time: str) -> str:
        """Return the RRN of what was booked under this trace number and time, or nothing."""
        return self._rrns.get(f"{merchant_id}{stan}{transmission_time}", "")

    def spent_minor(self, masked_pan: str, currency: str) -> int:
        """Return what was taken from a card and is held on it."""
        return self._spent.get(masked_pan + currency, 0)

    def apply(self, line: LedgerLine) -> Movement:
        """Fold one line, in the order of the ledger; its own amounts moved are not looked at."""
        if line.op == "reversal":
            movement = self._reverse(line)
        elif line.op in _MOVING or line.op == "inquiry":
            movement = self._pay(line)
        else:
            return _NOTHING
        if movement is not _NOTHING:
            self._charge(line, movement)
        return movement

    def _pay(self, line: LedgerLine) -> Movement:
        account = self._open(line.rrn)
        if line.outcome == "ignored":
            account.ignored_count += 1
            return _NOTHING
        if line.outcome == "already":
            return _NOTHING
        account.op = account.op or line.op
        if line.mti[2:3] == _ADVICE_FUNCTION:
            account.answered = Answered(line.stan, line.response_code, line.at)
        if line.outcome not in BOOKED_OUTCOMES or line.op not in _MOVING:
            return _NOTHING
        account.amount_minor = line.amount_minor
        if account.original_rrn is None:
            account.original_rrn = line.original_rrn
        if line.op in _GIVING_BACK:
            return self._give_back(account, line)
        self._index(account, line)
        before = account.standing_minor
        account.own_minor += line.amount_minor
        if line.op == "authorization":
            return Movement(0, account.standing_minor - before)
        original = self._accounts.get(line.original_rrn)
        if original is not None and original.op == "debit" and line.rrn not in original.added_by:
            original.added_by += (line.rrn,)
        return Movement(line.amount_minor, self._use_hold(line.rrn, account))

    def _give_back(self, account: Account, line: LedgerLine) -> Movement:
        account.own_minor += line.amount_minor
        original = self._accounts.get(line.original_rrn)
        if original is None:
            return _NOTHING
        change = original.use(line.rrn, line.amount_minor)
        if original.op == "authorization":
            return Movement(0, change)
        # a refund of a completion leaves the pre-authorization used up, its void does not
        held = self._use_hold(line.original_rrn, original) if line.op == "void" else 0
        return Movement(change, held)

    def _reverse(self, line: LedgerLine) -> Movement:
        if line.outcome == "ignored":
            self._open(line.rrn).ignored_count += 1
            return _NOTHING
        if line.outcome not in {"reversed", "not-booked"}:
            return _NOTHING
        account = self._open(line.rrn)
        if account.own_minor or line.outcome == "reversed":
            account.is_returned = True
        change = -account.standing_minor
        account.own_minor, account.uses = 0, None
        if account.op == "authorization":
            return Movement(0, change)
        if account.op not in _GIVING_BACK:
            return Movement(change, self._use_hold(line.rrn, account))
        original_rrn = account.original_rrn or ""
        original = self._accounts.get(original_rrn)
        if original is None:
            return _NOTHING
        change = original.free(line.rrn)
        if original.op == "authorization":
            return Movement(0, change)
        held = self._use_hold(original_rrn, original) if account.op == "void" else 0
        return Movement(change, held)

    def _use_hold(self, rrn: str, completion: Account) -> int:
        """Let a completion use its pre-authorization as long as any of it stands."""
        hold = self._accounts.get(completion.original_rrn or "")
        if hold is None or hold.op != "authorization":
            return 0
        change = hold.free(rrn)
        if completion.standing_minor > 0:
            change += hold.use(rrn, completion.standing_minor)
        return change

    def _open(self, rrn: str) -> Account:
        account = self._accounts.get(rrn)
        if account is None:
            if len(self._accounts) >= self._remembered_count_max:
                forgotten_rrn, forgotten = self._accounts.popitem(last=False)
                if self._rrns.get(forgotten.key) == forgotten_rrn:
                    del self._rrns[forgotten.key]
            account = self._accounts[rrn] = Account()
        return account

    def _index(self, account: Account, line: LedgerLine) -> None:
        if line.transmission_time and not account.key:
            account.key = f"{line.merchant_id}{line.stan}{line.transmission_time}"
            self._rrns[account.key] = line.rrn

    def _charge(self, line: LedgerLine, movement: Movement) -> None:
        card = line.masked_pan + line.currency
        if card not in self._spent and len(self._spent) >= CARDS_COUNT_MAX:
            self._spent.popitem(last=False)
        moved = movement.money_minor + movement.held_minor
        self._spent[card] = self._spent.get(card, 0) + moved

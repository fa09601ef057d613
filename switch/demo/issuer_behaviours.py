"""
What amounts make the demo issuer do: one table, for its decisions and for docs/demo-world.md.

The last two digits of DE 4 choose, or the whole amount. All other amounts are approved. An original
that does not stand, or too large an amount, is refused whatever the amount says.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

REQUEST: Final = "request"  # sale, pre-authorization, completion, inquiry
VOID: Final = "void"
ADVICE: Final = "advice"  # advices and refunds: repeated until answered
REVERSAL: Final = "reversal"
KINDS: Final = (REQUEST, VOID, ADVICE, REVERSAL)
_ALL_PAYMENTS: Final = (REQUEST, VOID, ADVICE)


class Behaviour(enum.Enum):
    """What an amount makes the issuer do."""

    DECLINE = "decline"
    OTHER_AMOUNT = "other-amount"  # booked as asked, the answer states 1.00 more
    TWICE = "twice"  # booked once, the same answer given twice
    LATE = "late"  # booked, answered after the switch's time-out
    SILENT = "silent"  # booked, never answered
    IGNORE = "ignore"  # as if it never came, `ignored_count` times


class AmountRule(NamedTuple):
    """One row: which amounts (`*.51`: all that end so) of which messages do what."""

    amount: str
    kinds: tuple[str, ...]
    behaviour: Behaviour
    words: str
    response_code: str = ""
    ignored_count: int = 0


_R: Final = AmountRule
AMOUNT_RULES: Final = (
    _R("*.51", _ALL_PAYMENTS, Behaviour.DECLINE, "declined: funds", "51"),
    _R("*.55", _ALL_PAYMENTS, Behaviour.DECLINE, "declined: PIN", "55"),
    _R("*.61", _ALL_PAYMENTS, Behaviour.DECLINE, "declined: limit", "61"),
    _R("*.91", _ALL_PAYMENTS, Behaviour.DECLINE, "cannot: issuer inoperative", "91"),
    _R("*.96", _ALL_PAYMENTS, Behaviour.DECLINE, "cannot: system malfunction", "96"),
    _R("*.93", _ALL_PAYMENTS, Behaviour.OTHER_AMOUNT, "answers with another amount (1.00 more)"),
    _R("*.94", _ALL_PAYMENTS, Behaviour.TWICE, "answers twice"),
    _R("*.97", _ALL_PAYMENTS, Behaviour.LATE, "books it and answers too late"),
    _R("*.98", (REQUEST, VOID), Behaviour.SILENT, "books it and never answers"),
    _R("*.98", (ADVICE,), Behaviour.IGNORE, "ignores two, takes the third", ignored_count=2),
    # a void has its sale's amount, and these let the sale through
    _R("*.85", (VOID,), Behaviour.DECLINE, "declines the void", "05"),
    _R("*.87", (VOID,), Behaviour.LATE, "books the void and answers too late"),
    _R("*.88", (VOID,), Behaviour.SILENT, "books the void and never answers"),
    _R("66.66", (REVERSAL,), Behaviour.IGNORE, "ignores three, takes the fourth", ignored_count=3),
)
# a balance inquiry has no amount, so a card chooses
UNANSWERED_INQUIRY_PAN: Final = "2223003122003222"
_UNANSWERED_INQUIRY: Final = _R(
    "", (REQUEST,), Behaviour.SILENT, "never says what its account holds"
)
_ENDING: Final = "*."


def _index() -> Mapping[str, tuple[Mapping[int, AmountRule], Mapping[int, AmountRule]]]:
    """Write the table as it is looked up: kind -> (by whole amount, by last two digits)."""
    found: dict[str, tuple[dict[int, AmountRule], dict[int, AmountRule]]] = {
        kind: ({}, {}) for kind in KINDS
    }
    for rule in AMOUNT_RULES:
        is_ending = rule.amount.startswith(_ENDING)
        digits = int(rule.amount.removeprefix(_ENDING).replace(".", ""))
        for kind in rule.kinds:
            table = found[kind][is_ending]
            assert digits not in table, "an amount of one kind of message means two things"
            table[digits] = rule
    return MappingProxyType(found)


_RULES: Final = _index()


def find_rule(kind: str, amount_minor: int) -> AmountRule | None:
    """Return what this amount means for this kind of message; None: it is approved."""
    whole, endings = _RULES[kind]
    return whole.get(amount_minor) or endings.get(amount_minor % 100)


def find_inquiry_rule(pan: str) -> AmountRule | None:
    """Return what a balance inquiry of this card means; None: it is answered."""
    return _UNANSWERED_INQUIRY if pan == UNANSWERED_INQUIRY_PAN else None

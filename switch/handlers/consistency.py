"""
What the elements of a payment must have, and where they must agree (docs/iso8583.md 3): a table.

Only what would leave it open what is asked for, or how the card was read, is refused. A reversal is
not looked at: whatever else is wrong with it, it gives money back. Nor is an advice asked how its
card was read: that was long ago, and a track may not be kept.
"""

import functools
from collections.abc import Callable
from typing import Final, NamedTuple

from switch.domain.transactions import TransactionType
from switch.eventlog.inbound import RequestReceived

_T = TransactionType
_READ_BY_STRIPE: Final = frozenset({"02", "80", "90", "91"})  # 80: after the chip had failed
_READ_BY_CHIP: Final = frozenset({"05", "07", "95"})
_KEYED_IN: Final = frozenset({"01"})
_WITH_PIN: Final = "1"
_WITHOUT_PIN: Final = "2"
_PIN_FORMATS: Final = frozenset("12")  # DE 53: without the card number, and with it
_VOIDS: Final = frozenset({_T.SALE_VOID, _T.COMPLETION_VOID})
_OF_A_HOLD: Final = frozenset({_T.PRE_AUTHORIZATION_VOID, _T.COMPLETION, _T.COMPLETION_ADVICE})


class Scope(NamedTuple):
    """Which messages a rule is about."""

    has_batch: bool = False  # only of a dialect with batches (DE 60, 61)
    is_request: bool = False  # only what is asked now: 0100 and 0200
    transactions: frozenset[TransactionType] = frozenset()  # only these; none named: all

    def holds(self, *, has_batch: bool, is_request: bool, transaction: TransactionType) -> bool:
        """Say whether a message is one of them."""
        return (
            (has_batch or not self.has_batch)
            and (is_request or not self.is_request)
            and (not self.transactions or transaction in self.transactions)
        )


class Rule(NamedTuple):
    """One rule: `DE number name told` is what its breach is called, in the answer and the audit."""

    number: int
    name: str
    told: str
    scope: Scope
    is_broken: Callable[[RequestReceived], bool]

    @property
    def breach(self) -> str:
        """Name the element and what is wrong with it; no content."""
        return f"DE {self.number} {self.name} {self.told}"


def _must_have(number: int, name: str, scope: Scope) -> Rule:
    return Rule(number, name, "is missing", scope, lambda received: not received.fields.get(name))


def _how(received: RequestReceived) -> str:
    return received.fields.get("pos_entry_mode", "")


def _control(received: RequestReceived) -> str:
    return received.fields.get("security_control", "")


_MODE: Final = (22, "pos_entry_mode")
_CONTROL: Final = (53, "security_control")
_BATCHED: Final = Scope(has_batch=True)
_ASKED: Final = Scope(is_request=True)

RULES: Final = (
    _must_have(*_MODE, _BATCHED),
    _must_have(25, "pos_condition_code", _BATCHED),
    Rule(
        61,
        "original_transaction",
        "is missing, and there is no DE 37",
        Scope(has_batch=True, transactions=_VOIDS),
        lambda received: (
            not (received.fields.get("original_transaction") or received.fields.get("rrn"))
        ),
    ),
    _must_have(37, "rrn", Scope(has_batch=True, transactions=frozenset({_T.REFUND}))),
    _must_have(38, "authorization_id", Scope(has_batch=True, transactions=_OF_A_HOLD)),
    Rule(
        *_MODE,
        "says keyed in, and there are DE 35 or DE 55",
        _ASKED,
        lambda received: (
            _how(received)[:2] in _KEYED_IN and (received.has_track or received.has_chip)
        ),
    ),
    Rule(
        *_MODE,
        "says magnetic stripe, and there is no DE 35",
        _ASKED,
        lambda received: _how(received)[:2] in _READ_BY_STRIPE and not received.has_track,
    ),
    Rule(
        *_MODE,
        "says chip, and there is neither DE 55 nor DE 35",
        _ASKED,
        lambda received: (
            _how(received)[:2] in _READ_BY_CHIP and not (received.has_chip or received.has_track)
        ),
    ),
    Rule(
        *_MODE,
        "says PIN, and there is no DE 52",
        _ASKED,
        lambda received: _how(received)[2:] == _WITH_PIN and not received.has_pin,
    ),
    Rule(
        *_MODE,
        "says no PIN, and there is a DE 52",
        Scope(),
        lambda received: received.has_pin and _how(received)[2:] == _WITHOUT_PIN,
    ),
    Rule(
        *_CONTROL,
        "is missing, and there is a DE 52",
        Scope(),
        lambda received: received.has_pin and not _control(received),
    ),
    Rule(
        *_CONTROL,
        "names no PIN format",
        Scope(),
        lambda received: received.has_pin and _control(received)[:1] not in _PIN_FORMATS,
    ),
    Rule(
        *_CONTROL,
        "says that the track is encrypted, which is not supported",
        Scope(),
        lambda received: received.has_track and _control(received)[2:3] == "1",
    ),
)


def find_breach(received: RequestReceived, transaction: TransactionType, *, has_batch: bool) -> str:
    """Name the first rule that a payment breaks; empty if it breaks none."""
    for rule in _list_rules(has_batch, received.mti[2] == "0", transaction):
        if rule.is_broken(received):
            return rule.breach
    return ""


@functools.lru_cache(maxsize=64)
def _list_rules(
    has_batch: bool,  # noqa: FBT001 - a key of the cache
    is_request: bool,  # noqa: FBT001
    transaction: TransactionType,
) -> tuple[Rule, ...]:
    return tuple(
        rule
        for rule in RULES
        if rule.scope.holds(has_batch=has_batch, is_request=is_request, transaction=transaction)
    )

"""
What the elements of a payment must have, and where they must agree (docs/iso8583.md 3): a table.

Only what would leave it open what is asked for, or how the card was read, is refused. A reversal is
not looked at: whatever else is wrong with it, it gives money back. Nor is an advice asked how its
card was read: that was long ago, and a track may not be kept.
"""

import functools
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from switch.domain.transactions import TransactionType
from switch.eventlog.inbound import RequestReceived

_T = TransactionType
_READ_BY_STRIPE: Final = frozenset({"02", "80", "90", "91"})  # 80: after the chip had failed
_READ_BY_CHIP: Final = frozenset({"05", "07", "95"})
_KEYED_IN: Final = frozenset({"01"})
_WITH_PIN: Final = "1"
_WITHOUT_PIN: Final = "2"
_TRACK_ENCRYPTED: Final = "1"
_PIN_FORMATS: Final = frozenset("12")  # DE 53: without the card number, and with it
_VOIDS: Final = frozenset({_T.SALE_VOID, _T.COMPLETION_VOID})
_OF_A_HOLD: Final = frozenset({_T.PRE_AUTHORIZATION_VOID, _T.COMPLETION, _T.COMPLETION_ADVICE})


class Stated(NamedTuple):
    """What the rules look at: no content, so that what was found can be kept for the next one."""

    transaction: TransactionType
    has_batch: bool  # the dialect has batches (DE 60, 61)
    is_request: bool  # asked now: 0100 and 0200
    mode: str  # DE 22
    control: str  # DE 53, as far as it says how
    has_condition: bool
    has_rrn: bool
    has_authorization: bool
    has_original: bool
    has_track: bool
    has_chip: bool
    has_pin: bool


class Rule(NamedTuple):
    """One rule: `DE number name told` is what its breach is called, in the answer and the audit."""

    number: int
    name: str
    told: str
    is_broken: Callable[[Stated], bool]

    @property
    def breach(self) -> str:
        """Name the element and what is wrong with it; no content."""
        return f"DE {self.number} {self.name} {self.told}"


_MODE: Final = (22, "pos_entry_mode")
_CONTROL: Final = (53, "security_control")

RULES: Final = (
    Rule(*_MODE, "is missing", lambda it: it.has_batch and not it.mode),
    Rule(25, "pos_condition_code", "is missing", lambda it: it.has_batch and not it.has_condition),
    Rule(
        61,
        "original_transaction",
        "is missing, and there is no DE 37",
        lambda it: (
            it.has_batch and it.transaction in _VOIDS and not (it.has_original or it.has_rrn)
        ),
    ),
    Rule(
        37,
        "rrn",
        "is missing",
        lambda it: it.has_batch and it.transaction is _T.REFUND and not it.has_rrn,
    ),
    Rule(
        38,
        "authorization_id",
        "is missing",
        lambda it: it.has_batch and it.transaction in _OF_A_HOLD and not it.has_authorization,
    ),
    Rule(
        *_MODE,
        "says keyed in, and there are DE 35 or DE 55",
        lambda it: it.is_request and it.mode[:2] in _KEYED_IN and (it.has_track or it.has_chip),
    ),
    Rule(
        *_MODE,
        "says magnetic stripe, and there is no DE 35",
        lambda it: it.is_request and it.mode[:2] in _READ_BY_STRIPE and not it.has_track,
    ),
    Rule(
        *_MODE,
        "says chip, and there is neither DE 55 nor DE 35",
        lambda it: (
            it.is_request and it.mode[:2] in _READ_BY_CHIP and not (it.has_chip or it.has_track)
        ),
    ),
    Rule(
        *_MODE,
        "says PIN, and there is no DE 52",
        lambda it: it.is_request and it.mode[2:] == _WITH_PIN and not it.has_pin,
    ),
    Rule(
        *_MODE,
        "says no PIN, and there is a DE 52",
        lambda it: it.has_pin and it.mode[2:] == _WITHOUT_PIN,
    ),
    Rule(
        *_CONTROL,
        "is missing, and there is a DE 52",
        lambda it: it.has_pin and not it.control,
    ),
    Rule(
        *_CONTROL,
        "names no PIN format",
        lambda it: it.has_pin and it.control[:1] not in _PIN_FORMATS,
    ),
    Rule(
        *_CONTROL,
        "says that the track is encrypted, which is not supported",
        lambda it: it.has_track and it.control[2:] == _TRACK_ENCRYPTED,
    ),
)


def find_breach(received: RequestReceived, transaction: TransactionType, *, has_batch: bool) -> str:
    """Name the first rule that a payment breaks; empty if it breaks none."""
    fields = received.fields
    return _find_breach(
        transaction,
        has_batch,
        received.mti[2] == "0",
        fields.get("pos_entry_mode", ""),
        fields.get("security_control", "")[:3],
        "pos_condition_code" in fields,
        "rrn" in fields,
        "authorization_id" in fields,
        "original_transaction" in fields,
        received.has_track,
        received.has_chip,
        received.has_pin,
    )


@functools.lru_cache(maxsize=1_024)
def _find_breach(*of_stated: Any) -> str:  # noqa: ANN401 - the fields of Stated, in their order
    stated = Stated(*of_stated)
    return next((rule.breach for rule in RULES if rule.is_broken(stated)), "")

"""Originals that a partition no longer remembers, read back from its journal (docs/rules.md 2)."""

import enum
from typing import Final, NamedTuple

from switch.domain.identifiers import RRN_OFFSET_MODULUS, parse_rrn
from switch.domain.payment.requests import PaymentRequest
from switch.handlers.actions import ReadOriginal
from switch.handlers.book import PartitionBook
from switch.handlers.intake import Waiter
from switch.handlers.recorder import Recorder

RECALLS_COUNT_MAX: Final = 32  # originals that are being read at a time
ASKED_COUNT_MAX: Final = 8  # requests that wait for one original


class Asked(NamedTuple):
    """A request that waits for its original."""

    offset: int
    waiter: Waiter
    request: PaymentRequest


class Recalling(enum.Enum):
    """What became of the wish to read an original."""

    BEGUN = "begun"
    JOINED = "joined"  # it is being read already
    NOT_OURS = "not-ours"  # no RRN, one that this partition cannot have given, or one that is spent
    REPEATED = "repeated"  # enough of the very same request wait; this one stays silent
    TOO_MANY = "too-many"


class Recalls:
    """Which originals are being read, and who waits for each; bounded in both."""

    def __init__(self, index: int, book: PartitionBook, recorder: Recorder) -> None:
        self._index = index
        self._book = book
        self._recorder = recorder
        self._asked: dict[str, list[Asked]] = {}

    def ask(self, asked: Asked, next_offset: int) -> Recalling:
        """Ask the shell to read the original that a request quotes by its RRN."""
        quoted = asked.request.original
        rrn = quoted.rrn if quoted else ""
        if not self._may_be_ours(rrn, next_offset):
            return Recalling.NOT_OURS
        waiting = self._asked.get(rrn)
        if waiting is not None:
            if len(waiting) >= ASKED_COUNT_MAX:
                key = asked.request.idempotency_key
                is_repeat = any(one.request.idempotency_key == key for one in waiting)
                return Recalling.REPEATED if is_repeat else Recalling.TOO_MANY
            waiting.append(asked)
            return Recalling.JOINED
        if len(self._asked) >= RECALLS_COUNT_MAX:
            return Recalling.TOO_MANY
        self._asked[rrn] = [asked]
        self._recorder.actions.append(ReadOriginal(rrn))
        return Recalling.BEGUN

    def take(self, rrn: str) -> list[Asked]:
        """Take out everyone who waits for an original that was read."""
        return self._asked.pop(rrn, [])

    def _may_be_ours(self, rrn: str, next_offset: int) -> bool:
        try:
            partition, offset = parse_rrn(rrn)
        except ValueError:
            return False
        if partition != self._index or self._book.find_payment(rrn) is not None:
            return False
        is_past = offset < next_offset or next_offset >= RRN_OFFSET_MODULUS
        return is_past and not self._book.is_spent(rrn)

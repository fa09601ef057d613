"""How many bytes a partition needs for one more of something, counted by the allocator."""

import gc
import tracemalloc
from collections.abc import Callable
from random import Random
from typing import Final

import msgspec

from loadtest.lone_partition import INDEX, PARTITION_COUNT, LonePartition
from loadtest.memory_cashier import Cashier
from loadtest.memory_days import DAY_MS, HOUR_MS, MINUTE_MS, answer_as_issuer
from loadtest.memory_world import LINK, make_registry, merchant_id_of, terminal_id_of
from switch.domain.identifiers import make_rrn
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.journal import decode_record
from switch.handlers.book import PartitionBook
from switch.handlers.forgetting import LOOKED_AT_COUNT_MAX, SpentOriginals
from switch.security.keys import Keys
from switch.security.keystore import MemoryKeyStore

COUNT: Final = 4_000
_START_MS: Final = 1_700_006_400_000  # midnight
_KEY_LIFETIME_MS: Final = MINUTE_MS
_TERMINAL_COUNT: Final = 100
_PAN_MAX: Final = 10**13
_LATER_MS: Final = 8 * DAY_MS  # when what belongs to a closed batch is forgotten


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of one; `decided` by the partition that took it, `folded` by one that took over."""

    name: str
    decided_bytes: int
    folded_bytes: int


class Scale:
    """A small shop at a partition of its own, and a number of things that are put on it."""

    def __init__(self, count: int) -> None:
        self.count = count
        keys = Keys(MemoryKeyStore(), minute_key_lifetime_ms=_KEY_LIFETIME_MS)
        self._terminal_count = max(count, _TERMINAL_COUNT)
        registry = make_registry(keys, self._terminal_count, 1)
        self.partition = LonePartition(DecisionRules(), registry, keys, _START_MS)
        self.partition.issuer = answer_as_issuer
        self.partition.set_links((LINK,))
        self._random = Random(1)
        self.cashiers = [
            Cashier(self.partition, terminal_id_of(number), merchant_id_of(0))
            for number in range(self._terminal_count)
        ]

    def draw_pan(self) -> str:
        """Draw a card that nobody else has."""
        return f"62{self._random.randrange(_PAN_MAX):013d}7"

    def settle(self) -> None:
        """Close the batch of everybody who has one, and let eight days pass."""
        for cashier in self.cashiers[:_TERMINAL_COUNT]:
            totals = self.partition.book.total_batch(cashier.till, cashier.batch)
            cashier.settle(totals)
        self.pass_ms(_LATER_MS)

    def pass_ms(self, milliseconds: int) -> None:
        """Let time pass, and let something be recorded until all is forgotten that may be."""
        self.partition.pass_ms(milliseconds)
        for number in range(self.count * 2 // LOOKED_AT_COUNT_MAX + 2):
            self.partition.pass_ms(MINUTE_MS)
            note = {"command": "note", "command_id": str(number), "by": "anna", "case_id": "none"}
            self.partition.command(note)  # refused, and that is all that is recorded


def put_open_entries(scale: Scale) -> None:
    """Sell so often, in open batches."""
    for number in range(scale.count):
        cashier = scale.cashiers[number % _TERMINAL_COUNT]
        cashier.ask("sale", 100 * (number % 800 + 1), scale.draw_pan())
    scale.partition.pass_ms(MINUTE_MS)


def put_open_holds(scale: Scale) -> None:
    """Authorize so often beforehand; the batches are closed and forgotten since."""
    for number in range(scale.count):
        cashier = scale.cashiers[number % _TERMINAL_COUNT]
        cashier.ask("pre-authorization", 100 * (number % 800 + 1), scale.draw_pan())
    scale.settle()


def put_partly_refunded(scale: Scale) -> None:
    """Sell so often and give a part back; the batches are closed and forgotten since."""
    for number in range(scale.count):
        cashier = scale.cashiers[number % _TERMINAL_COUNT]
        sale = cashier.ask("sale", 100 * (number % 800 + 2), scale.draw_pan())
        cashier.ask_about("refund", sale, 100)
    scale.settle()


def put_tombstones(scale: Scale) -> None:
    """Take so many payments back that never arrived: a tombstone and a stored answer each."""
    for number in range(scale.count):
        cashier = scale.cashiers[number % _TERMINAL_COUNT]
        cashier.take_back_unsent(100 * (number % 800 + 1), scale.draw_pan())


def put_terminals(scale: Scale) -> None:
    """Let so many terminals sign on."""
    for cashier in scale.cashiers[: scale.count]:
        cashier.sign_on()


def put_closed_batches(scale: Scale) -> None:
    """Let so many terminals close an empty batch."""
    for cashier in scale.cashiers[: scale.count]:
        cashier.settle(scale.partition.book.total_batch(cashier.till, cashier.batch))


KINDS: Final[dict[str, Callable[[Scale], None]]] = {
    "payment of an open batch": put_open_entries,
    "open pre-authorization": put_open_holds,
    "payment that was refunded in part": put_partly_refunded,
    "tombstone with its reversal's stored answer": put_tombstones,
    "terminal that has signed on": put_terminals,
    "closed batch with its stored answer": put_closed_batches,
}


SPENT: Final = "number of a payment of which nothing is left"
NAMES: Final = (*KINDS, SPENT)


def weigh(name: str, count: int = COUNT) -> Weight:
    """Weigh one kind, as it was decided and as it is folded from the journal."""
    if name == SPENT:
        spent_bytes = _weigh_spent(count)
        return Weight(name=name, decided_bytes=spent_bytes, folded_bytes=spent_bytes)
    put = KINDS[name]
    folded_bytes = _weigh_folded(put, count)  # first: it makes what is made once for all
    return Weight(name=name, decided_bytes=_weigh_decided(put, count), folded_bytes=folded_bytes)


def _weigh_decided(put: Callable[[Scale], None], count: int) -> int:
    scale = Scale(count)
    gc.collect()
    tracemalloc.start()
    try:
        put(scale)
        scale.partition.keys.minute_keys.destroy_expired(scale.partition.now.wall_ms + HOUR_MS)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] // count
    finally:
        tracemalloc.stop()


def _weigh_folded(put: Callable[[Scale], None], count: int) -> int:
    scale, records = Scale(count), list[bytes]()
    scale.partition.take_record = records.append
    put(scale)
    gc.collect()
    tracemalloc.start()
    try:
        book = PartitionBook(INDEX, PARTITION_COUNT, DecisionRules())
        for record in records:
            book.apply(decode_record(record))
        gc.collect()
        return tracemalloc.get_traced_memory()[0] // count
    finally:
        tracemalloc.stop()


def _weigh_spent(count: int) -> int:
    spent = SpentOriginals(DecisionRules().refund_days)
    tracemalloc.start()
    try:
        for number in range(count):
            spent.add(make_rrn(INDEX, 10**6 + number), _START_MS, _START_MS)
        return tracemalloc.get_traced_memory()[0] // count
    finally:
        tracemalloc.stop()

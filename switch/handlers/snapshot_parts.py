"""
What the book of a partition holds, part by part, as rows that a snapshot can keep.

This is the one place that looks into the folded classes for it. What can be found again from the
payments (the key of an index, a word that is shared) is not kept. `KNOWN` names every attribute:
one that is added there is added here, or no snapshot is taken at all.
"""
# ruff: noqa: SLF001 - this module is the memory of those classes, written elsewhere

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from sys import intern
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from switch.domain.cases.commands import CaseCommand
from switch.domain.cases.state import Case
from switch.domain.payment.checks import DayTotals
from switch.domain.payment.payment import Payment
from switch.domain.payment.requests import Answer
from switch.domain.payment.sharing import share_answer, share_line, share_request, share_terms
from switch.domain.terminal.state import ClosedBatch, OpenBatch, TerminalState
from switch.handlers.book import PartitionBook
from switch.handlers.case_shelf import CaseShelf
from switch.handlers.folded import Folded
from switch.handlers.forgetting import Reminders, SpentOriginals
from switch.handlers.limits import DailyTotals
from switch.handlers.shelf import Drawer, Shelf
from switch.handlers.tills import Stored, Tills
from switch.handlers.upstream_stans import UpstreamStans

LIST_COUNT_MAX: Final = 5_000  # of a long list in one row
WEIGHT_MAX: Final = 4_000  # of the rows that are written, and read, in one go: milliseconds
_PAYMENT_WEIGHT: Final = 16

KNOWN: Final[dict[type[Folded], frozenset[str]]] = {
    PartitionBook: frozenset(
        {"_rules", "_shelf", "tills", "cases", "_reversals", "_tombstones", "_totals", "_stans"}
        | {"open_rrns", "watermark", "registry_position", "_decided_above_watermark"}
        | {"_forgot_at", "_forget_at"}
    ),
    Shelf: frozenset(
        {"_rules", "_payments", "_rrn_by_key", "_rrn_by_card", "_drawers", "_holds", "_batches"}
        | {"_swept_hour", "_reminders", "_spent"}
    ),
    Drawer: frozenset({"by_stan", "alike", "latest"}),
    Reminders: frozenset({"_hours", "_next_hour", "_due", "_looked_at"}),
    SpentOriginals: frozenset({"_days", "_by_day"}),
    Tills: frozenset(
        {"_rules", "_states", "_open", "_unsettled", "_closed", "_rrns", "_awaited", "_late"}
        | {"_stored"}
    ),
    CaseShelf: frozenset(
        {"_partition", "_rules", "_cases", "_ended", "_open_counts", "_commands", "_waiting"}
        | {"_oldest", "_settled"}
    ),
    DailyTotals: frozenset({"_rules", "_days"}),
    UpstreamStans: frozenset({"_partition", "_partition_count", "_open", "_last"}),
}

_Row = TypeVar("_Row")


class Part(NamedTuple):
    """One kind of rows: how they are listed, and put back into an empty book."""

    row_type: Any
    list_rows: Callable[[PartitionBook], Iterable[Any]]
    put_rows: Callable[[PartitionBook, list[Any]], None]
    weigh: Callable[[Any], int] = lambda _row: 1


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What is one number in the whole book."""

    watermark: int
    registry_position: int
    forgot_at: int
    forget_at: int
    swept_hour: int
    next_hour: int
    looked_at: int
    last_stan: int


def check_known(folded: Folded) -> None:
    """
    Make sure that nothing is remembered that this module does not know.

    Raises:
        AssertionError: there is; the message names it.
    """
    found = vars(folded)
    unknown = found.keys() ^ KNOWN.get(type(folded), frozenset())
    assert not unknown, f"{type(folded).__name__} and its snapshot differ in {sorted(unknown)}"
    for value in found.values():
        if isinstance(value, Folded):
            check_known(value)


def slice_rows(part: Part, book: PartitionBook) -> Iterator[list[Any]]:
    """Cut the rows of a part into lists of bounded weight; none of it is ever there as a whole."""
    rows: list[Any] = []
    weight = 0
    for row in part.list_rows(book):
        rows.append(row)
        weight += part.weigh(row)
        if weight >= WEIGHT_MAX:
            yield rows
            rows, weight = [], 0
    if rows:
        yield rows


def _cut(values: Iterable[_Row]) -> Iterator[list[_Row]]:
    rest = iter(values)
    while piece := list(islice(rest, LIST_COUNT_MAX)):
        yield piece


def _named(book: PartitionBook, rrns: Iterable[str]) -> list[str]:
    """Put a payment's own RRN in the place of an equal one."""
    payments = book._shelf._payments
    return [rrn if (found := payments.get(rrn)) is None else found.rrn for rrn in rrns]


def _interned(names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(map(intern, names))


# -- the book


def _list_marks(book: PartitionBook) -> Iterator[Marks]:
    reminders = book._shelf._reminders
    yield Marks(
        watermark=book.watermark,
        registry_position=book.registry_position,
        forgot_at=book._forgot_at,
        forget_at=book._forget_at,
        swept_hour=book._shelf._swept_hour,
        next_hour=reminders._next_hour,
        looked_at=reminders._looked_at,
        last_stan=book._stans._last,
    )


def _put_marks(book: PartitionBook, rows: list[Marks]) -> None:
    [marks] = rows
    book.watermark = marks.watermark
    book.registry_position = marks.registry_position
    book._forgot_at = marks.forgot_at
    book._forget_at = marks.forget_at
    book._shelf._swept_hour = marks.swept_hour
    book._shelf._reminders._next_hour = marks.next_hour
    book._shelf._reminders._looked_at = marks.looked_at
    book._stans._last = marks.last_stan


def _put_open_rrns(book: PartitionBook, rrns: list[str]) -> None:
    book.open_rrns.update(dict.fromkeys(_named(book, rrns)))


def _put_reversals(book: PartitionBook, rows: list[tuple[str, str, Answer]]) -> None:
    for key, fingerprint, answer in rows:
        book._reversals[key] = (fingerprint, answer)


def _put_totals(book: PartitionBook, rows: list[tuple[int, str, DayTotals]]) -> None:
    for day, merchant_id, totals in rows:
        book._totals._days.setdefault(day, {})[intern(merchant_id)] = totals


# -- the shelf


def _put_payments(book: PartitionBook, rows: list[Payment]) -> None:
    payments = book._shelf._payments
    for row in rows:
        payment = _share(row)
        payments[payment.rrn] = payment


def _share(payment: Payment) -> Payment:
    """Return an equal payment without words of its own: as it was folded."""
    request, answer = share_request(payment.request), payment.answer
    return msgspec.structs.replace(
        payment,
        request=request,
        terms=share_terms(payment.terms),
        answer=None if answer is None else share_answer(answer, payment.rrn),
        line=share_line(payment.line, request),
    )


def _put_keyed(book: PartitionBook, rrns: list[str]) -> None:
    payments, index = book._shelf._payments, book._shelf._rrn_by_key
    for rrn in rrns:
        payment = payments[rrn]
        index[payment.request.idempotency_key] = payment.rrn


def _put_carded(book: PartitionBook, rrns: list[str]) -> None:
    payments, index = book._shelf._payments, book._shelf._rrn_by_card
    for rrn in rrns:
        payment = payments[rrn]
        request = payment.request
        assert request.card is not None, "a payment is found by a card that it has not"
        index[request.merchant_id, request.card.token] = payment.rrn


_DrawerRow = tuple[tuple[str, str, str], list[str], list[str], str]


def _list_drawers(book: PartitionBook) -> Iterator[_DrawerRow]:
    for terminal, drawer in book._shelf._drawers.items():
        yield terminal, [*drawer.by_stan.values()], [*drawer.alike.values()], drawer.latest


def _put_drawers(book: PartitionBook, rows: list[_DrawerRow]) -> None:
    payments = book._shelf._payments
    for terminal, by_stan, alike, latest in rows:
        drawer = book._shelf._drawers[_interned(terminal)] = Drawer()
        for payment in map(payments.__getitem__, by_stan):
            drawer.by_stan[payment.request.stan] = payment.rrn
        for payment in map(payments.__getitem__, alike):
            card, amount = payment.request.card, payment.request.amount
            assert card is not None, "a debit without a card is found by it"
            assert amount is not None, "a debit without an amount is found by it"
            drawer.alike[card.lasting_token, amount.minor] = payment.rrn
        drawer.latest = payments[latest].rrn if latest else ""


_ListRow = tuple[tuple[str, str, str, str], list[str]]


def _put_holds(book: PartitionBook, rows: list[_ListRow]) -> None:
    for place, rrns in rows:
        book._shelf._holds[place] = _named(book, rrns)


def _put_batches(book: PartitionBook, rows: list[_ListRow]) -> None:
    for place, rrns in rows:
        book._shelf._batches[_interned(place)] = _named(book, rrns)


def _list_hours(book: PartitionBook) -> Iterator[tuple[int, list[str]]]:
    for hour, rrns in book._shelf._reminders._hours.items():
        for piece in _cut(rrns):
            yield hour, piece


def _put_hours(book: PartitionBook, rows: list[tuple[int, list[str]]]) -> None:
    hours = book._shelf._reminders._hours
    for hour, rrns in rows:
        hours.setdefault(hour, []).extend(_named(book, rrns))


def _put_due(book: PartitionBook, rrns: list[str]) -> None:
    due: deque[str] = book._shelf._reminders._due
    due.extend(_named(book, rrns))


def _list_spent(book: PartitionBook) -> Iterator[tuple[int, list[int]]]:
    for day, numbers in book._shelf._spent._by_day.items():
        for piece in _cut(numbers):
            yield day, piece


def _put_spent(book: PartitionBook, rows: list[tuple[int, list[int]]]) -> None:
    for day, numbers in rows:
        book._shelf._spent._by_day.setdefault(day, set()).update(numbers)


# -- terminals and their batches


_Till = tuple[str, str, str]
_PlaceRow = tuple[_Till, str]


def _place(row: _PlaceRow) -> tuple[_Till, str]:
    till, batch = row
    return _interned(till), intern(batch)


def _put_states(book: PartitionBook, rows: list[TerminalState]) -> None:
    for state in rows:
        till = _interned((state.acquirer, state.merchant_id, state.terminal_id))
        book.tills._states[till] = state


def _put_open(book: PartitionBook, rows: list[tuple[_PlaceRow, OpenBatch]]) -> None:
    book.tills._open.update({_place(place): batch for place, batch in rows})


def _put_unsettled(book: PartitionBook, rows: list[_PlaceRow]) -> None:
    book.tills._unsettled.update(dict.fromkeys(map(_place, rows)))


def _put_closed(book: PartitionBook, rows: list[tuple[_PlaceRow, ClosedBatch]]) -> None:
    book.tills._closed.update({_place(place): batch for place, batch in rows})


def _put_closed_rrns(book: PartitionBook, rows: list[tuple[_PlaceRow, list[str]]]) -> None:
    book.tills._rrns.update({_place(place): _named(book, rrns) for place, rrns in rows})


def _put_awaited(book: PartitionBook, rows: list[tuple[_PlaceRow, int]]) -> None:
    book.tills._awaited.update({_place(place): since for place, since in rows})


def _put_late(book: PartitionBook, rows: list[tuple[str, _PlaceRow]]) -> None:
    book.tills._late.update({rrn: _place(place) for rrn, place in rows})


def _put_stored(book: PartitionBook, rows: list[tuple[str, str, Answer]]) -> None:
    for key, fingerprint, answer in rows:
        book.tills._stored[key] = Stored(fingerprint, answer)


# -- cases


def _put_cases(book: PartitionBook, rows: list[Case]) -> None:
    book.cases._cases.update({case.case_id: case for case in rows})


def _put_commands(book: PartitionBook, rows: list[CaseCommand]) -> None:
    book.cases._commands.update({command.key: command for command in rows})


# In this order they are written and read: what names a payment comes after the payments.
PARTS: Final[tuple[Part, ...]] = (
    Part(Marks, _list_marks, _put_marks),
    Part(
        Payment,
        lambda book: book._shelf._payments.values(),
        _put_payments,
        lambda _payment: _PAYMENT_WEIGHT,
    ),
    Part(str, lambda book: book._shelf._rrn_by_key.values(), _put_keyed),
    Part(str, lambda book: book._shelf._rrn_by_card.values(), _put_carded),
    Part(
        _DrawerRow,
        _list_drawers,
        _put_drawers,
        lambda row: 1 + len(row[1]) + len(row[2]),
    ),
    Part(_ListRow, lambda book: book._shelf._holds.items(), _put_holds),
    Part(
        _ListRow,
        lambda book: book._shelf._batches.items(),
        _put_batches,
        lambda row: 1 + len(row[1]),
    ),
    Part(tuple[int, list[str]], _list_hours, _put_hours, lambda row: 1 + len(row[1])),
    Part(str, lambda book: book._shelf._reminders._due, _put_due),
    Part(tuple[int, list[int]], _list_spent, _put_spent, lambda row: 1 + len(row[1])),
    Part(str, lambda book: book.open_rrns, _put_open_rrns),
    Part(
        tuple[str, str, Answer],
        lambda book: ((key, *told) for key, told in book._reversals.items()),
        _put_reversals,
    ),
    Part(
        tuple[str, int],
        lambda book: book._tombstones.items(),
        lambda book, rows: book._tombstones.update(rows),
    ),
    Part(
        int,
        lambda book: book._decided_above_watermark,
        lambda book, rows: book._decided_above_watermark.update(dict.fromkeys(rows)),
    ),
    Part(
        tuple[int, str, DayTotals],
        lambda book: (
            (day, merchant_id, totals)
            for day, merchants in book._totals._days.items()
            for merchant_id, totals in merchants.items()
        ),
        _put_totals,
    ),
    Part(str, lambda book: book._stans._open, lambda book, rows: book._stans._open.update(rows)),
    Part(TerminalState, lambda book: book.tills._states.values(), _put_states),
    Part(tuple[_PlaceRow, OpenBatch], lambda book: book.tills._open.items(), _put_open),
    Part(_PlaceRow, lambda book: book.tills._unsettled, _put_unsettled),
    Part(
        tuple[_PlaceRow, ClosedBatch],
        lambda book: book.tills._closed.items(),
        _put_closed,
        lambda row: 1 + len(row[1].items),
    ),
    Part(
        tuple[_PlaceRow, list[str]],
        lambda book: book.tills._rrns.items(),
        _put_closed_rrns,
        lambda row: 1 + len(row[1]),
    ),
    Part(tuple[_PlaceRow, int], lambda book: book.tills._awaited.items(), _put_awaited),
    Part(tuple[str, _PlaceRow], lambda book: book.tills._late.items(), _put_late),
    Part(
        tuple[str, str, Answer],
        lambda book: ((key, *told) for key, told in book.tills._stored.items()),
        _put_stored,
    ),
    Part(Case, lambda book: book.cases._cases.values(), _put_cases),
    Part(
        tuple[str, int],
        lambda book: book.cases._ended.items(),
        lambda book, rows: book.cases._ended.update(rows),
    ),
    Part(
        tuple[str, int],
        lambda book: book.cases._open_counts.items(),
        lambda book, rows: book.cases._open_counts.update(rows),
    ),
    Part(CaseCommand, lambda book: book.cases._commands.values(), _put_commands),
    Part(
        tuple[str, int],
        lambda book: book.cases._waiting.items(),
        lambda book, rows: book.cases._waiting.update(rows),
    ),
    Part(
        tuple[int, str],
        lambda book: book.cases._oldest,
        lambda book, rows: book.cases._oldest.extend(rows),
    ),
    Part(
        str,
        lambda book: book.cases._settled,
        lambda book, rows: book.cases._settled.update(dict.fromkeys(rows)),
    ),
)

"""
Kill switches: each takes one safeguard out of the code under test, for as long as a test wants.

Nothing in the switch knows of them. With any one off the simulation must fail within a bounded
number of seeds (docs/simulation.md says in how many): that is how we know that it would notice.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import replace as replace_struct

from switch.domain.payment import checks
from switch.domain.payment.events import OutcomeUnknown, PaymentRequested
from switch.domain.payment.repeats import FRESH, Verdict
from switch.domain.payment.requests import Answer
from switch.eventlog import claimed_writer
from switch.eventlog.append_check import AppendVerdict
from switch.eventlog.journal_reader import RecordReader, is_claim
from switch.handlers import book
from switch.handlers import requests as requests_side
from switch.handlers.book import PartitionBook
from switch.handlers.issuers_side import IssuersSide
from switch.handlers.partition import Partition
from switch.handlers.recorder import Recorder
from switch.handlers.requests import RequestsSide
from switch.handlers.upstream_stans import UpstreamStans
from switch.issuers import link as issuer_link
from switch.issuers.link import IssuerLink
from switch.issuers.pending import PendingRequests
from tests.simulation.projector import SimProjector

NEVER = 1 << 60


class Patches:
    """Replaced attributes, put back in the end."""

    def __init__(self) -> None:
        self._replaced: list[tuple[object, str, object]] = []

    def set(self, owner: object, name: str, value: object) -> None:
        self._replaced.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def undo(self) -> None:
        for owner, name, value in reversed(self._replaced):
            setattr(owner, name, value)


def _no_idempotency_check(patches: Patches) -> None:
    check_key = requests_side.check_key

    def forget(request, memory, at):
        check = check_key(request, memory, at)
        return FRESH if check.payment is not None else check

    patches.set(requests_side, "check_key", forget)


def _no_synchronous_reservation(patches: Patches) -> None:
    """Let a key be known only once its record is durable."""
    append, acknowledge = Recorder.append, Recorder.acknowledge
    find_by_key = PartitionBook.find_by_key
    waiting: dict[int, list[str]] = {}

    def append_later(self, events, now, inbound_offset=-1):
        key = ""
        if isinstance(events[0], PaymentRequested):
            key = events[0].request.idempotency_key
        waiting.setdefault(id(self._book), []).append(key)
        return append(self, events, now, inbound_offset)

    def acknowledge_key(self):
        waiting[id(self._book)].pop(0)
        return acknowledge(self)

    def find_durable(self, idempotency_key):
        if idempotency_key in waiting.get(id(self), ()):
            return None
        return find_by_key(self, idempotency_key)

    patches.set(Recorder, "append", append_later)
    patches.set(Recorder, "acknowledge", acknowledge_key)
    patches.set(PartitionBook, "find_by_key", find_durable)


def _no_fingerprint_comparison(patches: Patches) -> None:
    check_key = requests_side.check_key

    def trust(request, memory, at):
        known = memory.find_by_key(request.idempotency_key)
        if known is not None:
            request = replace_struct(request, fingerprint=known.request.fingerprint)
        return check_key(request, memory, at)

    patches.set(requests_side, "check_key", trust)


def _no_stored_answer(patches: Patches) -> None:
    """Answer a repeat from what the payment has become, not with what was said."""
    check_key = requests_side.check_key

    def answer_anew(request, memory, at):
        check = check_key(request, memory, at)
        if check.verdict is not Verdict.REPLAY:
            return check
        answer = Answer(response_code=check.answer.response_code, at=at, rrn=check.answer.rrn)
        return check._replace(answer=answer)

    patches.set(requests_side, "check_key", answer_anew)


def _no_void_rule(patches: Patches) -> None:
    def feed(self, offset, value):
        record = self._decode(value)
        self.next_offset = offset + 1
        if is_claim(record):
            self.claim_id, self.epoch = record.claim_id, offset
        return record

    patches.set(RecordReader, "feed", feed)


def _no_append_check(patches: Patches) -> None:
    def pass_all(_expected, _acked):
        return AppendVerdict.CONTIGUOUS

    patches.set(claimed_writer, "check_append", pass_all)


def _no_route_write_ahead(patches: Patches) -> None:
    """Send a debit as soon as it is decided."""
    open_payment = RequestsSide._open

    def open_and_send(self, *asked):
        open_payment(self, *asked)
        now = asked[-1]
        effects = self._recorder._effects[-1] if self._recorder._effects else None
        if effects is not None and effects.debit_rrn:
            self._issuers.send_debit(effects, now)
            effects.debit_rrn = ""

    patches.set(RequestsSide, "_open", open_and_send)


def _answer_at_once(patches: Patches, *, unknown: bool) -> None:
    conclude = IssuersSide._conclude

    def conclude_and_answer(self, payment, events, now):
        conclude(self, payment, events, now)
        if isinstance(events[-1], OutcomeUnknown) is unknown:
            effects = self._recorder._effects[-1]
            self._recorder.actions.extend(effects.actions)
            effects.actions.clear()

    patches.set(IssuersSide, "_conclude", conclude_and_answer)


def _no_outcome_write_ahead(patches: Patches) -> None:
    _answer_at_once(patches, unknown=False)


def _no_intent_before_98(patches: Patches) -> None:
    _answer_at_once(patches, unknown=True)


def _no_send_window(patches: Patches) -> None:
    send_debit = IssuersSide.send_debit

    def send_whenever(self, effects, now):
        effects.send_before_boot_ms = NEVER
        send_debit(self, effects, now)

    patches.set(IssuersSide, "send_debit", send_whenever)


def _no_position(patches: Patches) -> None:
    """Go on where a consumer group has got to: behind all that was read, decided or not."""
    begin, take = Partition.__init__, RequestsSide.take
    committed: dict[tuple[int, int], tuple[int, object]] = {}

    def begin_at_commit(self, **given):
        begin(self, **given)
        found = committed.get((id(given["settings"]), given["index"]))
        if found is not None:
            self._recorder.next_inbound = found[0]

    def take_and_commit(self, offset, received, now):
        # the settings are one world's own, and kept so that no other object gets their id
        committed[id(self._settings), self._index] = (offset + 1, self._settings)
        take(self, offset, received, now)

    patches.set(Partition, "__init__", begin_at_commit)
    patches.set(RequestsSide, "take", take_and_commit)


def _no_tombstone(patches: Patches) -> None:
    patches.set(PartitionBook, "is_tombstoned", lambda *_: False)


def _no_hold(patches: Patches) -> None:
    """Let a void, refund or completion touch its original only once its outcome is known."""
    touch_of = book.touch_of

    def touch_when_done(payment):
        touch = touch_of(payment)
        return touch if touch is not None and touch.is_done else None

    patches.set(book, "touch_of", touch_when_done)


def _no_age_check(patches: Patches) -> None:
    left = tuple(check for check in checks.CHECKS if check is not checks.check_age)
    patches.set(checks, "CHECKS", left)


def _no_disjoint_stans(patches: Patches) -> None:
    """Count trace numbers from the same start everywhere, and match answers by them alone."""
    begin = UpstreamStans.__init__
    take_frame, add = IssuerLink._take_frame, PendingRequests.add
    match_key = issuer_link._match_key
    latest: dict[tuple[int, str, str], object] = {}
    current: list[int] = [0]

    def begin_together(self, partition, partition_count):
        del partition, partition_count
        begin(self, 0, 1)

    def note(self, match, boot_ms):
        latest[id(self), match.message_class, match.stan] = match
        add(self, match, boot_ms)

    def take(self, frame, now, events):
        current[0] = id(self._pending)
        take_frame(self, frame, now, events)

    def match_by_stan(message):
        match = match_key(message)
        return latest.get((current[0], match.message_class, match.stan), match)

    patches.set(UpstreamStans, "__init__", begin_together)
    patches.set(PendingRequests, "add", note)
    patches.set(IssuerLink, "_take_frame", take)
    patches.set(issuer_link, "_match_key", match_by_stan)


def _no_single_transaction(patches: Patches) -> None:
    """Write rows first, then the position."""

    def commit_in_two(self, batch, before, after):
        self._write(self.database, batch)
        if self.dies_here():
            return
        self.database.move(before, after)

    patches.set(SimProjector, "commit", commit_in_two)


class Safeguard(NamedTuple):
    """One safeguard, how to take it away, and where it is missed most."""

    number: int
    name: str
    switch_off: Callable[[Patches], None]
    directed: Mapping[str, object] = MappingProxyType({})  # under which its absence shows sooner


PAUSES = {"strikes": (("handler-pause", 1.0),), "strike_every_ms": 800, "handler_count": 3}
ONE_LINE = {
    "partition_count": 4,
    "handler_count": 1,
    "issuer_count": 1,
    "links_per_issuer": 1,
    "link_delay_max_ms": 300,
    "bad_ending_rate": 0.4,
    "burst_rate": 0.6,
    "think_ms": 500,
}
MANY_KINDS = {"kinds_rate": 0.9, "merchant_count": 2, "burst_rate": 0.6, "link_delay_max_ms": 300}
SAFEGUARDS = (
    Safeguard(1, "idempotency check", _no_idempotency_check),
    Safeguard(2, "synchronous key reservation", _no_synchronous_reservation),
    Safeguard(3, "fingerprint comparison", _no_fingerprint_comparison),
    Safeguard(4, "stored answer", _no_stored_answer),
    Safeguard(5, "void rule", _no_void_rule),
    Safeguard(6, "append check", _no_append_check),
    Safeguard(7, "write-ahead of the route", _no_route_write_ahead),
    Safeguard(8, "write-ahead of the outcome before the answer", _no_outcome_write_ahead),
    Safeguard(9, "reversal intent before 98", _no_intent_before_98),
    Safeguard(10, "send window", _no_send_window, PAUSES),
    Safeguard(11, "position", _no_position),
    Safeguard(12, "tombstone", _no_tombstone),
    Safeguard(13, "hold on an original's amount", _no_hold, MANY_KINDS),
    Safeguard(14, "age check of stale requests", _no_age_check),
    Safeguard(15, "disjoint upstream STANs, full match key", _no_disjoint_stans, ONE_LINE),
    Safeguard(16, "rows and position in one transaction", _no_single_transaction),
)


@contextmanager
def switched_off(safeguard: Safeguard) -> Iterator[None]:
    """Run without one safeguard."""
    patches = Patches()
    try:
        safeguard.switch_off(patches)
        yield
    finally:
        patches.undo()

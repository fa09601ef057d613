"""
A partition of a handler: the real `Partition`, claim and append check, with simulated I/O.

What the asyncio shell does in production (`switch/apps/partition_keeper.py`, `owned_partition.py`,
`switch/adapters/owned_journal.py`) is done here by hand, with a place before and after every effect
at which the process may die or stop.
"""

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from switch.codec import load_dialect
from switch.domain.identifiers import parse_rrn
from switch.eventlog.claimed_writer import ClaimedWriter
from switch.eventlog.claims import JOURNAL_FORMAT
from switch.eventlog.inbound import decode_request, encode_reply
from switch.eventlog.journal import encode_record
from switch.eventlog.journal_place import JOURNAL_START
from switch.eventlog.port import AppendUnknown
from switch.eventlog.takeover import ClaimPace, ClaimRule, Takeover
from switch.handlers.actions import AppendRecord, ReadOriginal, SendReply, SendUpstream
from switch.handlers.partition import Partition
from switch.handlers.recollection import Recollection
from tests.simulation.clock import DEAD, RUNNING
from tests.simulation.log import Outcome
from tests.simulation.snapshots import Taken

if TYPE_CHECKING:
    from tests.simulation.handlers import SimHandler, Wish

APPEND_DEADLINE_MS = 3_000
READ_COUNT_MAX = 256
TICK_MS = 20
DRAIN_MS = 3_500
FOLLOW_MS = 100
PACE = ClaimPace(waits_for_members=True, absence_ms=500, deadline_ms=DRAIN_MS + 1_000)
REGISTRY_POLL_MS = 20
UNREADABLE_RATE = 0.05  # of the originals that are read back


class Ownership:
    """One attempt at a partition: it follows, claims and serves, until it is lost or let go."""

    def __init__(self, handler: "SimHandler", index: int, wish: "Wish") -> None:
        simulation = handler.simulation
        self.handler = handler
        self.simulation = simulation
        self.index = index
        self.served_boot_ms = 0
        self._wish = wish
        self.partition: Partition | None = None  # from the moment at which it is served
        loaded = simulation.snapshots.load(handler, index)
        place, self.book = loaded or (JOURNAL_START, simulation.new_book(index))
        self.taken: Taken | None = None  # a snapshot that does not count yet
        self.claim_id = f"{simulation.random.getrandbits(64):016x}"
        self.is_lost = False
        self._journal = simulation.log.partition("journal", index)
        self._inbound = simulation.log.partition("inbound", index)
        self._writer = simulation.log.open_writer("journal", index, handler, self._hear_log)
        self._claimed: ClaimedWriter | None = None
        self._takeover = Takeover(
            simulation.decode_record,
            on_record=lambda _, record: self.book.apply(record),
            place=place,
        )
        self._claim_acked_boot_ms = 0
        self._actions: deque = deque()
        self._is_working = False
        self._acked_count = 0
        self._is_reading_gap = False
        self._reading_due = 0
        self._wake_due = 0
        self._deadline_due = 0
        self._drains_until: int | None = None
        self._is_released = False
        if self._takeover.lacks_owner:
            epoch = self._takeover.epoch
            [(_, value)] = self._journal.read(epoch, epoch + 1)
            self._takeover.note_owner(value)
        pace = PACE._replace(waits_for_members=wish.view != "ordinals")
        self._rule = ClaimRule(
            owner=handler.incarnation, pace=pace, since_boot_ms=wish.since_boot_ms
        )
        self._follow()

    # -- claiming

    def _follow(self) -> None:
        """Fold the journal, in parts; claim once there is a reason, and little left to be read."""
        if self.is_lost:
            return
        takeover, journal, handler = self._takeover, self._journal, self.handler
        end = journal.end
        if self.simulation.random.random() < 0.2:
            end = min(end, takeover.next_offset + 20)
        takeover.feed(journal.read(takeover.next_offset, end))
        if takeover.next_offset < journal.end:
            handler.scheduler.after(self._draw_read_ms(), handler, self._follow)
            return
        self._rule.note_members(takeover, self._see_members(), handler.boot_ms)
        reason = self._rule.find_reason(takeover, handler.boot_ms)
        if reason is None:
            wait_ms = 1 + int(self.simulation.random.random() * FOLLOW_MS)
            handler.scheduler.after(wait_ms, handler, self._follow)
            return
        self.simulation.note_fault(f"claim-{reason.name.lower()}", handler.name)
        claim = JOURNAL_FORMAT.make_claim(
            handler.incarnation, self.claim_id, handler.read_clock().wall_ms
        )
        self._writer.append(encode_record(claim))
        handler.scheduler.after(APPEND_DEADLINE_MS, handler, self._check_claim)

    def _see_members(self) -> frozenset[str] | None:
        """Who is a member, as far as this handler is told."""
        if self._wish.view == "none":
            return None
        members = self.simulation.list_members()
        if self._wish.view == "wrong":  # an owner that is well has fallen out of the group
            members -= {self._takeover.owner}
        return frozenset(members | {self.handler.incarnation})

    def _check_claim(self) -> None:
        if self._claimed is None:
            self.lose(AppendUnknown("no ack of the claim"))

    def _hear_log(self, outcomes: list[Outcome]) -> None:
        if self.is_lost:
            return
        if self._claimed is None:
            self._hear_claim(outcomes[0])
            return
        for outcome in outcomes:
            self._claimed.take_ack(outcome)
        self._follow_acks()

    def _hear_claim(self, outcome: Outcome) -> None:
        if not isinstance(outcome, int):
            self.lose(outcome)
            return
        handler = self.handler
        self._claim_acked_boot_ms = handler.boot_ms
        self._claimed = ClaimedWriter(
            claim_id=self.claim_id, epoch=outcome, append_deadline_ms=APPEND_DEADLINE_MS
        )
        self._takeover.begin_claim(self.claim_id, outcome)
        handler.scheduler.after(self._draw_read_ms(), handler, self._read_journal)

    def _draw_read_ms(self) -> int:
        return 1 + int(self.simulation.random.random() * 2 * self.simulation.log.delay_max_ms)

    def _read_journal(self) -> None:
        """Read up to the claim, in one or two parts."""
        if self.is_lost:
            return
        takeover, journal, handler = self._takeover, self._journal, self.handler
        end = journal.end
        if self.simulation.random.random() < 0.2:
            end = min(end, takeover.next_offset + 20)
        takeover.feed(journal.read(takeover.next_offset, end))
        if not takeover.is_done:
            handler.scheduler.after(self._draw_read_ms(), handler, self._read_journal)
            return
        try:
            takeover.check_claim()
        except AppendUnknown as fault:
            self.lose(fault)
            return
        self._wait_for_registry()

    def _wait_for_registry(self) -> None:
        """Decide only once the view knows what the journal knew, and the end after the claim."""
        if self.is_lost:
            return
        handler = self.handler
        follower = handler.follower
        if (
            follower.view.position >= self.book.registry_position
            and follower.confirmed_boot_ms >= self._claim_acked_boot_ms
        ):
            self._serve()
        else:
            handler.scheduler.after(REGISTRY_POLL_MS, handler, self._wait_for_registry)

    def _serve(self) -> None:
        handler, simulation = self.handler, self.simulation
        self.partition = partition = Partition(
            index=self.index,
            claim_id=self.claim_id,
            settings=simulation.settings,
            book=self.book,
            registry=handler.follower.view,
            keys=simulation.world.keys,
            load_dialect=load_dialect,
        )
        self.served_boot_ms = handler.boot_ms
        simulation.note_served(handler, self.index, self.claim_id)
        now = handler.read_clock()
        partition.on_registry_confirmed(handler.follower.confirmed_boot_ms)
        partition.on_claimed(self._claimed.next_offset, self._claim_acked_boot_ms, now)
        self.feed(partial(partition.on_links, handler.links.links_up, frozenset(), now))
        self._inbound.readers[handler] = self._plan_reading
        self._plan_reading()

    # -- the machine

    def feed(self, take) -> None:
        """Give the machine an input and do what it asks for."""
        if self.is_lost or self.handler.state == DEAD:
            return
        take()
        self._actions.extend(self.partition.take_actions())
        self._work()

    def _work(self) -> None:
        """Carry out what was asked for, in order; the process may stop before or after any."""
        handler = self.handler
        if self._is_working or self.is_lost or handler.state != RUNNING:
            return
        self._is_working = True
        actions, is_struck = self._actions, self.simulation.is_struck_at_step
        while actions and not self.is_lost:
            if is_struck(handler):
                if handler.state != DEAD:  # paused: what is left is done on waking
                    handler.scheduler.after(0, handler, self._work)
                self._is_working = False
                return
            self._carry_out(actions.popleft())
        self._is_working = False
        if not self.is_lost:
            self._plan_wake()
            self._check_drained()

    def _carry_out(self, action) -> None:
        if isinstance(action, AppendRecord):
            self._append(action.record)
        elif isinstance(action, SendUpstream):
            self._send_upstream(action)
        elif isinstance(action, ReadOriginal):
            handler = self.handler
            handler.scheduler.after(self._draw_read_ms(), handler, self._read_original, action.rrn)
        elif isinstance(action, SendReply):
            reply = action.reply
            self.simulation.witness.answered(self.handler, reply)
            self.simulation.send_reply(reply.gateway, encode_reply(reply))

    def _append(self, record) -> None:
        handler, claimed = self.handler, self._claimed
        if claimed.failure is not None:
            return
        claimed.note_append(self._on_told, handler.boot_ms)
        self._writer.append(encode_record(record))
        if not self._deadline_due:
            self._plan_deadline()

    def _read_original(self, rrn: str) -> None:
        """Read a payment back from where its RRN says, under the void rule; or fail to."""
        if self.is_lost:
            return
        simulation, partition = self.simulation, self.partition
        simulation.note_fault("original-read", rrn)
        now = self.handler.read_clock()
        if simulation.is_stormy and simulation.random.random() < UNREADABLE_RATE:
            self.feed(partial(partition.on_original, rrn, None, "the log is away", now))
            return
        recollection = Recollection(rrn)
        _, start = parse_rrn(rrn)
        for offset, value in self._journal.read(start, self._claimed.next_offset):
            record = simulation.decode_record(value)
            is_valid = record.claim_id == self._takeover.claims.in_force_at(offset)
            if is_valid and recollection.feed(record):
                break
        self.feed(partial(partition.on_original, rrn, recollection.payment, "", now))

    def _send_upstream(self, action: SendUpstream) -> None:
        """Look at the clock directly before the socket write (docs/design.md 3, send window)."""
        handler = self.handler
        late = action.send_before_boot_ms and handler.boot_ms > action.send_before_boot_ms
        sent = not late and handler.links.send(action.request)
        if not sent and action.send_before_boot_ms:
            partition = self.partition
            partition.on_not_sent(action.request.match.rrn, handler.read_clock())
            self._actions.extend(partition.take_actions())

    # -- acks

    def _follow_acks(self) -> None:
        """Tell the machine of acks that count; begin to read a gap that has shown up."""
        claimed = self._claimed
        told = claimed.take_told()
        if told:
            now = self.handler.read_clock()
            self._acked_count = 0
            for sink, outcome in told:
                sink(outcome)
            count = self._acked_count
            if count and not self.is_lost:
                self.feed(partial(self._take_acks, count, now))
                self.simulation.snapshots.note_acked(self)
        if claimed.failure is not None:
            self.lose(claimed.failure)
        elif claimed.gap_end is not None and not self._is_reading_gap:
            self._is_reading_gap = True
            handler = self.handler
            handler.scheduler.after(self._draw_read_ms(), handler, self._read_gap)

    def _on_told(self, outcome) -> None:
        if isinstance(outcome, int):
            self._acked_count += 1
        else:
            self.lose(outcome)

    def _take_acks(self, count: int, now) -> None:
        on_appended = self.partition.on_appended
        for _ in range(count):
            on_appended(now)

    def _read_gap(self) -> None:
        self._is_reading_gap = False
        claimed = self._claimed
        if self.is_lost or claimed.gap_end is None:
            return
        records = self._journal.read(claimed.next_offset, claimed.gap_end)
        decode = self.simulation.decode_record
        claimed.take_gap(decode(stored.value) for stored in records)
        claimed.end_gap()
        self.simulation.note_fault("gap-read", self._journal.name)
        self.simulation.snapshots.forget(self)
        self._follow_acks()

    def _plan_deadline(self) -> None:
        deadline = self._claimed.deadline_boot_ms()
        self._deadline_due = 0
        if deadline is not None:
            handler = self.handler
            self._deadline_due = deadline - handler.boot_offset_ms
            handler.scheduler.at(self._deadline_due, handler, self._check_deadline)

    def _check_deadline(self) -> None:
        if self.is_lost:
            return
        self._claimed.check_time(self.handler.boot_ms)
        self._follow_acks()
        if not self.is_lost:
            self._plan_deadline()

    # -- inbound and time

    def _plan_reading(self) -> None:
        handler = self.handler
        now = handler.scheduler.now
        if self._reading_due <= now and not self.is_lost:
            delay = 1 + int(self.simulation.random.random() * handler.read_delay_ms)
            self._reading_due = now + delay
            handler.scheduler.at(self._reading_due, handler, self._read_inbound)

    def _read_inbound(self) -> None:
        if self.is_lost or self._drains_until is not None:
            return
        self._reading_due = 0
        partition, inbound = self.partition, self._inbound
        start = partition.next_inbound_offset
        records = inbound.read(start, min(inbound.end, start + READ_COUNT_MAX))
        if not records:
            return
        partition.on_registry_confirmed(self.handler.follower.confirmed_boot_ms)
        now = self.handler.read_clock()
        self.feed(partial(self._take_inbound, records, now))
        if not self.is_lost and partition.next_inbound_offset < inbound.end:
            self._plan_reading()

    def _take_inbound(self, records, now) -> None:
        on_inbound = self.partition.on_inbound
        for offset, value in records:
            on_inbound(offset, decode_request(value), now)

    def _plan_wake(self) -> None:
        """Come at the first of the shell's ticks after something has fallen due, at no other."""
        handler = self.handler
        now, planned = handler.scheduler.now, self._wake_due
        if now < planned <= now + TICK_MS:
            return
        due = max(self.partition.next_wake_ms() - handler.boot_offset_ms, now)
        if planned <= now or due < planned - TICK_MS:
            self._wake_due = due + 1 + int(self.simulation.random.random() * TICK_MS)
            handler.scheduler.at(self._wake_due, handler, self._on_tick)

    def _on_tick(self) -> None:
        """Wake the machine if something is due, else come again when it is."""
        if self.is_lost:
            return
        handler, partition = self.handler, self.partition
        if partition.next_wake_ms() <= handler.boot_ms:
            partition.on_registry_confirmed(handler.follower.confirmed_boot_ms)
            self.feed(partial(partition.on_time, handler.read_clock()))
        else:
            self._plan_wake()

    # -- the end

    def drain(self) -> None:
        """Read nothing new; release once no routed payment waits, or when time is up."""
        if self.partition is None or self.is_lost:
            self.lose(None)
            return
        if self._drains_until is None:
            handler = self.handler
            self._drains_until = handler.boot_ms + DRAIN_MS
            handler.scheduler.after(DRAIN_MS, handler, self._check_drained)
            self._check_drained()

    def resume(self) -> None:
        """Be proposed again before the release: go on as if nothing had been."""
        if self._drains_until is not None and not self._is_released and not self.is_lost:
            self._drains_until = None
            self.simulation.note_fault("drain-resumed", self.handler.name)
            self._plan_reading()

    def _check_drained(self) -> None:
        if self._drains_until is None or self.is_lost or self._is_working:
            return
        handler, partition = self.handler, self.partition
        if not self._is_released:
            if partition.routed_count and handler.boot_ms < self._drains_until:
                return
            self._is_released = True
            self.feed(partial(partition.release, handler.incarnation, handler.read_clock()))
        if not partition.unacknowledged_count and not self.is_lost:
            self.lose(None)

    def lose(self, why: Exception | None) -> None:
        """Act on nothing any more."""
        if self.is_lost:
            return
        self.is_lost = True
        handler = self.handler
        if self._inbound.readers.get(handler) == self._plan_reading:
            del self._inbound.readers[handler]
        self._writer.cut(lands_late=True)
        handler.lost(self, why)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is open here and everything was read."""
        partition = self.partition
        return (
            partition is not None
            and not partition.open_count
            and not partition.unacknowledged_count
            and partition.next_inbound_offset >= self._inbound.end
            and self.handler.state == RUNNING
        )

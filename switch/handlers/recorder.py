"""Decisions on their way to the journal: folded at once, acted upon when they are durable."""

from collections import OrderedDict, deque

import msgspec

from switch.domain.clock import Now
from switch.domain.payment.events import RepeatAttempted, ReversalAttempted
from switch.eventlog.inbound import Reply
from switch.eventlog.journal import JournalEvent, JournalRecord, PositionNoted
from switch.handlers.actions import Action, AppendRecord, SendReply
from switch.handlers.book import PartitionBook


class Effects(msgspec.Struct, gc=False):
    """What may be done once a record is durable."""

    actions: list[Action]
    inbound_offset: int
    debit_rrn: str = ""
    send_before_boot_ms: int = 0
    secrets: dict[str, str | bytes] = {}
    attempted: ReversalAttempted | RepeatAttempted | None = None

    def reply(self, reply: Reply | None) -> None:
        """Let an answer go once the record is durable; there is none where nobody can be told."""
        if reply is not None:
            self.actions.append(SendReply(reply))


class Recorder:
    """
    The journal end of a partition: what was decided, what of it is durable, what is to be done.

    `next_offset` is the offset that the next record must get; the RRN of a payment is made of it.
    """

    def __init__(self, claim_id: str, book: PartitionBook) -> None:
        self._claim_id = claim_id
        self._book = book
        self._effects: deque[Effects] = deque()
        # read, its record not yet acknowledged; the first is asked for twice a payment, and only
        # an ordered dict finds it without walking over all that were taken out before it
        self._inbound_pending: OrderedDict[int, None] = OrderedDict()
        self._inbound_held: set[int] = set()  # of these: they wait for an original to be read
        self._noted_watermark = book.watermark
        self.next_offset = 0
        self.next_inbound = book.watermark
        self.registry_position = 0
        self.actions: list[Action] = []

    @property
    def unacknowledged_count(self) -> int:
        """Records not yet acknowledged."""
        return len(self._effects)

    def begin_inbound(self, offset: int) -> int:
        """Note that an inbound record was read; return a mark for `end_inbound`."""
        self.next_inbound = offset + 1
        self._inbound_pending[offset] = None
        return len(self._effects)

    def end_inbound(self, offset: int, mark: int) -> None:
        """Note that its decision is made; one that needed no record is done with."""
        if len(self._effects) == mark and offset not in self._inbound_held:
            self._inbound_pending.pop(offset, None)

    def hold_inbound(self, offset: int) -> None:
        """Note that an inbound record waits for something to be read before it is decided."""
        self._inbound_held.add(offset)

    def begin_inbound_again(self, offset: int) -> int:
        """Go on with an inbound record that was held; return a mark for `end_inbound`."""
        self._inbound_held.discard(offset)
        return len(self._effects)

    def append(
        self, events: tuple[JournalEvent, ...], now: Now, inbound_offset: int = -1
    ) -> Effects:
        """Write one decision as one record; its effects wait in what is returned."""
        record = JournalRecord(
            claim_id=self._claim_id,
            at=now.wall_ms,
            watermark=self.watermark(),
            registry_position=self.registry_position,
            events=events,
            inbound_offset=inbound_offset,
        )
        self._book.apply(record)
        self.next_offset += 1
        effects = Effects([], inbound_offset)
        self._effects.append(effects)
        self.actions.append(AppendRecord(record))
        return effects

    def say(self, reply: Reply | None) -> None:
        """
        Let an answer go that needs no record of its own.

        It may rest on any decision folded so far, so it waits until all of them are durable.
        """
        if reply is None:
            return
        if self._effects:
            self._effects[-1].reply(reply)
        else:
            self.actions.append(SendReply(reply))

    def acknowledge(self) -> Effects:
        """Take the acknowledgement of the oldest record; release what waited for it."""
        effects = self._effects.popleft()
        self._inbound_pending.pop(effects.inbound_offset, None)
        self.actions.extend(effects.actions)
        return effects

    def list_waiting_debits(self) -> set[str]:
        """Find the debits whose record is not yet acknowledged: certainly not sent."""
        return {effects.debit_rrn for effects in self._effects if effects.debit_rrn}

    def watermark(self) -> int:
        """Find the inbound offset below which all is decided and durable, or needed nothing."""
        return next(iter(self._inbound_pending), self.next_inbound)

    def note_position(self, now: Now) -> None:
        """Let a partition that only answers repeats note how far it has read."""
        watermark = self.watermark()
        if watermark > max(self._book.watermark, self._noted_watermark):
            self._noted_watermark = watermark
            self.append((PositionNoted(at=now.wall_ms),), now)

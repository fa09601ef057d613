"""
The writer's end of a claimed log, without I/O: which appends may be acted on, and from when.

Fed with what was appended, what the log acknowledged and what lies in a gap; asked for those who
may be told. Its shell moves the bytes (`switch/adapters/owned_journal.py`).
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from switch.eventlog.append_check import AppendVerdict, check_append, count_strays
from switch.eventlog.journal_reader import ClaimedRecord
from switch.eventlog.port import AppendRefused, AppendUnknown, Fenced

AppendFault = Fenced | AppendRefused | AppendUnknown
OwnedSink = Callable[[int | AppendFault], None]


class Told(NamedTuple):
    """One who appended, and what became of it: the record's offset, or why nothing may follow."""

    sink: OwnedSink
    outcome: int | AppendFault


class ClaimedWriter:
    """
    Appends under one claim (docs/design.md 3, append check).

    A record counts only once all earlier ones are acked and nothing foreign lies before it. From
    the first failure on every outstanding record has failed with it, and nothing more is heard.
    """

    def __init__(self, *, claim_id: str, epoch: int, append_deadline_ms: int) -> None:
        self.claim_id = claim_id
        self.epoch = epoch  # offset of the claim
        self.next_offset = epoch + 1  # what the next record to be acked must get
        self.gap_end: int | None = None  # own offset up to which the log must be read now
        self.failure: AppendFault | None = None
        self.void_count = 0
        self._append_deadline_ms = append_deadline_ms
        self._outstanding: deque[tuple[OwnedSink, int]] = deque()  # sink, boot_ms of the append
        self._held: deque[int] = deque()  # acks that came while a gap is being read
        self._told: list[Told] = []

    @property
    def next_append_offset(self) -> int:
        """The offset that a record appended now will get if nothing foreign comes between."""
        return self.next_offset + len(self._outstanding)

    def take_told(self) -> list[Told]:
        """Hand out who is to be told of what, in order, and forget it."""
        told, self._told = self._told, []
        return told

    def deadline_boot_ms(self) -> int | None:
        """Say by when the oldest outstanding record must be acked; None if there is none."""
        return self._outstanding[0][1] + self._append_deadline_ms if self._outstanding else None

    def note_append(self, sink: OwnedSink, boot_ms: int) -> None:
        """Note that a record is appended now; not to be called after a failure."""
        assert self.failure is None, "after a failure nothing more is appended"
        self._outstanding.append((sink, boot_ms))

    def take_ack(self, outcome: int | AppendRefused | AppendUnknown) -> None:
        """Take the log's word on the oldest record that has none yet."""
        if self.failure is not None:
            return
        if not isinstance(outcome, int):
            self.fail(outcome)
        elif self.gap_end is not None:
            self._held.append(outcome)
        else:
            self._take_offset(outcome)

    def take_gap(self, records: Iterable[ClaimedRecord]) -> None:
        """Judge records of the gap, in order, in as many parts as they are read in."""
        try:
            self.void_count += count_strays(records, self.claim_id)
        except (Fenced, AppendUnknown) as fault:
            self.fail(fault)
        except Exception as fault:  # noqa: BLE001 - undecodable: act on nothing after it
            self.fail(AppendUnknown(f"what came before an own record cannot be judged: {fault}"))

    def end_gap(self) -> None:
        """Go on with the acks that waited: the gap was read up to its end."""
        if self.failure is not None or self.gap_end is None:
            return
        self.next_offset, self.gap_end = self.gap_end, None
        while self._held and self._is_hearing():
            self._take_offset(self._held.popleft())

    def check_time(self, boot_ms: int) -> None:
        """Fail if the oldest outstanding record is past its deadline."""
        deadline = self.deadline_boot_ms()
        if deadline is not None and deadline <= boot_ms:
            self.fail(AppendUnknown(f"no ack within {self._append_deadline_ms} ms"))

    def fail(self, fault: AppendFault) -> None:
        """Let every outstanding record fail; the first failure stays the only one."""
        if self.failure is not None:
            return
        self.failure = fault
        self._held.clear()
        self._told += [Told(sink, fault) for sink, _ in self._outstanding]
        self._outstanding.clear()

    def _is_hearing(self) -> bool:
        return self.failure is None and self.gap_end is None

    def _take_offset(self, offset: int) -> None:
        match check_append(self.next_offset, offset):
            case AppendVerdict.CONTIGUOUS:
                self.next_offset = offset + 1
                sink, _ = self._outstanding.popleft()
                self._told.append(Told(sink, offset))
            case AppendVerdict.GAP:
                self._held.append(offset)
                self.gap_end = offset
            case AppendVerdict.BACKWARDS:
                self.fail(
                    AppendUnknown(f"got offset {offset} where {self.next_offset} had to come")
                )

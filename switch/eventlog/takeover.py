"""
Taking a claimed log over, without I/O: fold it first, know when to claim, end at the own claim.

Who is *proposed* as an owner is said elsewhere (a consumer group, an ordinal); that alone takes
nothing from anybody (docs/adr/0022-a-consumer-group-only-proposes.md). A mistake in here costs
time, never money: what a writer may act on is decided by the journal's order alone.
"""

import enum
from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple

from switch.eventlog.journal import PartitionClaimed, PartitionReleased
from switch.eventlog.journal_place import JOURNAL_START, Claims, JournalPlace
from switch.eventlog.journal_reader import RecordReader, RecordT
from switch.eventlog.port import AppendUnknown, StoredRecord


class Takeover(Generic[RecordT]):
    """
    Folds a log while somebody else may still write it, and up to one's own claim after that.

    `on_record` gets offset and record of every valid one, in order; one's own claim is the last.
    Raises whatever `decode` raises: a record that cannot be read ends the take-over.
    """

    def __init__(
        self,
        decode: Callable[[bytes], RecordT],
        *,
        on_record: Callable[[int, RecordT], None],
        place: JournalPlace = JOURNAL_START,
    ) -> None:
        """Go on from `place`; what `on_record` feeds must stand there too."""
        self.owner = ""  # of the claim in force; empty: there is none, or it was not read
        self.claimed_at = 0  # when it was made, epoch milliseconds by its owner's clock
        self.is_released = False
        self.claims = Claims(place.claims)  # goes on growing: for readers from the middle
        self._decode = decode
        self._on_record = on_record
        self._reader = RecordReader(decode, place)
        self._own: tuple[str, int] | None = None  # claim id and offset, once acked
        self._is_past_claim = False

    @property
    def next_offset(self) -> int:
        """Where to read on."""
        return self._reader.next_offset

    @property
    def claim_id(self) -> str:
        """The claim in force; empty before the first."""
        return self._reader.claim_id

    @property
    def epoch(self) -> int:
        """The offset of the claim in force, -1 before the first."""
        return self._reader.epoch

    @property
    def void_count(self) -> int:
        """Void records so far."""
        return self._reader.void_count

    @property
    def lacks_owner(self) -> bool:
        """Whether the claim in force lies before the place it began from: see `note_owner`."""
        return self.epoch >= 0 and not self.owner

    def note_owner(self, value: bytes) -> None:
        """Learn from the record at `epoch` who made the claim in force."""
        record = self._decode(value)
        claimed = record.events[0] if record.events else None
        if isinstance(claimed, PartitionClaimed) and claimed.claim_id == self.claim_id:
            self.owner, self.claimed_at = claimed.owner, claimed.at

    def place(self) -> JournalPlace:
        """Return where this stands, for a snapshot of what was folded."""
        return JournalPlace(
            next_offset=self.next_offset,
            claim_id=self.claim_id,
            epoch=self.epoch,
            void_count=self.void_count,
            claims=self.claims.list(),
        )

    def begin_claim(self, claim_id: str, epoch: int) -> None:
        """End at one's own claim, which was acked at offset `epoch`."""
        self._own = claim_id, epoch

    @property
    def is_done(self) -> bool:
        """Whether everything up to one's own claim was read."""
        return self._own is not None and (self._is_past_claim or self.next_offset > self._own[1])

    def feed(self, records: Iterable[StoredRecord]) -> None:
        """Take the next records, in order; what lies behind one's own claim is not looked at."""
        end = self._own[1] if self._own is not None else None
        for offset, value in records:
            if end is not None and offset > end:
                self._is_past_claim = True
                return
            record = self._reader.feed(offset, value)
            if record is not None:
                if record.events:
                    self._note(offset, record.events[0])
                self._on_record(offset, record)

    def _note(self, offset: int, event: object) -> None:
        kind = type(event)
        if kind is PartitionClaimed:
            assert isinstance(event, PartitionClaimed)
            self.claims.note(offset, event.claim_id)
            self.owner, self.claimed_at, self.is_released = event.owner, event.at, False
        elif kind is PartitionReleased:
            self.is_released = True

    def check_claim(self) -> None:
        """
        Make sure, once all was read, that one's own claim is the one in force.

        Raises:
            AppendUnknown: the claim is not where its ack said.
        """
        if self._own != (self.claim_id, self.epoch):
            epoch = self._own[1] if self._own else -1
            raise AppendUnknown(f"the claim was acked at offset {epoch}, but is not there")


class ClaimReason(enum.Enum):
    """Why a log that one is proposed for may be claimed now."""

    NEVER_CLAIMED = "never claimed"
    RELEASED = "released"
    OWN = "own claim"
    NOBODY_WAITED_FOR = "proposed for good"  # ordinals: whoever had it is not to have it
    OWNER_GONE = "its owner is gone"
    OVERDUE = "its owner had its time"


class ClaimPace(NamedTuple):
    """How patient one is, in milliseconds of one's own boot-time clock."""

    waits_for_members: bool  # false: there is no membership to be lost (static ordinals)
    absence_ms: int  # an owner must be missing from the members for so long: it may be rejoining
    deadline_ms: int  # from the proposal on: the longest drain and a margin


class ClaimRule:
    """
    Says when one may claim what one was proposed for at `since_boot_ms`; fed with the members.

    A membership that cannot be told makes nobody claim before the deadline. After it, who is known
    to be a member claims; who is not (it may have been proposed to others long ago) takes nothing
    from an owner that works, only what has stood still for the deadline.
    """

    def __init__(self, *, owner: str, pace: ClaimPace, since_boot_ms: int) -> None:
        self._owner = owner
        self._pace = pace
        self._since_boot_ms = since_boot_ms
        self._looked_boot_ms = since_boot_ms  # when one looked first: the log was folded until then
        self._absent_owner = ""
        self._absent_since_boot_ms = 0
        self._absent_until_boot_ms = 0  # as last seen
        self._is_member = False  # as last told
        self._valid_count = -1  # of the log's records, as last seen
        self._moved_boot_ms = since_boot_ms  # when one more was seen, or the first look taken

    def note_members(
        self, found: Takeover[RecordT], members: frozenset[str] | None, boot_ms: int
    ) -> None:
        """Take who was a member at `boot_ms`, None if it could not be told."""
        if boot_ms < self._looked_boot_ms:
            return  # old news: whoever was missing before the proposal may be draining now
        self._is_member = members is not None and self._owner in members
        if members is None or not self._is_member or found.owner in members:
            self._absent_owner = ""  # who is not a member itself knows nothing of others
            return
        if self._absent_owner != found.owner:
            self._absent_owner = found.owner
            self._absent_since_boot_ms = boot_ms
        self._absent_until_boot_ms = boot_ms

    def find_reason(self, found: Takeover[RecordT], boot_ms: int) -> ClaimReason | None:
        """Return why one may claim now, None while one must wait; to be asked again and again."""
        self._note_progress(found, boot_ms)
        if found.epoch < 0:
            return ClaimReason.NEVER_CLAIMED
        if found.is_released:
            return ClaimReason.RELEASED
        if found.owner == self._owner:
            return ClaimReason.OWN
        if not self._pace.waits_for_members:
            return ClaimReason.NOBODY_WAITED_FOR
        absent_ms = self._absent_until_boot_ms - self._absent_since_boot_ms
        is_absent = bool(found.owner) and found.owner == self._absent_owner
        if is_absent and absent_ms >= self._pace.absence_ms:
            return ClaimReason.OWNER_GONE
        # a proposal that nobody can confirm is as good as one's last membership
        waiting_since = self._since_boot_ms if self._is_member else self._moved_boot_ms
        if boot_ms - waiting_since >= self._pace.deadline_ms:
            return ClaimReason.OVERDUE
        return None

    def _note_progress(self, found: Takeover[RecordT], boot_ms: int) -> None:
        """See whether the owner works; void records are somebody else's."""
        valid_count = found.next_offset - found.void_count
        if self._valid_count < 0:
            self._looked_boot_ms = boot_ms
        if self._valid_count != valid_count:  # also at first: nobody looked while it was folded
            self._moved_boot_ms = boot_ms
        self._valid_count = valid_count


class BackOff:
    """
    How long to wait before claiming again what was lost: longer from loss to loss.

    Two that fight over a log do not keep each other from it for ever: whoever had it for
    `settled_ms` begins with the short delay again, while the other's has grown.
    """

    def __init__(self, *, first_ms: int, max_ms: int, growth: int, settled_ms: int) -> None:
        self._first_ms = first_ms
        self._growth = growth
        self._max_ms = max_ms
        self._settled_ms = settled_ms
        self._delay_ms = first_ms

    def take_loss(self, served_ms: int, luck: float) -> int:
        """
        Take note of a loss after so long; return the delay until the next attempt, in ms.

        `luck` is drawn by the caller, from 0 to 1: the delay is half as long or longer by half.
        """
        if served_ms >= self._settled_ms:
            self._delay_ms = self._first_ms
        delay_ms = self._delay_ms
        self._delay_ms = min(delay_ms * self._growth, self._max_ms)
        return int(delay_ms * (0.5 + luck))

"""The void rule, in the one place where every reader of a claimed log finds it."""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from switch.eventlog.journal import JournalRecord, PartitionClaimed, decode_record
from switch.eventlog.journal_place import JOURNAL_START, JournalPlace


class ClaimedRecord(Protocol):
    """What the void rule must know of a record: who wrote it, and whether it is a claim."""

    @property
    def claim_id(self) -> str:
        """The writer's claim."""
        ...

    @property
    def events(self) -> Sequence[object]:
        """What was decided; a `PartitionClaimed` as the first makes the record a claim."""
        ...


RecordT = TypeVar("RecordT", bound=ClaimedRecord)


def is_claim(record: ClaimedRecord) -> bool:
    """Say whether the record takes its partition for a new writer."""
    return bool(record.events) and isinstance(record.events[0], PartitionClaimed)


class RecordReader(Generic[RecordT]):
    """
    Reads one partition, from its first record or from a place read to before; drops what is void.

    A record is valid only if its claim id is that of the latest claim before it. Raises whatever
    `decode` raises: a record that cannot be read stops the reader.
    """

    def __init__(
        self, decode: Callable[[bytes], RecordT], place: JournalPlace = JOURNAL_START
    ) -> None:
        self._decode = decode
        self.claim_id = place.claim_id
        self.epoch = place.epoch  # offset of the claim in force, -1 before the first
        self.next_offset = place.next_offset
        self.void_count = place.void_count
        self.last_was_void = False

    def feed(self, offset: int, value: bytes) -> RecordT | None:
        """Take the next record; return it if it is valid, None if it is void."""
        assert offset >= self.next_offset, "records must be fed in order, once"
        record = self._decode(value)
        self.next_offset = offset + 1
        if is_claim(record):
            self.claim_id = record.claim_id
            self.epoch = offset
        elif self.epoch < 0 or record.claim_id != self.claim_id:
            self.void_count += 1
            self.last_was_void = True
            return None
        self.last_was_void = False
        return record


class JournalReader(RecordReader[JournalRecord]):
    """The void rule over a partition of the journal."""

    def __init__(self, place: JournalPlace = JOURNAL_START) -> None:
        super().__init__(decode_record, place)

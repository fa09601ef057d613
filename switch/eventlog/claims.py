"""Claiming a log, without I/O: the claim record, and the fold of everything up to it."""

from collections.abc import Callable, Iterable
from typing import Final, Generic, NamedTuple

from switch.eventlog.journal import (
    JournalRecord,
    PartitionClaimed,
    decode_record,
    encode_record,
)
from switch.eventlog.journal_reader import RecordReader, RecordT
from switch.eventlog.port import AppendUnknown, StoredRecord


class RecordFormat(NamedTuple, Generic[RecordT]):
    """How the records of a claimed log are written, read and claimed with."""

    encode: Callable[[RecordT], bytes]
    decode: Callable[[bytes], RecordT]
    make_claim: Callable[[str, str, int], RecordT]  # owner, claim id, wall clock in ms


def _make_journal_claim(owner: str, claim_id: str, at: int) -> JournalRecord:
    claimed = PartitionClaimed(owner=owner, claim_id=claim_id, at=at)
    return JournalRecord(
        claim_id=claim_id, at=at, watermark=0, registry_position=0, events=(claimed,)
    )


JOURNAL_FORMAT: Final = RecordFormat(encode_record, decode_record, _make_journal_claim)


class ClaimFold(Generic[RecordT]):
    """
    Reads a log from its first record up to one's own claim, and tells of every valid record.

    The claim itself is the last record told of.
    """

    def __init__(
        self,
        decode: Callable[[bytes], RecordT],
        *,
        claim_id: str,
        epoch: int,
        on_record: Callable[[int, RecordT], None],
    ) -> None:
        """Begin at the start; `epoch` is the offset that the claim was acked at."""
        self._reader = RecordReader(decode)
        self._claim_id = claim_id
        self._epoch = epoch
        self._on_record = on_record
        self._is_past_claim = False

    @property
    def next_offset(self) -> int:
        """Where to read on."""
        return self._reader.next_offset

    @property
    def is_done(self) -> bool:
        """Whether everything up to the claim was read."""
        return self._is_past_claim or self._reader.next_offset > self._epoch

    def feed(self, records: Iterable[StoredRecord]) -> None:
        """Take the next records, in order; what lies behind the claim is not looked at."""
        for offset, value in records:
            if offset > self._epoch:
                self._is_past_claim = True
                return
            record = self._reader.feed(offset, value)
            if record is not None:
                self._on_record(offset, record)

    def count_voids(self) -> int:
        """
        Return how many void records there were, once all was read.

        Raises:
            AppendUnknown: the claim is not where its ack said.
        """
        if self._reader.epoch != self._epoch or self._reader.claim_id != self._claim_id:
            raise AppendUnknown(f"the claim was acked at offset {self._epoch}, but is not there")
        return self._reader.void_count

"""Turns raw journal records into rows and a new position: the same for live and rebuild."""

from collections.abc import Sequence

from projections.catalogue import Batch
from projections.position import Place, Position, resume_reader
from switch.eventlog.journal import UnknownEvent, decode_record
from switch.eventlog.journal_reader import JournalReader
from switch.eventlog.port import StoredRecord


class RecordUnreadable(Exception):
    """
    A record that this program does not know; everything before it is in the batch.

    `position` is the position of that record.
    """

    def __init__(self, position: Position, cause: UnknownEvent) -> None:
        super().__init__(
            f"partition {position.partition} offset {position.next_offset}: {cause}; a newer "
            "program wrote it, start that version"
        )
        self.position = position


def add_records(batch: Batch, position: Position, records: Sequence[StoredRecord]) -> Position:
    """
    Add the records of one partition to a batch; return the position after them.

    Raises:
        RecordUnreadable: an unknown event; what came before it can be written.
    """
    reader = resume_reader(position)
    at_ms, record_count = position.at_ms, position.record_count
    for offset, value in records:
        try:
            record = reader.feed(offset, value)
        except UnknownEvent as error:
            here = _note_position(reader, position, offset, record_count, at_ms)
            raise RecordUnreadable(here, error) from error
        record_count += 1
        if record is not None:
            at_ms = record.at
        place = Place(position.partition, offset, reader.epoch, record is None)
        try:
            batch.add(record or decode_record(value), place)
        except Exception as error:
            error.add_note(f"at partition {place.partition} offset {place.offset}")
            raise
    return _note_position(reader, position, reader.next_offset, record_count, at_ms)


def _note_position(
    reader: JournalReader, before: Position, next_offset: int, record_count: int, at_ms: int
) -> Position:
    return Position(
        partition=before.partition,
        next_offset=next_offset,
        generation=before.generation,
        claim_id=reader.claim_id,
        epoch=reader.epoch,
        record_count=record_count,
        void_count=reader.void_count,
        at_ms=at_ms,
    )

"""A claim, and how the records of a claimed log are written, read and claimed with."""

from collections.abc import Callable
from typing import Final, Generic, NamedTuple

from switch.eventlog.journal import (
    JournalRecord,
    PartitionClaimed,
    decode_record,
    encode_record,
)
from switch.eventlog.journal_reader import RecordT


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

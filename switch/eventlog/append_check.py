"""
The append check: an ack counts only once nothing foreign can lie before it (docs/design.md 3).

A writer knows the offset that its next record must get. A higher one means that others wrote in
between: the gap is read before anything is acted on. A lower one means that the log forgot.
"""

import enum
from collections.abc import Iterable

from switch.eventlog.journal_reader import ClaimedRecord, is_claim
from switch.eventlog.port import AppendUnknown, Fenced


class AppendVerdict(enum.Enum):
    """What the offset of an ack says about the records before it."""

    CONTIGUOUS = "contiguous"
    GAP = "gap"
    BACKWARDS = "backwards"


def check_append(expected_offset: int, acked_offset: int) -> AppendVerdict:
    """Compare the offset that a record got with the one it must get."""
    if acked_offset == expected_offset:
        return AppendVerdict.CONTIGUOUS
    return AppendVerdict.GAP if acked_offset > expected_offset else AppendVerdict.BACKWARDS


def count_strays(records: Iterable[ClaimedRecord], own_claim_id: str) -> int:
    """
    Judge the records found in a gap before an own record; return how many void strays it held.

    Raises:
        Fenced: another writer has claimed the partition; all that we wrote after it is void.
        AppendUnknown: a record of ours landed that we know nothing of, and readers take it for
            valid; only a new claim tells what is true.
    """
    stray_count = 0
    for record in records:
        if record.claim_id == own_claim_id:
            raise AppendUnknown("a record of this claim landed twice or out of order")
        if is_claim(record):
            raise Fenced(f"claimed by another writer, claim {record.claim_id}")
        stray_count += 1
    return stray_count

"""Where a reader of a claimed log stands, and which claims it has passed."""

import bisect
from collections.abc import Iterable
from typing import Final

import msgspec


class Claims:
    """The claims of one partition, by offset: what the void rule needs to read from the middle."""

    def __init__(self, noted: Iterable[tuple[int, str]] = ()) -> None:
        """Begin with claims noted before, in the order of the journal."""
        self._offsets: list[int] = []
        self._claim_ids: list[str] = []
        for offset, claim_id in noted:
            self.note(offset, claim_id)

    def note(self, offset: int, claim_id: str) -> None:
        """Take the next claim, in the order of the journal."""
        self._offsets.append(offset)
        self._claim_ids.append(claim_id)

    def in_force_at(self, offset: int) -> str:
        """Return the claim id that a valid record at this offset carries."""
        place = bisect.bisect_right(self._offsets, offset)
        return self._claim_ids[place - 1] if place else ""

    def list(self) -> tuple[tuple[int, str], ...]:
        """Return offset and claim id of each, in the order of the journal."""
        return tuple(zip(self._offsets, self._claim_ids, strict=True))


class JournalPlace(msgspec.Struct, frozen=True, kw_only=True):
    """
    How far a partition of the journal was read, and what the void rule needs to read on.

    `next_offset` is the first offset not read. `epoch` is the offset of the claim in force (-1:
    there was none), `claim_id` its id; `claims` are all claims passed, oldest first.
    """

    next_offset: int = 0
    claim_id: str = ""
    epoch: int = -1
    void_count: int = 0
    claims: tuple[tuple[int, str], ...] = ()


JOURNAL_START: Final = JournalPlace()

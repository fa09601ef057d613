"""What a terminal has said of itself: signed on or off, its batches, its working keys."""

from typing import Final

import msgspec

from switch.domain.payment.requests import Answer
from switch.domain.registry.entities import SealedWorkingKeys
from switch.domain.terminal.requests import BatchTotals, UploadItem


class KeySet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Working keys that a sign-on handed out; `version` tells them apart (from 1 upwards)."""

    version: int
    at: int
    keys: SealedWorkingKeys


class TerminalState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    One terminal as its partition's journal left it; what it never said is as the registry says.

    `is_signed_on` is None until it signs on or off, `batch` empty until a sign-on or a settlement
    sets it. `key_sets`, oldest first: the one that was proven last, then those handed out since;
    older ones verify until a newer one is proven (docs/rules.md 6). `proven_version` is 0 while
    none was: then the registry's own key still counts. `key_version` is the newest set's.
    `sign_on_times` are the last few that made keys, for the bound on them.
    """

    acquirer: str
    merchant_id: str
    terminal_id: str
    is_signed_on: bool | None = None
    batch: str = ""
    key_sets: tuple[KeySet, ...] = ()
    key_version: int = 0
    proven_version: int = 0
    sign_on_times: tuple[int, ...] = ()

    def find_keys(self, version: int) -> SealedWorkingKeys | None:
        """Return the working keys of a version, if they still count."""
        return next((one.keys for one in self.key_sets if one.version == version), None)

    def count_unused(self) -> int:
        """Count the key sets that were handed out and not proven since."""
        return sum(one.version > self.proven_version for one in self.key_sets)

    def find_unused(self, scheme: str) -> KeySet | None:
        """Return the newest key set of a scheme that was handed out and not proven since."""
        for one in reversed(self.key_sets):
            if one.version > self.proven_version and one.keys.scheme == scheme:
                return one
        return None


_NOTHING: Final = BatchTotals()


class OpenBatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    What counts in a batch that its terminal has not closed.

    `day` numbers the clearing day of the last change. `cut_totals` is what the clock had closed
    by then; `due_totals` what it has still to close for `due_day`, which is over (0: nothing).
    """

    totals: BatchTotals = BatchTotals()
    day: int = 0
    cut_totals: BatchTotals = BatchTotals()
    due_day: int = 0
    due_totals: BatchTotals = BatchTotals()

    @property
    def is_settled(self) -> bool:
        """Whether the clock has closed all that is in it."""
        return not self.due_day and self.totals == self.cut_totals

    @property
    def is_empty(self) -> bool:
        """Whether nothing counts in it, nor has for the clock."""
        return self.totals == _NOTHING and self.is_settled


class ClosedBatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    A batch that its terminal has closed, kept for its repeats and its upload.

    `stan` and `fingerprint` are those of the 0500; `answer` is what it was told. `items` are what
    the terminal has uploaded since; dropped when the upload has ended.
    """

    batch: str
    stan: str
    fingerprint: str
    totals: BatchTotals
    is_balanced: bool
    answer: Answer
    at: int
    items: tuple[UploadItem, ...] = ()
    is_uploaded: bool = False  # the upload has ended and was compared
    is_overdue: bool = False  # a case says that the upload is late

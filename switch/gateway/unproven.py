"""Messages that carry no MAC, bounded per terminal: anybody could send them in its name."""

from typing import Final

_CLASSES: Final = frozenset("58")  # second digits: batch totals; sign-on, sign-off, echo
_WINDOW_MS: Final = 60_000


class UnprovenMessages:
    """
    Counts messages without a MAC, per terminal and minute.

    Batch totals are counted apart from the rest, and so is what comes over connections that have
    proven a key: a flood in a terminal's name must not keep it from settling. Only registered
    terminals are counted, so there are no more than four counts for each.
    """

    __slots__ = ("_count_max", "_counts", "_ends_boot_ms")

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._counts: dict[tuple[str, str, str, bool], int] = {}
        self._ends_boot_ms = 0

    def admits(
        self, mti: str, acquirer: str, terminal_id: str, boot_ms: int, *, is_proven: bool
    ) -> bool:
        """Count a message, if it is such a one; False if its terminal sent too many."""
        if mti[1] not in _CLASSES:
            return True
        if boot_ms >= self._ends_boot_ms:
            self._counts = {}
            self._ends_boot_ms = boot_ms + _WINDOW_MS
        key = (acquirer, terminal_id, mti[1], is_proven)
        self._counts[key] = count = self._counts.get(key, 0) + 1
        return count <= self._count_max

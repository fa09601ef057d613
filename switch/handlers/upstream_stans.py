"""Trace numbers (DE 11) towards issuers: each partition has its own residue class of them."""

from typing import Final

from switch.handlers.folded import Folded

STAN_MAX: Final = 999_999


class UpstreamStans(Folded):
    """The counter of one partition and the numbers that open payments hold."""

    def __init__(self, partition: int, partition_count: int) -> None:
        self._partition = partition
        self._partition_count = partition_count
        self._open: set[str] = set()
        self._last = partition - partition_count  # the next one is its own residue

    def next(self) -> str:
        """
        Find the next free trace number of the partition's residue class (docs/design.md 4).

        Empty once half of the class belongs to open payments: issuers do not answer, and a search
        among ever fewer free numbers would stall everybody.
        """
        if len(self._open) >= STAN_MAX // self._partition_count // 2:
            return ""
        stan = self._last
        while True:
            stan += self._partition_count
            if not 0 < stan <= STAN_MAX:
                stan = self._partition or self._partition_count
            if (text := f"{stan:06d}") not in self._open:
                return text

    def use(self, stan: str) -> None:
        """Note that a payment was given this number; the next one comes after it."""
        self._last = int(stan)

    def hold(self, stan: str) -> None:
        """Keep a number from being given again while its payment is open."""
        self._open.add(stan)

    def release(self, stan: str) -> None:
        """Let a number be given again."""
        self._open.discard(stan)

"""Requests that wait for a handler's answer, and the trace numbers seen of late."""

from collections import OrderedDict
from collections.abc import Iterator

from switch.codec.tpdu import Transport
from switch.eventlog.inbound import RequestReceived
from switch.gateway.session import Session


class Waiting:
    """One request that was handed over: who waits for the answer, how it is framed, until when."""

    __slots__ = (
        "deadline_boot_ms",
        "is_refusable",
        "request",
        "session",
        "status_url",
        "transport",
    )

    def __init__(
        self,
        request: RequestReceived,
        deadline_boot_ms: int,
        session: Session | None = None,
        transport: Transport | None = None,
        *,
        is_refusable: bool = True,
        status_url: str = "",
    ) -> None:
        self.request = request
        self.deadline_boot_ms = deadline_boot_ms
        self.session = session  # None: an HTTP request
        self.transport = transport
        self.is_refusable = is_refusable  # no earlier copy of it may have been handed over
        self.status_url = status_url


class WaitingTable:
    """
    All waits by inbound id, first to end first; the gateway bounds their number.

    Every wait lasts equally long, so the order of arrival is the order of the deadlines.
    """

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: OrderedDict[str, Waiting] = OrderedDict()

    def __len__(self) -> int:
        """Count the waits."""
        return len(self._entries)

    def add(self, waiting: Waiting) -> None:
        """Begin a wait."""
        inbound_id = waiting.request.inbound_id
        self._entries[inbound_id] = waiting
        if waiting.session is not None:
            waiting.session.waits.add(inbound_id)

    def find(self, inbound_id: str) -> Waiting | None:
        """Look a wait up."""
        return self._entries.get(inbound_id)

    def take(self, inbound_id: str) -> Waiting | None:
        """End a wait and return it; None if it has ended before."""
        waiting = self._entries.pop(inbound_id, None)
        if waiting is not None and waiting.session is not None:
            waiting.session.waits.discard(inbound_id)
        return waiting

    def drop_session(self, session: Session) -> int:
        """End all waits of a connection that is gone; return how many there were."""
        for inbound_id in session.waits:
            self._entries.pop(inbound_id, None)
        count = len(session.waits)
        session.waits.clear()
        return count

    def take_due(self, boot_ms: int) -> Iterator[Waiting]:
        """End every wait whose deadline has come."""
        while self._entries:
            inbound_id, waiting = next(iter(self._entries.items()))
            if waiting.deadline_boot_ms > boot_ms:
                return
            self.take(inbound_id)
            yield waiting

    def next_deadline(self) -> int | None:
        """Return the boot time at which the first wait ends."""
        if not self._entries:
            return None
        return next(iter(self._entries.values())).deadline_boot_ms

    def drop_original(self, session: Session, terminal_id: str, stan: str) -> None:
        """End the wait, on the same connection, of the payment that this terminal gives up."""
        for inbound_id in tuple(session.waits):
            waiting = self._entries[inbound_id]
            fields = waiting.request.fields
            if (
                fields["stan"] == stan
                and fields["terminal_id"] == terminal_id
                and waiting.request.mti[1] in "12"
            ):
                self.take(inbound_id)


class RecentStans:
    """
    The last trace number that each terminal had handed over, for at least one window.

    A gateway at its bound may say "not sent" only where it has not handed the same payment over
    before: the first copy may be debited. Two generations of a window each keep this bounded by
    the traffic of two windows, and by `count_max` terminals a generation.
    """

    __slots__ = ("_count_max", "_older", "_recent", "_turned_boot_ms", "_window_ms")

    def __init__(self, window_ms: int, count_max: int = 100_000) -> None:
        self._window_ms = window_ms
        self._count_max = count_max
        self._recent: dict[tuple[str, str], str] = {}
        self._older: dict[tuple[str, str], str] = {}
        self._turned_boot_ms = 0

    def note(self, acquirer: str, terminal_id: str, stan: str, boot_ms: int) -> None:
        """Remember that this terminal's request was handed over."""
        recent = self._recent
        if boot_ms - self._turned_boot_ms >= self._window_ms or len(recent) >= self._count_max:
            self._older = recent
            self._recent = recent = {}
            self._turned_boot_ms = boot_ms
        recent[acquirer, terminal_id] = stan

    def forget(self, acquirer: str, terminal_id: str) -> None:
        """Forget what certainly was not handed over after all."""
        self._recent.pop((acquirer, terminal_id), None)

    def knows(self, acquirer: str, terminal_id: str, stan: str) -> bool:
        """Tell whether this very request was handed over lately."""
        key = (acquirer, terminal_id)
        return stan in (self._recent.get(key), self._older.get(key))

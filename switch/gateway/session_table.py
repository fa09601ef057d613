"""All connections, and the deadlines that hold for them without a timer each."""

from collections import OrderedDict
from itertools import islice
from typing import Final

from switch.codec.framing import Framer
from switch.gateway.actions import Close, CloseCause
from switch.gateway.limits import GatewayLimits, ListenerProfile
from switch.gateway.session import Session

READING: Final = -1  # Session.unread_bytes of a client that takes its answers
_LOOKED_AT_COUNT_MAX: Final = 16  # of those that may go, for one without anything under way


class SessionTable:
    """
    Connections in the order of their last word, and those with an open deadline.

    Each kind of deadline lasts equally long for everyone, so three ordered tables replace a timer
    per connection: only their first entries are ever looked at.
    """

    __slots__ = ("_limits", "_partial", "_sessions", "_unproven", "_unread")

    def __init__(self, limits: GatewayLimits) -> None:
        self._limits = limits
        self._sessions: OrderedDict[int, Session] = OrderedDict()
        self._unproven: OrderedDict[int, Session] = OrderedDict()  # in the same order
        self._partial: OrderedDict[int, int] = OrderedDict()  # since when a frame is incomplete
        self._unread: OrderedDict[int, int] = OrderedDict()  # since when answers are not read

    def __len__(self) -> int:
        """Count the open connections."""
        return len(self._sessions)

    def open(self, connection_id: int, profile: ListenerProfile, boot_ms: int) -> Close | None:
        """
        Take a new connection; at the bound tell who is to be closed for it.

        That is whoever has proven nothing and was silent longest, and must be dropped by the
        caller: else clients that only connect would keep every terminal out. If all are proven, or
        wait for answers, it is the new one, which is then not taken.
        """
        close = None
        if len(self._sessions) >= self._limits.connection_count_max:
            silent = self._find_silent()
            close = Close(
                connection_id if silent is None else silent.connection_id,
                CloseCause.CONNECTION_BOUND,
                f"{self._limits.connection_count_max} connections are open, which is the most",
                is_abort=True,
            )
            if silent is None:
                return close
        framer = Framer(prefix=profile.prefix, frame_bytes_max=self._limits.frame_bytes_max)
        session = Session(connection_id, profile, framer, boot_ms)
        self._sessions[connection_id] = self._unproven[connection_id] = session
        return close

    def prove(self, session: Session) -> None:
        """Note that the client has shown a terminal's key."""
        session.is_proven = True
        self._unproven.pop(session.connection_id, None)

    def find(self, connection_id: int) -> Session | None:
        """Look a connection up; None once it was closed."""
        return self._sessions.get(connection_id)

    def hear(self, session: Session, boot_ms: int) -> None:
        """Note that the client said something."""
        session.seen_boot_ms = boot_ms
        self._sessions.move_to_end(session.connection_id)
        if not session.is_proven:
            self._unproven.move_to_end(session.connection_id)

    def note_partial(self, session: Session, *, is_fresh: bool, boot_ms: int) -> None:
        """
        Keep the deadline of an incomplete frame, which runs from its first byte.

        `is_fresh` says that the frame now incomplete began with the bytes just received.
        """
        connection_id = session.connection_id
        if not session.framer.is_inside_frame:
            self._partial.pop(connection_id, None)
        elif is_fresh:
            self._partial.pop(connection_id, None)
            self._partial[connection_id] = boot_ms
        else:
            self._partial.setdefault(connection_id, boot_ms)

    def pause(self, session: Session, boot_ms: int) -> None:
        """Note that the client no longer takes what is written to it."""
        session.unread_bytes = max(session.unread_bytes, 0)
        self._unread.setdefault(session.connection_id, boot_ms)

    def resume(self, session: Session) -> None:
        """Note that the client reads again."""
        session.unread_bytes = READING
        self._unread.pop(session.connection_id, None)

    def drop(self, connection_id: int) -> Session | None:
        """Forget a connection."""
        self._partial.pop(connection_id, None)
        self._unread.pop(connection_id, None)
        self._unproven.pop(connection_id, None)
        return self._sessions.pop(connection_id, None)

    def find_due(self, boot_ms: int) -> list[Close]:
        """Find the connections whose time is over; dropping them is up to the caller."""
        limits = self._limits
        due: list[Close] = []
        for connection_id, since in self._partial.items():
            if boot_ms - since < limits.frame_deadline_ms:
                break
            reason = f"a frame was not complete {limits.frame_deadline_ms} ms after its first byte"
            due.append(Close(connection_id, CloseCause.SLOW_FRAME, reason))
        for connection_id, since in self._unread.items():
            if boot_ms - since < limits.read_timeout_ms:
                break
            reason = f"the client read nothing for {limits.read_timeout_ms} ms"
            due.append(Close(connection_id, CloseCause.NOT_READING, reason, is_abort=True))
        for connection_id, session in self._sessions.items():
            if boot_ms - session.seen_boot_ms < limits.idle_timeout_ms:
                break
            reason = f"the client said nothing for {limits.idle_timeout_ms} ms"
            due.append(Close(connection_id, CloseCause.IDLE, reason))
        return due

    def find_quiet(self, heard_before_boot_ms: int) -> list[Close]:
        """
        Find the connections that nothing is under way on; dropping them is up to the caller.

        Those heard of since are left: their next message may be on its way to us.
        """
        reason = "this gateway is stopping"
        quiet: list[Close] = []
        for connection_id, session in self._sessions.items():
            if session.seen_boot_ms > heard_before_boot_ms:
                break
            if not session.waits and not session.framer.is_inside_frame:
                quiet.append(Close(connection_id, CloseCause.STOPPING, reason))
        return quiet

    def next_deadline(self) -> int | None:
        """Return the boot time at which `find_due` finds the next connection."""
        limits = self._limits
        deadlines: list[int] = []
        if self._partial:
            deadlines.append(next(iter(self._partial.values())) + limits.frame_deadline_ms)
        if self._unread:
            deadlines.append(next(iter(self._unread.values())) + limits.read_timeout_ms)
        if self._sessions:
            first = next(iter(self._sessions.values()))
            deadlines.append(first.seen_boot_ms + limits.idle_timeout_ms)
        return min(deadlines, default=None)

    def _find_silent(self) -> Session | None:
        """Find who has proven nothing, waits for nothing and said nothing for longest."""
        for session in islice(self._unproven.values(), _LOOKED_AT_COUNT_MAX):
            if not session.waits:
                return session
        return None

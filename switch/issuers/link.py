"""One link to an issuer: bytes and requests in, bytes and answers out, without I/O."""

from collections.abc import Callable
from typing import Final, TypeAlias

from switch.codec import CodecError, Dialect, Message, Value
from switch.codec.framing import FrameError, Framer, frame_bytes
from switch.codec.salvage import salvage_message
from switch.domain.clock import Now
from switch.domain.upstream import MatchKey, UpstreamAnswer, UpstreamRequest
from switch.issuers.connection import LinkConnection, LinkState
from switch.issuers.counts import LinkCounts
from switch.issuers.events import (
    Answered,
    CloseLink,
    LateAnswer,
    LinkDown,
    LinkEvent,
    Unmatched,
)
from switch.issuers.limits import LinkLimits
from switch.issuers.pending import Match, PendingRequests
from switch.security.cards import CardVault

PREFIX: Final = "binary-2"
Events: TypeAlias = list[LinkEvent]
_MESSAGE_CLASSES: Final = {"1": "payment", "2": "payment", "4": "reversal"}
_NETWORK_CLASS: Final = "8"
_RESPONSE_FUNCTIONS: Final = "13"


class IssuerLink:
    """
    A link to one issuer over one connection at a time: iso1987-ascii behind a 2-byte length.

    It signs on after each connect, asks with an echo when nothing was heard for a while, and
    reconnects with growing, jittered delays. Answers are matched by the whole MatchKey. Carry out
    the returned events in order, and call `timer` at `wake_at`.
    """

    def __init__(
        self,
        name: str,
        *,
        dialect: Dialect,
        vault: CardVault,
        limits: LinkLimits,
        random: Callable[[], float],
    ) -> None:
        """
        Begin disconnected; the first `timer` asks for a connection.

        `random` gives numbers from 0 up to 1, for the jitter.
        """
        self.name = name
        self.counts = LinkCounts()
        self._dialect = dialect
        self._vault = vault
        self._limits = limits
        self._framer = Framer(PREFIX, limits.frame_bytes_max)
        self._connection = LinkConnection(dialect, limits, random)
        self._pending = PendingRequests(
            wait_ms=limits.answer_wait_ms, late_count_max=limits.late_count_max
        )
        self._is_writing_paused = False

    @property
    def is_up(self) -> bool:
        """Whether requests can be sent now."""
        return self._connection.state is LinkState.UP and not self._is_writing_paused

    @property
    def state(self) -> LinkState:
        """How far the connection is."""
        return self._connection.state

    @property
    def in_flight_count(self) -> int:
        """Requests that wait for an answer."""
        return len(self._pending)

    # -- the connection

    def connected(self, now: Now) -> Events:
        """Hear that the connection is there: sign on (or close it, if it comes too late)."""
        if self._connection.state is not LinkState.CONNECTING:
            return [CloseLink("connected after the attempt had been given up")]
        self._framer = Framer(PREFIX, self._limits.frame_bytes_max)
        self._is_writing_paused = False
        return self._connection.connected(now)

    def connection_lost(self, now: Now, reason: str = "the connection was lost") -> Events:
        """Hear that there is no connection (any more), or that connecting failed."""
        was_up = self._connection.state is LinkState.UP
        if not self._connection.lost(now):
            return []
        return self._go_down(reason) if was_up else []

    def writing_paused(self) -> None:
        """Hear that the issuer does not read; nothing is sent until it does."""
        self._is_writing_paused = True

    def writing_resumed(self) -> None:
        """Hear that the issuer reads again."""
        self._is_writing_paused = False

    def data_received(self, received: bytes, now: Now) -> Events:
        """Take bytes from the issuer."""
        events: Events = []
        fault = ""
        try:
            frames = self._framer.receive_data(received)
        except FrameError as error:
            frames, fault = error.frames, str(error)
        self._connection.heard(now)
        for frame in frames:
            if not frame:
                continue  # keep-alive
            self._take_frame(frame, now, events)
            if self._connection.state is LinkState.WAITING:
                return events  # dropped; what follows was not asked for
        if fault:
            self._drop(fault, now, events)
        return events

    # -- requests

    def send(self, request: UpstreamRequest, now: Now) -> bytes | None:
        """
        Encode a request for the socket, at once; None if it cannot be sent now.

        None says that it certainly was not sent: the link is not up, the issuer does not read, or
        as many requests wait as may.

        Raises:
            CodecError: the request does not fit the dialect.
            SealBroken: the card's seal does not open.
            KeyStoreFault: the key store cannot be used now.
        """
        if not self.is_up or len(self._pending) >= self._limits.in_flight_count_max:
            self.counts.not_sent += 1
            return None
        fields: dict[str, Value] = {**request.fields, **request.secrets}
        if request.card is not None:
            revealed = self._vault.reveal(request.card)
            fields["pan"] = revealed.pan
            if revealed.expiration_date:
                fields["expiration_date"] = revealed.expiration_date
        wire = frame_bytes(PREFIX, self._dialect.encode(Message(request.mti, fields)))
        self._pending.add(request.match, now.boot_ms)
        self.counts.sent += 1
        return wire

    # -- time

    def timer(self, now: Now) -> Events:
        """Do what is due: connect, echo, give up."""
        self._pending.expire(now.boot_ms)
        events, reason = self._connection.timer(now)
        if reason:
            self._drop(reason, now, events)
        return events

    def wake_at(self) -> int | None:
        """Return the boot time (ms) at which `timer` has something to do."""
        deadlines = (self._connection.due_boot_ms, self._pending.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # -- messages from the issuer

    def _take_frame(self, frame: bytes, now: Now, events: Events) -> None:
        try:
            message = self._dialect.decode(frame)
        except CodecError as error:
            self._take_garbage(frame, error, now, events)
            return
        mti = message.mti
        if mti[1] == _NETWORK_CLASS:
            more, reason = self._connection.take_network_message(message, now)
            events.extend(more)
            if reason:
                self._drop(reason, now, events)
            return
        if mti[2] not in _RESPONSE_FUNCTIONS or mti[1] not in _MESSAGE_CLASSES:
            self._drop(f"the issuer sent a message of type {mti}, which is no answer", now, events)
            return
        self._take_answer(message, "", events)

    def _take_garbage(self, frame: bytes, error: CodecError, now: Now, events: Events) -> None:
        """Hand on a fault if it can be known whose answer this is, else end the connection."""
        self.counts.garbage += 1
        try:
            message = salvage_message(self._dialect, frame)
        except CodecError:
            message = None
        if (
            message is None
            or message.mti[2] not in _RESPONSE_FUNCTIONS
            or _match_key(message) not in self._pending
        ):
            self._drop(f"the issuer sent what cannot be read: {error}", now, events)
            return
        self._take_answer(message, str(error), events)

    def _take_answer(self, message: Message, fault: str, events: Events) -> None:
        match = _match_key(message)
        answer = UpstreamAnswer(
            link=self.name,
            match=match,
            mti=message.mti,
            fields=self._dialect.clear_texts(message),
            fault=fault,
        )
        how = self._pending.settle(match)
        if how is Match.FIRST:
            self.counts.answered += 1
            events.append(Answered(answer))
        elif how is Match.LATE:
            self.counts.late += 1
            events.append(LateAnswer(answer))
        else:
            self.counts.unmatched += 1
            events.append(Unmatched(answer))

    def _drop(self, reason: str, now: Now, events: Events) -> None:
        """End the connection from our side."""
        was_up = self._connection.state is LinkState.UP
        self._connection.lost(now)
        events.append(CloseLink(reason))
        if was_up:
            events.extend(self._go_down(reason))

    def _go_down(self, reason: str) -> Events:
        unanswered = self._pending.give_up()
        self.counts.given_up += len(unanswered)
        return [LinkDown(reason, unanswered)]


def _match_key(message: Message) -> MatchKey:
    fields = message.fields
    return MatchKey(
        _MESSAGE_CLASSES.get(message.mti[1], ""),
        str(fields.get("stan", "")),
        str(fields.get("rrn", "")),
        str(fields.get("terminal_id", "")),
    )

"""The gateway: connections and HTTP requests in, log records and answers out, without I/O."""

from typing import Final

from switch.codec import CodecError
from switch.codec.framing import FrameError
from switch.codec.mti import is_repeat
from switch.codec.salvage import salvage_message
from switch.codec.tpdu import Transport, split_transport
from switch.domain.clock import Now
from switch.domain.identifiers import place_of
from switch.domain.reasons import Reason
from switch.domain.registry.entities import NO_MAC
from switch.eventlog.inbound import Reply, RequestReceived, encode_request
from switch.eventlog.port import AppendRefused, AppendUnknown
from switch.gateway.actions import Action, AnswerJson, Append, Close, CloseCause, Send
from switch.gateway.counts import GatewayCounts
from switch.gateway.identity import KnownNames, find_stranger
from switch.gateway.intake import Intake
from switch.gateway.json_payment import JsonPayment
from switch.gateway.limits import REPEAT_WINDOW_MS, GatewayLimits, ListenerProfile
from switch.gateway.normalise import REQUEST_MTIS, FormatFault, find_missing, original_stan
from switch.gateway.operator_order import OperatorOrder
from switch.gateway.refusals import has_right_mac, write_problem, write_refusal, write_unanswered
from switch.gateway.session import Arrival, Session, frame_answer
from switch.gateway.session_table import READING, SessionTable
from switch.gateway.unproven import UnprovenMessages
from switch.gateway.waiting import RecentStans, Waiting, WaitingTable
from switch.security.keys import Keys
from switch.security.keystore import KeyStoreFault
from switch.security.mac import MacKey
from switch.security.minute_keys import KeyDestroyed
from switch.security.sealing import SealBroken

PARTITIONS_CACHED_COUNT_MAX: Final = 100_000  # partition keys whose place is remembered
REPLY_PLACE: Final = "/reply"  # ends the associated data of a sealed answer
_REVERSAL_CLASS: Final = "4"
_PAYMENT_CLASSES: Final = "12"


class Gateway:
    """
    One gateway process without its sockets, clock and log.

    Feed it what happens; carry out the actions that it returns, in order. It answers by itself
    only requests that are certainly not in the log; whatever was handed over is answered by a
    handler's reply or not at all (`docs/adr/0001-the-journal-is-the-arbiter.md`).
    """

    def __init__(
        self,
        limits: GatewayLimits,
        *,
        incarnation: str,
        registry: KnownNames,
        keys: Keys,
        partition_count: int,
    ) -> None:
        self.counts = GatewayCounts()
        self._limits = limits
        self._incarnation = incarnation
        self._registry = registry
        self._keys = keys
        self._partition_count = partition_count
        self._partitions: dict[str, tuple[int, bytes]] = {}
        self._intake = Intake(limits, incarnation, keys)
        self._sessions = SessionTable(limits)
        self._waiting = WaitingTable()
        self._unproven = UnprovenMessages(limits.sign_on_count_max)
        self._recent_stans = RecentStans(REPEAT_WINDOW_MS)
        self._is_taking = True

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return len(self._sessions)

    @property
    def in_flight_count(self) -> int:
        """How many requests wait for a handler's answer."""
        return len(self._waiting)

    # -- connections

    def connection_opened(
        self, connection_id: int, profile: ListenerProfile, now: Now
    ) -> list[Action]:
        """Take a new connection, or close one at the bound; ids are never used twice."""
        close = self._sessions.open(connection_id, profile, now.boot_ms)
        if close is None:
            return []
        silent = self._sessions.find(close.connection_id)
        if silent is not None:
            return [self._close(silent, close.cause, close.reason, is_abort=True)]
        self.counts.closed[close.cause.value] += 1
        return [close]

    def connection_lost(self, connection_id: int) -> list[Action]:
        """
        Forget a connection; answers that it waits for are no longer delivered.

        Nothing is left to be closed: the action is there to be told of, if what came last was not
        whole.
        """
        session = self._sessions.find(connection_id)
        if session is None:
            return []
        if session.framer.is_inside_frame:
            return [self._close(session, CloseCause.LEFT_IN_FRAME, "the client left in mid-frame")]
        self._sessions.drop(connection_id)
        self._waiting.drop_session(session)
        return []

    def writing_paused(self, connection_id: int, now: Now) -> None:
        """Note that a client does not read; from now on what is written to it is counted."""
        session = self._sessions.find(connection_id)
        if session is not None:
            self._sessions.pause(session, now.boot_ms)

    def writing_resumed(self, connection_id: int) -> None:
        """Note that a client reads again."""
        session = self._sessions.find(connection_id)
        if session is not None:
            self._sessions.resume(session)

    def data_received(self, connection_id: int, data: bytes, now: Now) -> list[Action]:
        """Take bytes of a connection: parts of frames, whole ones, several."""
        session = self._sessions.find(connection_id)
        if session is None or not self._is_taking:
            return []  # closed by us; its last bytes were still on their way
        self._sessions.hear(session, now.boot_ms)
        actions: list[Action] = []
        fault = ""
        try:
            frames = session.framer.receive_data(data)
        except FrameError as error:
            frames, fault = error.frames, str(error)
        for frame in frames:
            if not frame:
                continue  # keep-alive
            self._take_frame(session, frame, now, actions)
            if actions and type(actions[-1]) is Close:
                return actions
        if fault:
            actions.append(self._close(session, CloseCause.BAD_FRAME, fault))
        else:
            self._sessions.note_partial(session, is_fresh=bool(frames), boot_ms=now.boot_ms)
        return actions

    # -- HTTP

    def request_json(
        self, payment: JsonPayment | OperatorOrder, now: Now
    ) -> tuple[str, list[Action]]:
        """
        Take a request over HTTP; return the id under which AnswerJson will come, and what to do.

        The id is empty if the request is refused at once; then the answer's is, too.
        """
        is_payment = not payment.operation
        if not self._is_taking or len(self._waiting) >= self._limits.in_flight_count_max:
            return "", [self._refuse_json("", Reason.GATEWAY_BUSY, is_payment=is_payment)]
        try:
            request = self._intake.receive_json(payment, now)
        except FormatFault as fault:
            return "", [self._refuse_json("", Reason.FORMAT_ERROR, str(fault))]
        except KeyStoreFault:
            return "", [self._refuse_json("", Reason.LOG_UNAVAILABLE, is_payment=is_payment)]
        deadline = now.boot_ms + self._limits.terminal_deadline_ms
        self._waiting.add(Waiting(request, deadline, status_url=payment.status_url))
        return request.inbound_id, [self._hand_over(request)]

    # -- log

    def append_failed(
        self, inbound_id: str, error: AppendRefused | AppendUnknown, now: Now
    ) -> list[Action]:
        """
        Hear that a record could not be appended.

        Refused: it is certainly not in the log, so the answer is "not sent, try again". Unknown:
        it may yet land and debit, so nothing is said.
        """
        if isinstance(error, AppendUnknown):
            return []
        waiting = self._waiting.take(inbound_id)
        if waiting is None or waiting.deadline_boot_ms <= now.boot_ms:
            return []
        session = waiting.session
        if session is None:
            is_payment = not waiting.request.fields.get("operation")
            return [self._refuse_json(inbound_id, Reason.LOG_UNAVAILABLE, is_payment=is_payment)]
        if not waiting.is_refusable:
            self.counts.kept_silent += 1
            return []
        profile = session.profile
        try:
            raw = self._intake.open_message(waiting.request)
        except (KeyDestroyed, KeyStoreFault):
            return []  # nobody waits for a request as old as that
        message = profile.dialect.decode(raw)
        self._recent_stans.forget(profile.acquirer, waiting.request.fields["terminal_id"])
        actions: list[Action] = []
        arrival = Arrival(session, waiting.transport, raw, message)
        self._refuse_unsent(arrival, Reason.LOG_UNAVAILABLE, actions)
        return actions

    def deliver(self, reply: Reply, now: Now) -> list[Action]:
        """Deliver a handler's answer to the request that still waits for it, or to nobody."""
        counts = self.counts
        if reply.gateway != self._incarnation:
            counts.foreign_replies += 1
            return []
        if reply.ends_wait_of:
            self._waiting.take(reply.ends_wait_of)
        waiting = self._waiting.take(reply.inbound_id)
        if waiting is None or waiting.deadline_boot_ms <= now.boot_ms:
            counts.late_replies += 1
            return []
        session = waiting.session
        if session is None:
            counts.take_delivered(waiting.request, now)
            return [AnswerJson(reply.inbound_id, reply.status, reply.body)]
        try:
            answer = self._keys.minute_keys.open(
                reply.minute_key_id, reply.sealed_answer, reply.inbound_id + REPLY_PLACE
            )
        except (KeyDestroyed, KeyStoreFault, SealBroken):
            counts.unopened_replies += 1
            return []
        counts.take_delivered(waiting.request, now)
        self._note_proof(session, waiting.request, answer)
        actions: list[Action] = []
        framed = frame_answer(
            session.profile, waiting.transport, answer, reply.processing_requirement
        )
        self._send(session, framed, actions)
        return actions

    # -- the end

    def close_quiet(self, quiet_ms: int, now: Now) -> list[Action]:
        """
        Close the connections on which nothing is under way, nor was for `quiet_ms`.

        So their terminals go to another gateway before they have something to send. Whoever is in
        the middle of something is answered first; call it again and again.
        """
        closes: list[Action] = []
        for close in self._sessions.find_quiet(now.boot_ms - quiet_ms):
            session = self._sessions.find(close.connection_id)
            if session is not None:
                closes.append(self._close(session, close.cause, close.reason))
        return closes

    def stop_taking(self) -> None:
        """Look at nothing new from here on; what was handed over is still answered."""
        self._is_taking = False

    # -- time

    def timer(self, now: Now) -> list[Action]:
        """End what is over its deadline; call at `wake_at`, or more often."""
        actions: list[Action] = []
        for waiting in self._waiting.take_due(now.boot_ms):
            self.counts.unanswered += 1
            if waiting.session is None:
                status, body = write_unanswered(waiting.status_url)
                actions.append(AnswerJson(waiting.request.inbound_id, status, body))
        for close in self._sessions.find_due(now.boot_ms):
            session = self._sessions.find(close.connection_id)
            if session is not None:
                actions.append(
                    self._close(session, close.cause, close.reason, is_abort=close.is_abort)
                )
        return actions

    def wake_at(self) -> int | None:
        """Return the boot time (ms) at which `timer` has something to do; None: nothing waits."""
        deadlines = (self._waiting.next_deadline(), self._sessions.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # -- one request

    def _take_frame(self, session: Session, frame: bytes, now: Now, actions: list[Action]) -> None:
        profile = session.profile
        transport: Transport | None = None
        raw = frame
        if profile.has_transport:
            try:
                transport = split_transport(frame)
            except CodecError as error:
                actions.append(self._close(session, CloseCause.UNREADABLE, str(error)))
                return
            raw = transport.message
        try:
            message = profile.dialect.decode(raw)
        except CodecError as error:
            self._refuse_unreadable(session, transport, raw, error, actions)
            return
        arrival = Arrival(session, transport, raw, message)
        if message.mti not in REQUEST_MTIS:
            reason = f"a message of type {message.mti} is no request"
            actions.append(self._close(session, CloseCause.NOT_A_REQUEST, reason))
            return
        missing = find_missing(message.fields)
        if missing is not None:
            self._refuse_stranger(arrival, Reason.FORMAT_ERROR, missing, actions)
            return
        stranger = find_stranger(self._registry, profile.acquirer, message.fields)
        if stranger is not None:
            self._refuse_stranger(arrival, stranger.reason, stranger.detail, actions)
            return
        self._admit(arrival, str(message.fields["terminal_id"]), now, actions)

    def _admit(self, arrival: Arrival, terminal_id: str, now: Now, actions: list[Action]) -> None:
        session, message = arrival.session, arrival.message
        mti = message.mti
        acquirer = session.profile.acquirer
        stan = str(message.fields["stan"])
        is_payment = mti[1] in _PAYMENT_CLASSES
        is_refusable = not is_payment or not (
            is_repeat(mti) or self._recent_stans.knows(acquirer, terminal_id, stan)
        )
        if not session.is_proven and not self._spend_credit(session, actions):
            return
        if not self._unproven.admits(
            mti, acquirer, terminal_id, now.boot_ms, is_proven=session.is_proven
        ):
            self._refuse_stranger(arrival, Reason.SIGN_ON_TOO_OFTEN, "", actions)
            return
        if (
            len(self._waiting) >= self._limits.in_flight_count_max
            or len(session.waits) >= self._limits.connection_in_flight_count_max
        ):
            self._refuse_or_hush(arrival, Reason.GATEWAY_BUSY, actions, is_refusable=is_refusable)
            return
        try:
            request = self._intake.receive_message(session.profile, message, arrival.raw, now)
        except FormatFault as fault:
            self._refuse_stranger(arrival, Reason.FORMAT_ERROR, str(fault), actions)
            return
        except KeyStoreFault:
            self._refuse_or_hush(
                arrival, Reason.LOG_UNAVAILABLE, actions, is_refusable=is_refusable
            )
            return
        if is_payment:
            self._recent_stans.note(acquirer, terminal_id, stan, now.boot_ms)
        elif mti[1] == _REVERSAL_CLASS:
            self._waiting.drop_original(session, terminal_id, original_stan(request.fields))
        self._waiting.add(
            Waiting(
                request,
                now.boot_ms + self._limits.terminal_deadline_ms,
                session,
                arrival.transport,
                is_refusable=is_refusable,
            )
        )
        actions.append(self._hand_over(request))

    def _hand_over(self, request: RequestReceived) -> Append:
        self.counts.handed += 1
        key = request.partition_key
        place = self._partitions.get(key)
        if place is None:
            if len(self._partitions) >= PARTITIONS_CACHED_COUNT_MAX:
                self._partitions.clear()
            place = (place_of(key, self._partition_count), key.encode())
            self._partitions[key] = place
        return Append(place[0], request.inbound_id, place[1], encode_request(request))

    # -- what the gateway says by itself

    def _refuse_unreadable(
        self,
        session: Session,
        transport: Transport | None,
        raw: bytes,
        error: CodecError,
        actions: list[Action],
    ) -> None:
        """Answer 30 if the sender can be told which message is meant, else close."""
        try:
            message = salvage_message(session.profile.dialect, raw)
        except CodecError:
            actions.append(self._close(session, CloseCause.UNREADABLE, str(error)))
            return
        if message.mti not in REQUEST_MTIS or "stan" not in message.fields:
            actions.append(self._close(session, CloseCause.UNREADABLE, str(error)))
            return
        arrival = Arrival(session, transport, raw, message)
        self._refuse_stranger(arrival, Reason.FORMAT_ERROR, str(error), actions)

    def _refuse_stranger(
        self, arrival: Arrival, reason: Reason, detail: str, actions: list[Action]
    ) -> None:
        """Refuse, without a MAC, what proves nothing; close a connection that brings only that."""
        session = arrival.session
        self._answer(arrival, reason, detail, None, actions)
        session.refusal_count += 1
        if session.refusal_count >= self._limits.refusal_count_max:
            why = f"{session.refusal_count} refusals in a row, the last for {reason.value}"
            actions.append(self._close(session, CloseCause.REFUSALS, why))

    def _refuse_or_hush(
        self, arrival: Arrival, reason: Reason, actions: list[Action], *, is_refusable: bool
    ) -> None:
        """
        Answer "not sent, try again", or nothing where an earlier copy may have been sent.

        A terminal takes a refusal as the end of the payment and does not reverse it, so it must
        not be said of a payment that another copy may be debiting just now. After silence the
        terminal reverses.
        """
        if is_refusable:
            self._refuse_unsent(arrival, reason, actions)
        else:
            self.counts.kept_silent += 1

    def _refuse_unsent(self, arrival: Arrival, reason: Reason, actions: list[Action]) -> None:
        """Answer "not sent", with a MAC if the request's own was right."""
        profile = arrival.session.profile
        terminal_id = str(arrival.message.fields["terminal_id"])
        terminal = self._registry.find_terminal(profile.acquirer, terminal_id)
        try:
            mac_key = None if terminal is None else self._keys.mac_key_of(terminal)
        except (KeyStoreFault, SealBroken):
            mac_key = None
        if mac_key is not None and not has_right_mac(
            profile.dialect, arrival.raw, arrival.message, mac_key
        ):
            mac_key = None
        self._answer(arrival, reason, "", mac_key, actions)

    def _answer(
        self,
        arrival: Arrival,
        reason: Reason,
        detail: str,
        mac_key: MacKey | None,
        actions: list[Action],
    ) -> None:
        session = arrival.session
        self.counts.refused[reason.value] += 1
        answer = write_refusal(
            session.profile.dialect, arrival.message, reason, detail, mac_key=mac_key
        )
        self._send(session, frame_answer(session.profile, arrival.transport, answer, 0), actions)

    def _refuse_json(
        self, inbound_id: str, reason: Reason, detail: str = "", *, is_payment: bool = True
    ) -> AnswerJson:
        self.counts.refused[reason.value] += 1
        status, body = write_problem(reason, detail, is_payment=is_payment)
        return AnswerJson(inbound_id, status, body)

    # -- one connection

    def _spend_credit(self, session: Session, actions: list[Action]) -> bool:
        """Count a request of a connection that has proven nothing; close it when it is too much."""
        session.handed_count += 1
        if session.handed_count <= self._limits.unproven_count_max:
            return True
        why = f"{self._limits.unproven_count_max} requests, none answered with a terminal's key"
        actions.append(self._close(session, CloseCause.UNPROVEN, why))
        return False

    def _note_proof(self, session: Session, request: RequestReceived, answer: bytes) -> None:
        """Learn from a handler's answer whether the connection's sender holds a key."""
        if not session.is_proven:
            profile = session.profile
            terminal = self._registry.find_terminal(profile.acquirer, request.fields["terminal_id"])
            needs_mac = terminal is None or terminal.mac_algorithm != NO_MAC
            if needs_mac and "mac" not in profile.dialect.decode(answer).fields:
                return
            self._sessions.prove(session)
        session.refusal_count = 0

    def _send(self, session: Session, frame: bytes, actions: list[Action]) -> None:
        if session.unread_bytes != READING:
            session.unread_bytes += len(frame)
            if session.unread_bytes > self._limits.write_buffer_bytes_max:
                why = f"the client left {session.unread_bytes} bytes of answers unread"
                actions.append(self._close(session, CloseCause.NOT_READING, why, is_abort=True))
                return
        actions.append(Send(session.connection_id, frame))

    def _close(
        self, session: Session, cause: CloseCause, reason: str, *, is_abort: bool = False
    ) -> Close:
        self.counts.closed[cause.value] += 1
        self._sessions.drop(session.connection_id)
        self._waiting.drop_session(session)
        return Close(session.connection_id, cause, reason, is_abort)

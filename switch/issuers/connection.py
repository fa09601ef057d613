"""The life of a link's connection: connect, sign on, echo, back off."""

import enum
from collections.abc import Callable
from typing import Final

from switch.codec import Dialect, Message
from switch.codec.framing import frame_bytes
from switch.domain.clock import Now
from switch.domain.payment.rules import format_transmission_time
from switch.issuers.events import Connect, LinkEvent, LinkUp, SendBytes
from switch.issuers.limits import LinkLimits

SIGN_ON: Final = "001"
ECHO: Final = "301"
_REQUEST_MTI: Final = "0800"
_ANSWER_MTI: Final = "0810"
_ACCEPTED: Final = "00"
_STAN_COUNT: Final = 1_000_000
_DOUBLINGS_MAX: Final = 20


class LinkState(enum.Enum):
    """How far a link is."""

    WAITING = "waiting"  # until the next attempt to connect
    CONNECTING = "connecting"
    SIGNING_ON = "signing-on"
    UP = "up"


class LinkConnection:
    """
    The state of one connection and its one timer, `due_boot_ms`.

    What the timer means depends on the state: connect now, connecting takes too long, no answer
    to the sign-on, time for an echo, no answer to the echo.
    """

    def __init__(self, dialect: Dialect, limits: LinkLimits, random: Callable[[], float]) -> None:
        self.state = LinkState.WAITING
        self.due_boot_ms: int = 0
        self._dialect = dialect
        self._limits = limits
        self._random = random
        self._failed_count = 0  # attempts in a row that did not come up
        self._missed_count = 0  # echoes in a row without an answer
        self._awaited: tuple[str, str] | None = None  # network code and STAN of the open question
        self._stan = 0

    def connected(self, now: Now) -> list[LinkEvent]:
        """Begin to sign on."""
        self.state = LinkState.SIGNING_ON
        return [self._ask(SIGN_ON, now, self._limits.sign_on_timeout_ms)]

    def lost(self, now: Now) -> bool:
        """Plan the next attempt; False if that was done before."""
        if self.state is LinkState.WAITING:
            return False
        self.state = LinkState.WAITING
        self._awaited = None
        self._missed_count = 0
        doublings = min(self._failed_count, _DOUBLINGS_MAX)
        self._failed_count += 1
        limits = self._limits
        delay = min(limits.reconnect_delay_min_ms << doublings, limits.reconnect_delay_max_ms)
        # at least half of the delay, so that a dead issuer is not hammered; spread over the other
        # half, so that many links do not come back in step
        self.due_boot_ms = now.boot_ms + int(delay * (1 + self._random()) / 2)
        return True

    def heard(self, now: Now) -> None:
        """Take any sign of life; no echo is needed for a while, and none is waited for."""
        if self.state is LinkState.UP:
            self._awaited = None
            self._missed_count = 0
            self.due_boot_ms = now.boot_ms + self._limits.echo_interval_ms

    def timer(self, now: Now) -> tuple[list[LinkEvent], str]:
        """Do what is due; a reason not empty means: end the connection."""
        if now.boot_ms < self.due_boot_ms:
            return [], ""
        limits = self._limits
        if self.state is LinkState.WAITING:
            self.state = LinkState.CONNECTING
            self.due_boot_ms = now.boot_ms + limits.connect_timeout_ms
            return [Connect()], ""
        if self.state is LinkState.CONNECTING:
            return [], f"connecting took more than {limits.connect_timeout_ms} ms"
        if self.state is LinkState.SIGNING_ON:
            return [], f"no answer to the sign-on within {limits.sign_on_timeout_ms} ms"
        if self._awaited is not None:
            self._missed_count += 1
            if self._missed_count >= limits.echo_missed_count_max:
                return [], f"{self._missed_count} echoes without an answer"
        return [self._ask(ECHO, now, limits.echo_timeout_ms)], ""

    def take_network_message(self, message: Message, now: Now) -> tuple[list[LinkEvent], str]:
        """Take an 08xx; a reason not empty means: end the connection."""
        if message.mti == _REQUEST_MTI:
            return [self._answer(message)], ""
        if message.mti != _ANSWER_MTI:
            return [], f"the issuer sent a message of type {message.mti}, which is not expected"
        fields = message.fields
        asked = (str(fields.get("network_code", "")), str(fields.get("stan", "")))
        if asked != self._awaited:
            return [], ""  # the answer to an echo: hearing it was enough
        self._awaited = None
        code = str(fields.get("response_code", ""))
        if code != _ACCEPTED:
            return [], f"the issuer refused the sign-on with {code or 'no code'}"
        self.state = LinkState.UP
        self._failed_count = 0
        self.heard(now)
        return [LinkUp()], ""

    def _ask(self, network_code: str, now: Now, wait_ms: int) -> SendBytes:
        self._stan = self._stan % (_STAN_COUNT - 1) + 1
        stan = f"{self._stan:06d}"
        self._awaited = (network_code, stan)
        self.due_boot_ms = now.boot_ms + wait_ms
        message = Message(
            _REQUEST_MTI,
            {
                "transmission_time": format_transmission_time(now.wall_ms),
                "stan": stan,
                "network_code": network_code,
            },
        )
        return SendBytes(frame_bytes("binary-2", self._dialect.encode(message)))

    def _answer(self, message: Message) -> SendBytes:
        """Answer an echo or sign-on that the issuer asks of us."""
        names = ("transmission_time", "stan", "network_code")
        fields = {name: message.fields[name] for name in names if name in message.fields}
        answer = Message(_ANSWER_MTI, {**fields, "response_code": _ACCEPTED})
        return SendBytes(frame_bytes("binary-2", self._dialect.encode(answer)))

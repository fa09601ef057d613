"""The tour's terminal: a real POS over a real socket, with a hand on its plug."""

import socket
import time
from collections.abc import Callable
from typing import Final

import msgspec

from switch.domain.clock import Now
from switch.terminal.actions import Finish, PosAction, SendFrame
from switch.terminal.orders import SaleOrder
from switch.terminal.outcome import PosOutcome
from switch.terminal.pos import Pos, PosLimits
from switch.terminal.state import PosState

CONNECT_TIMEOUT_S: Final = 5.0
ANSWER_WAIT_MS: Final = 10_000  # twice the demo's deadline: the switch speaks first, or it is wrong
READ_BYTES: Final = 65_536


class TourTerminal:
    """
    One terminal; its memory is this object, as the demo's shop is this process.

    `find_address` is asked at each connection: a restarted instance listens elsewhere.
    """

    def __init__(self, state: PosState, find_address: Callable[[], tuple[str, int]]) -> None:
        self.state = state
        self.answer = b""  # the bytes of the last answer
        self._pos = Pos(state, PosLimits(answer_wait_ms=ANSWER_WAIT_MS))
        self._find_address = find_address
        self._line: socket.socket | None = None
        self._outcome: PosOutcome | None = None

    @property
    def last_stan(self) -> str:
        """The trace number of the last payment."""
        return f"{self.state.stan:06d}"

    def sell(self, order: SaleOrder) -> PosOutcome:
        """Take a payment and wait for its answer."""
        self.begin_sale(order)
        return self.hear()

    def begin_sale(self, order: SaleOrder) -> None:
        """Send a payment and do not wait."""
        self._begin(self._pos.start_sale(order, read_now()))

    def repeat(self) -> PosOutcome:
        """Send the last payment's bytes again and wait for the answer."""
        self._begin(self._pos.start_repeat(read_now()))
        return self.hear()

    def repeat_with_amount(self, amount_minor: int) -> PosOutcome:
        """Send the last payment's key with another amount (and a right MAC), then forget that."""
        first = self.state.last
        assert first is not None, "there is no payment to bend"
        fields = {**first.fields, "amount_transaction": f"{amount_minor:012d}"}
        self.state.last = msgspec.structs.replace(first, fields=fields)
        outcome = self.repeat()
        self.state.last = first
        return outcome

    def hear(self) -> PosOutcome:
        """Wait until the operation has ended, as a terminal does; bounded by its own patience."""
        try:
            while self._outcome is None:
                self._listen()
        finally:
            self._hang_up()
        return self._outcome

    def lose_line(self) -> PosOutcome:
        """Pull the plug before anything was read."""
        self._hang_up()
        self._carry_out(self._pos.give_up(read_now()))
        assert self._outcome is not None
        return self._outcome

    def close(self) -> None:
        """Hang up."""
        self._hang_up()

    def _begin(self, actions: list[PosAction]) -> None:
        self._outcome = None
        self.answer = b""
        self._carry_out(actions)

    def _carry_out(self, actions: list[PosAction]) -> None:
        for action in actions:
            if isinstance(action, SendFrame):
                self._send(action.frame)
            elif isinstance(action, Finish):
                self._outcome = action.outcome

    def _send(self, frame: bytes) -> None:
        try:
            if self._line is None:
                self._line = socket.create_connection(self._find_address(), CONNECT_TIMEOUT_S)
                self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._pos.connection_made()
        except OSError:
            self._carry_out(self._pos.not_connected(read_now()))
            return
        try:
            self._line.sendall(frame)
        except OSError:
            self._hang_up()

    def _listen(self) -> None:
        due = self._pos.wake_at()
        try:
            if self._line is None:
                raise ConnectionError
            wait_ms = due - read_now().boot_ms if due is not None else ANSWER_WAIT_MS
            self._line.settimeout(max(wait_ms, 1) / 1000)
            received = self._line.recv(READ_BYTES)
        except TimeoutError:
            self._carry_out(self._pos.timer(read_now()))
            return
        except OSError:
            received = b""
        if received:
            self.answer += received
            self._carry_out(self._pos.data_received(received, read_now()))
        else:
            self._hang_up()
            self._carry_out(self._pos.connection_lost(read_now()))

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()


def read_now() -> Now:
    """Read the clocks; a shop's terminal does not sleep with the machine."""
    return Now(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000)

"""The terminals of a partition as their own messages left them: the fold of their events."""

from switch.domain.payment.payment import Payment
from switch.domain.payment.requests import PaymentRequest
from switch.domain.terminal.state import TerminalState
from switch.handlers.folded import Folded


class Tills(Folded):
    """State of each terminal that ever signed on or settled."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, str, str], TerminalState] = {}

    def find(self, acquirer: str, merchant_id: str, terminal_id: str) -> TerminalState | None:
        """Return what a terminal has said of itself; None if it never did."""
        return self._states.get((acquirer, merchant_id, terminal_id))

    def find_of(self, request: PaymentRequest) -> TerminalState | None:
        """Return the state of the terminal that asks."""
        return self._states.get((request.acquirer, request.merchant_id, request.terminal_id))

    def note_change(self, before: Payment | None, after: Payment) -> None:
        """Count an approved payment in its batch, and take out one that no longer is."""

"""Who a message says it is from, as far as the gateway can tell before the log has it."""

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

from switch.domain.card import holds_issued_number
from switch.domain.reasons import Reason
from switch.domain.registry.entities import Merchant, Terminal

CARD_FOR_MERCHANT: Final = "DE 42 merchant_id: looks like a card number"


class KnownNames(Protocol):
    """The part of the registry view that the gateway needs."""

    def find_terminal(self, acquirer: str, terminal_id: str) -> Terminal | None:
        """Look a terminal up by the identity that it states."""
        ...

    def find_merchant(self, merchant_id: str) -> Merchant | None:
        """Look a merchant up."""
        ...


class Stranger(NamedTuple):
    """Why a message is not taken from whom it says it is."""

    reason: Reason
    detail: str = ""


def find_stranger(
    names: KnownNames, acquirer: str, fields: Mapping[str, str | bytes]
) -> Stranger | None:
    """
    Say why a message is refused for the names in it; None: the handler may look at it.

    DE 42 goes into the log as it was sent, known or not: so not if it may be a card number. A
    merchant's own number may look like one; then it is known.
    """
    terminal = names.find_terminal(acquirer, str(fields["terminal_id"]))
    if terminal is None:
        return Stranger(Reason.TERMINAL_UNKNOWN)
    merchant_id = str(fields["merchant_id"])
    if (
        merchant_id != terminal.merchant_id
        and holds_issued_number(merchant_id)
        and names.find_merchant(merchant_id) is None
    ):
        return Stranger(Reason.FORMAT_ERROR, CARD_FOR_MERCHANT)
    return None

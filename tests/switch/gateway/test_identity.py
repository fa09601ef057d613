"""Who a message says it is from, and what the log may therefore hold."""

import pytest

from switch.domain.reasons import Reason
from switch.domain.registry.entities import (
    Merchant,
    MerchantStatus,
    Terminal,
    TerminalStatus,
)
from switch.gateway.identity import Stranger, find_stranger

CARD = "378282246310005"  # fifteen digits, as a merchant's number has
OWN = "371449635398431"


class Names:
    """One terminal and two merchants, whose numbers look like card numbers."""

    def find_terminal(self, acquirer: str, terminal_id: str) -> Terminal | None:
        if (acquirer, terminal_id) != ("acq", "00000001"):
            return None
        return Terminal(
            acquirer=acquirer,
            terminal_id=terminal_id,
            profile="unionpay-pos",
            status=TerminalStatus.ACTIVATED,
            merchant_id=OWN,
        )

    def find_merchant(self, merchant_id: str) -> Merchant | None:
        if merchant_id not in {OWN, "341111111111119"}:
            return None
        return Merchant(merchant_id=merchant_id, status=MerchantStatus.APPROVED)


@pytest.mark.parametrize(
    ("merchant_id", "want"),
    [
        (OWN, None),
        ("341111111111119", None),  # the merchant that it was bound to before
        ("898110154110001", None),  # of nobody: the handler says so, and keeps it
        (CARD, Stranger(Reason.FORMAT_ERROR, "DE 42 merchant_id: looks like a card number")),
    ],
)
def test_a_card_number_in_the_place_of_the_merchant_never_reaches_the_log(
    merchant_id: str, want: Stranger | None
) -> None:
    fields: dict[str, str | bytes] = {"terminal_id": "00000001", "merchant_id": merchant_id}
    assert find_stranger(Names(), "acq", fields) == want


def test_a_terminal_that_nobody_knows_is_refused_whatever_merchant_it_names() -> None:
    fields: dict[str, str | bytes] = {"terminal_id": "00000002", "merchant_id": CARD}
    assert find_stranger(Names(), "acq", fields) == Stranger(Reason.TERMINAL_UNKNOWN)

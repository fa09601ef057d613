import re

import pytest

from switch.domain.reasons import Reason


def position(reason: Reason) -> int:
    return list(Reason).index(reason)


# docs/rules.md 7: of two that hold at once, the first is the one that is answered
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Reason.FORMAT_ERROR, Reason.TERMINAL_UNKNOWN),
        (Reason.TERMINAL_UNKNOWN, Reason.TERMINAL_WITHOUT_KEY),
        (Reason.TERMINAL_WITHOUT_KEY, Reason.MAC_INVALID),
        (Reason.MAC_INVALID, Reason.DUPLICATE_CONFLICT),
        (Reason.DUPLICATE_CONFLICT, Reason.MERCHANT_NOT_FOUND),
        (Reason.MERCHANT_NOT_FOUND, Reason.TERMINAL_MISMATCH),
        (Reason.TERMINAL_MISMATCH, Reason.TERMINAL_INACTIVE),
        (Reason.TERMINAL_INACTIVE, Reason.SIGN_ON_REQUIRED),
        (Reason.SIGN_ON_REQUIRED, Reason.BATCH_MISMATCH),
        (Reason.BATCH_MISMATCH, Reason.MERCHANT_NOT_ACTIVE),
        (Reason.MERCHANT_NOT_ACTIVE, Reason.AGENT_NOT_ACTIVE),
        (Reason.AGENT_NOT_ACTIVE, Reason.MERCHANT_CONFIG_INCOMPLETE),
        (Reason.MERCHANT_CONFIG_INCOMPLETE, Reason.TXN_NOT_SUPPORTED),
        (Reason.TXN_NOT_ENABLED, Reason.ENTRY_MODE_NOT_ENABLED),
        (Reason.ENTRY_MODE_NOT_ENABLED, Reason.MCC_MISMATCH),
        (Reason.MCC_MISMATCH, Reason.AMOUNT_OVER_LIMIT),
        (Reason.AMOUNT_OVER_LIMIT, Reason.DAILY_AMOUNT_OVER_LIMIT),
        (Reason.DAILY_AMOUNT_OVER_LIMIT, Reason.DAILY_COUNT_OVER_LIMIT),
        (Reason.DAILY_COUNT_OVER_LIMIT, Reason.REQUEST_STALE),
        (Reason.REQUEST_STALE, Reason.REGISTRY_NOT_CONFIRMED),
        (Reason.REGISTRY_NOT_CONFIRMED, Reason.ISSUER_UNKNOWN),
        (Reason.ISSUER_UNKNOWN, Reason.NO_ROUTE),
        (Reason.NO_ROUTE, Reason.ISSUER_DOWN),
    ],
)
def test_the_enum_keeps_the_order_of_the_checks(first, second):
    assert position(first) < position(second)


def test_a_reason_is_written_as_its_name_says():
    for reason in Reason:
        assert reason.value == reason.name.lower().replace("_", "-")


def test_a_reason_fits_the_receipt():
    for reason in Reason:
        assert re.fullmatch(r"[a-z][a-z-]{3,39}", reason.value)

"""Answers that the gateway gives by itself, all to requests that never reached the log."""

from typing import Final

import msgspec

from switch.codec import Dialect, Message, Value
from switch.codec.mti import response_mti
from switch.domain.declines import Words, decline_of
from switch.domain.reasons import Reason
from switch.domain.transactions import MoneyState, Retry
from switch.security.mac import MacKey

REASON_TEXT_CHARACTERS_MAX: Final = 120
_NO_CARD_ORGANISATION: Final = "   "
_ECHOED_NAMES: Final[tuple[str, ...]] = (
    "processing_code",
    "amount_transaction",
    "transmission_time",
    "stan",
    "local_time",
    "local_date",
    "pos_condition_code",
    "acquirer_id",
    "terminal_id",
    "merchant_id",
    "currency",
    "batch_data",
    "network_code",
)
UNAVAILABLE: Final = 503
_JSON_STATUS: Final = {
    Reason.GATEWAY_BUSY: UNAVAILABLE,
    Reason.LOG_UNAVAILABLE: UNAVAILABLE,
    Reason.FORMAT_ERROR: 400,
}
# never a new key: an earlier request under this one may be in the log
_SAME_KEY: Final = Words(
    zh="请稍后以相同的 Idempotency-Key 重试",
    en="Wait a moment, then ask again with the same Idempotency-Key",
)


def write_refusal(
    dialect: Dialect,
    request: Message,
    reason: Reason,
    detail: str = "",
    *,
    mac_key: MacKey | None = None,
) -> bytes:
    """
    Encode the answer to `request` that refuses it for `reason`, without the card.

    With a `mac_key` the answer is MACed; give one only for a request whose own MAC was right, or
    the gateway would sign whatever a stranger lets it echo.

    Raises:
        CodecError: what the request says cannot be echoed.
        ValueError: the request's type is not one that is answered.
    """
    decline = decline_of(reason)
    text = f"{reason.value}: {detail}" if detail else reason.value
    fields: dict[str, Value] = {
        name: request.fields[name] for name in _ECHOED_NAMES if name in request.fields
    }
    fields["response_code"] = decline.response_code
    fields["private_63"] = _NO_CARD_ORGANISATION + text[:REASON_TEXT_CHARACTERS_MAX]
    mti = response_mti(request.mti)
    if mac_key is None:
        return dialect.encode(Message(mti, fields))
    fields["mac"] = bytes(8)
    unsigned = dialect.encode(Message(mti, fields))
    fields["mac"] = mac_key.compute(unsigned[: -dialect.mac_length])
    return dialect.encode(Message(mti, fields))


def has_right_mac(dialect: Dialect, raw: bytes, request: Message, mac_key: MacKey) -> bool:
    """Tell whether the request proves that its sender holds this key."""
    mac = request.fields.get("mac")
    return isinstance(mac, bytes) and mac_key.verify(raw[: -dialect.mac_length], mac)


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    An HTTP problem (RFC 9457) with the catalogue's words.

    `money_state` is that of a new payment; of a void or refund the gateway knows nothing.
    """

    type: str
    title: str
    status: int
    detail: str
    reason_code: str
    retry: str
    actor: str
    message_zh: str
    message_en: str
    next_zh: str
    next_en: str
    money_state: str = ""


def write_problem(
    reason: Reason, detail: str = "", *, is_payment: bool = True
) -> tuple[int, bytes]:
    """
    Write the HTTP status and body that refuse a JSON request for `reason`.

    `is_payment`: it asked for a new payment, so nothing was debited.
    """
    decline, status = decline_of(reason), _JSON_STATUS[reason]
    retry, next_action = decline.retry, Words(zh=decline.next_zh, en=decline.next_en)
    if status == UNAVAILABLE:
        retry, next_action = Retry.SAME_KEY, _SAME_KEY
    problem = Problem(
        type=f"urn:payment-switch:problem:{reason.value}",
        title=decline.en,
        status=status,
        detail=detail or next_action.en,
        reason_code=reason.value,
        money_state=MoneyState.NOT_DEBITED.value if is_payment else "",
        retry=retry.value,
        actor=decline.actor.value,
        message_zh=decline.zh,
        message_en=decline.en,
        next_zh=next_action.zh,
        next_en=next_action.en,
    )
    return problem.status, msgspec.json.encode(problem)


class Unanswered(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP problem (RFC 9457): nobody answered, and nothing can be looked up."""

    type: str = "urn:payment-switch:problem:unanswered"
    title: str = "Not answered in time"
    status: int = 504
    detail: str = "It may yet be carried out. Ask again with the same Idempotency-Key."


def write_unanswered(status_url: str) -> tuple[int, bytes]:
    """
    Write the HTTP answer to a request whose outcome is not known by its deadline.

    Without a `status_url` it is no payment's, and asked again.
    """
    if not status_url:
        problem = Unanswered()
        return problem.status, msgspec.json.encode(problem)
    return 202, msgspec.json.encode(
        {"status": "unknown", "money_state": MoneyState.UNKNOWN.value, "status_url": status_url}
    )

"""From an answer in domain words to the reply for the one request that waits for it."""

from typing import Final

import msgspec

from switch.domain.clock import Now
from switch.domain.declines import Decline, IssuerCode, decline_of, issuer_code
from switch.domain.money import Money
from switch.domain.payment.payment import Payment, Phase
from switch.domain.payment.requests import Answer
from switch.domain.payment.rules import DecisionRules
from switch.domain.reasons import Reason
from switch.domain.transactions import MoneyState
from switch.eventlog.inbound import Reply
from switch.handlers.intake import Waiter
from switch.handlers.translate import JSON_CHANNEL, build_answer, processing_requirement
from switch.security.keys import Keys

_MAC_NAME: Final = "mac"
_MAC_BYTES: Final = 8

CREATED: Final = 201
ACCEPTED: Final = 202
CONFLICT: Final = 409
UNPROCESSABLE: Final = 422
# in a partner's words: the catalogue speaks to terminals, of trace numbers
_OTHER_CONTENT: Final = (
    "Nothing was debited by this request. Look up the first payment under this rrn; a new payment "
    "needs a new Idempotency-Key."
)
_CONFLICT_REASONS: Final = frozenset(
    {Reason.DUPLICATE_CONFLICT.value, Reason.LATE_AFTER_REVERSAL.value}
)


class PaymentResource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `POST /v1/payments` returns: a decline is a resource, not an HTTP error."""

    status: str
    money_state: str
    response_code: str
    rrn: str = ""
    reason_code: str = ""
    detail: str = ""
    authorization_id: str = ""
    settlement_date: str = ""
    amount_minor: int = 0
    currency: str = ""
    card: str = ""
    card_token: str = ""
    actor: str = ""
    retry: str = ""
    message_zh: str = ""
    message_en: str = ""
    next_action_zh: str = ""
    next_action_en: str = ""
    status_url: str = ""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An RFC 9457 problem: the request as such could not be served."""

    type: str
    title: str
    status: int
    detail: str
    rrn: str = ""
    retry: str = ""


_encode = msgspec.json.Encoder().encode


class Answerer:
    """Builds replies; needs keys for the MAC and the seal, and the switch's own institution id."""

    def __init__(self, keys: Keys, rules: DecisionRules, institution_id: str) -> None:
        self._keys = keys
        self._rules = rules
        self._institution_id = institution_id

    def reply(
        self,
        waiter: Waiter,
        answer: Answer,
        payment: Payment | None,
        now: Now,
        *,
        ends_wait_of: str = "",
    ) -> Reply:
        """Build the reply that tells `answer` to the request that waits."""
        received = waiter.received
        if received.channel == JSON_CHANNEL:
            status, body = self._json(answer, payment)
            return Reply(
                gateway=received.gateway, inbound_id=received.inbound_id, status=status, body=body
            )
        key_id, sealed = self._keys.minute_keys.seal(
            now.wall_ms, self._encode_iso(waiter, answer), received.inbound_id + "/reply"
        )
        return Reply(
            gateway=received.gateway,
            inbound_id=received.inbound_id,
            minute_key_id=key_id,
            sealed_answer=sealed,
            processing_requirement=processing_requirement(answer),
            ends_wait_of=ends_wait_of,
        )

    def _encode_iso(self, waiter: Waiter, answer: Answer) -> bytes:
        """Encode the answer; it is MACed with the key that its request came with."""
        dialect = waiter.dialect
        assert dialect is not None
        message = build_answer(waiter.decode(), answer, self._rules, self._institution_id)
        if waiter.mac_key is None:
            return dialect.encode(message)
        message.fields[_MAC_NAME] = bytes(_MAC_BYTES)
        mab = dialect.encode(message)[: -dialect.mac_length]
        mac = waiter.mac_key.compute(mab)
        return mab + (mac if dialect.mac_length == _MAC_BYTES else mac.hex().upper().encode())

    def _json(self, answer: Answer, payment: Payment | None) -> tuple[int, bytes]:
        if answer.reason in _CONFLICT_REASONS:
            problem = Problem(
                type="urn:payment-switch:problem:idempotency-key-reused",
                title="The Idempotency-Key was used with other content",
                status=UNPROCESSABLE,
                detail=(
                    _OTHER_CONTENT
                    if answer.reason == Reason.DUPLICATE_CONFLICT.value
                    else decline_of(Reason(answer.reason)).next_en
                ),
                rrn=answer.rrn,
                retry="never",
            )
            return UNPROCESSABLE, _encode(problem)
        resource = make_resource(answer, payment)
        return (ACCEPTED if resource.status == "unknown" else CREATED), _encode(resource)

    def in_progress(self, waiter: Waiter, payment: Payment) -> Reply:
        """Tell a partner that the first request under this key still runs."""
        problem = Problem(
            type="urn:payment-switch:problem:in-progress",
            title="The first request under this Idempotency-Key still runs",
            status=CONFLICT,
            detail="Ask again with the same key after the time in Retry-After.",
            rrn=payment.rrn,
            retry="same-key",
        )
        received = waiter.received
        return Reply(
            gateway=received.gateway,
            inbound_id=received.inbound_id,
            status=CONFLICT,
            body=_encode(problem),
        )


def make_resource(answer: Answer, payment: Payment | None) -> PaymentResource:
    """Describe a payment to a partner, with what to do next."""
    request = payment.request if payment else None
    amount: Money | None = answer.amount or (request.amount if request else None)
    told: Decline | IssuerCode
    if answer.is_approval:
        told = issuer_code(answer.response_code)
        status, money = "approved", MoneyState.DEBITED
    elif answer.reason == Reason.ISSUER_DECLINED.value:
        told = issuer_code(answer.response_code)
        status, money = "declined", MoneyState.NOT_DEBITED
    else:
        told = decline_of(Reason(answer.reason))
        money = told.money_state
        if money is MoneyState.UNKNOWN and payment and payment.phase is Phase.REVERSED:
            money = MoneyState.RETURNED  # what was unknown when it was first told
        status = "unknown" if money is MoneyState.UNKNOWN else "declined"
    return PaymentResource(
        status=status,
        money_state=money.value,
        response_code=answer.response_code,
        rrn=answer.rrn,
        reason_code=answer.reason,
        detail=answer.detail,
        authorization_id=answer.authorization_id,
        settlement_date=answer.settlement_date,
        amount_minor=amount.minor if amount else 0,
        currency=amount.currency if amount else "",
        card=request.card.masked_pan if request and request.card else "",
        card_token=request.card.token if request and request.card else "",
        actor=told.actor.value,
        retry=told.retry.value,
        message_zh=told.zh,
        message_en=told.en,
        next_action_zh=told.next_zh,
        next_action_en=told.next_en,
        status_url=f"/v1/payments/{answer.rrn}" if status == "unknown" else "",
    )

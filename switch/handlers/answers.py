"""From an answer in domain words to the reply for the one request that waits for it."""

from collections.abc import Mapping
from typing import Final

from switch.domain.clock import Now
from switch.domain.payment.payment import Payment
from switch.domain.payment.requests import Answer
from switch.domain.payment.rules import DecisionRules
from switch.eventlog.inbound import Reply
from switch.handlers.intake import Waiter
from switch.handlers.json_answers import (
    FindPayment,
    write_in_progress,
    write_payment,
    write_reversal,
)
from switch.handlers.translate import (
    JSON_CHANNEL,
    build_answer,
    echoed_names,
    is_reversal,
    processing_requirement,
)
from switch.handlers.translate_management import build_management_answer, is_management
from switch.security.keys import Keys

_MAC_NAME: Final = "mac"
_MAC_BYTES: Final = 8


class Answerer:
    """
    Builds replies; needs keys for the MAC and the seal, and the switch's own institution id.

    `find_payment` looks up what a partner's answer tells of an original.
    """

    def __init__(
        self, keys: Keys, rules: DecisionRules, institution_id: str, find_payment: FindPayment
    ) -> None:
        self._keys = keys
        self._rules = rules
        self._institution_id = institution_id
        self._find_payment = find_payment

    def reply(
        self,
        waiter: Waiter,
        answer: Answer,
        payment: Payment | None,
        now: Now,
        *,
        ends_wait_of: str = "",
        additions: Mapping[str, str] | None = None,
    ) -> Reply:
        """
        Build the reply that tells `answer` to the request that waits.

        `additions` are elements that only this answer to a terminal's own business has.
        """
        received = waiter.received
        if received.channel == JSON_CHANNEL:
            return self._json(waiter, answer, payment)
        key_id, sealed = self._keys.minute_keys.seal(
            now.wall_ms, self._encode_iso(waiter, answer, additions), received.inbound_id + "/reply"
        )
        return Reply(
            gateway=received.gateway,
            inbound_id=received.inbound_id,
            minute_key_id=key_id,
            sealed_answer=sealed,
            processing_requirement=processing_requirement(answer),
            ends_wait_of=ends_wait_of,
        )

    def _encode_iso(
        self, waiter: Waiter, answer: Answer, additions: Mapping[str, str] | None
    ) -> bytes:
        """Encode the answer; it is MACed with the key that its request came with."""
        dialect = waiter.dialect
        assert dialect is not None
        rules, institution_id = self._rules, self._institution_id
        if is_management(waiter.received):
            asked = waiter.decode()
            message = build_management_answer(asked, answer, rules, institution_id, additions or {})
        else:
            mti = waiter.received.mti
            echoed = waiter.pick(echoed_names(mti))
            message = build_answer(mti, echoed, answer, rules, institution_id)
        if waiter.mac_key is None:
            return dialect.encode(message)
        message.fields[_MAC_NAME] = bytes(_MAC_BYTES)
        mab = dialect.encode(message)[: -dialect.mac_length]
        mac = waiter.mac_key.compute(mab)
        return mab + (mac if dialect.mac_length == _MAC_BYTES else mac.hex().upper().encode())

    def _json(self, waiter: Waiter, answer: Answer, payment: Payment | None) -> Reply:
        received = waiter.received
        if is_reversal(received):
            status, body = write_reversal(answer, self._find_payment)
        else:
            status, body = write_payment(answer, payment, self._find_payment)
        return Reply(
            gateway=received.gateway, inbound_id=received.inbound_id, status=status, body=body
        )

    def in_progress(self, waiter: Waiter, payment: Payment) -> Reply:
        """Tell a partner that the first request under this key still runs."""
        status, body = write_in_progress(payment)
        received = waiter.received
        return Reply(
            gateway=received.gateway, inbound_id=received.inbound_id, status=status, body=body
        )

"""The gateway's share of making a request durable: a new id, the card sealed, one log record."""

from typing import Final

from switch.codec import Message
from switch.domain.card import Card
from switch.domain.clock import Now
from switch.domain.identifiers import make_partition_key
from switch.eventlog.inbound import RequestReceived
from switch.gateway.json_payment import JsonPayment
from switch.gateway.limits import GatewayLimits, ListenerProfile
from switch.gateway.normalise import (
    CardNumber,
    check_track,
    clear_fields,
    find_card_number,
    hide_reference,
)
from switch.gateway.operator_order import OperatorOrder
from switch.security.keys import Keys

_TRACK_NAMES: Final = frozenset({"track1", "track2", "track3"})
_REFERENCE_NAMES: Final = frozenset({"idempotency_key", "command_id"})
_SECRET_NAMES: Final = _TRACK_NAMES | {"icc_data", "pin_block"}


class Intake:
    """Turns what arrived into RequestReceived, under ids that no other gateway ever gives."""

    __slots__ = ("_allowance_ms", "_deadline_ms", "_incarnation", "_keys", "_number")

    def __init__(self, limits: GatewayLimits, incarnation: str, keys: Keys) -> None:
        self._allowance_ms = limits.start_allowance_ms
        self._deadline_ms = limits.terminal_deadline_ms
        self._incarnation = incarnation
        self._keys = keys
        self._number = 0

    def receive_message(
        self, profile: ListenerProfile, message: Message, raw: bytes, now: Now
    ) -> RequestReceived:
        """
        Build the record of an ISO message; `raw` is the message from its MTI on.

        Raises:
            FormatFault: the card number cannot be one, or the track is of another card.
            KeyStoreFault: there is no key to seal with now.
        """
        number = find_card_number(message.fields)
        check_track(message.mti, message.fields)
        inbound_id = self._next_id()
        card = self._protect(number, inbound_id)
        key_id, sealed = self._keys.minute_keys.seal(now.wall_ms, raw, inbound_id)
        fields = clear_fields(message.fields, number.pan if number else "")
        return RequestReceived(
            inbound_id=inbound_id,
            gateway=self._incarnation,
            channel=profile.channel,
            acquirer=profile.acquirer,
            partition_key=make_partition_key(profile.acquirer, fields["merchant_id"]),
            mti=message.mti,
            fields=fields,
            received_at=now.wall_ms,
            start_before=now.wall_ms + self._allowance_ms,
            deadline_at=now.wall_ms + self._deadline_ms,
            card=card,
            minute_key_id=key_id,
            sealed_message=sealed,
            has_mac="mac" in message.fields or "mac_secondary" in message.fields,
            has_chip="icc_data" in message.fields,
            has_secrets=not _SECRET_NAMES.isdisjoint(message.fields),
            has_track=not _TRACK_NAMES.isdisjoint(message.fields),
            has_pin="pin_block" in message.fields,
        )

    def receive_json(self, payment: JsonPayment | OperatorOrder, now: Now) -> RequestReceived:
        """
        Build the record of a request over HTTP.

        Raises:
            FormatFault: no card, or a card number that cannot be one.
            KeyStoreFault: there is no key to seal with now.
        """
        number = payment.card_number()
        inbound_id = self._next_id()
        fields = payment.fields()
        for name in _REFERENCE_NAMES.intersection(fields):
            fields[name] = hide_reference(fields[name], self._keys.fingerprinter)
        return RequestReceived(
            inbound_id=inbound_id,
            gateway=self._incarnation,
            channel=payment.channel,
            acquirer=payment.acquirer,
            partition_key=payment.partition_key,
            mti="",
            fields=fields,
            received_at=now.wall_ms,
            start_before=now.wall_ms + self._allowance_ms,
            deadline_at=now.wall_ms + self._deadline_ms,
            card=self._protect(number, inbound_id),
        )

    def open_message(self, request: RequestReceived) -> bytes:
        """
        Open the message of a record that this gateway sealed.

        Raises:
            KeyDestroyed: its minute is over.
            KeyStoreFault: the store cannot be used now.
        """
        return self._keys.minute_keys.open(
            request.minute_key_id, request.sealed_message, request.inbound_id
        )

    def _protect(self, number: CardNumber | None, inbound_id: str) -> Card | None:
        if number is None:
            return None
        return self._keys.vault.protect(number.pan, number.expiration_date, inbound_id)

    def _next_id(self) -> str:
        self._number += 1
        return f"{self._incarnation}-{self._number}"

"""The registry log's envelope: the claim rules of the journal, events of the registry."""

import msgspec

from switch.domain.registry.events import RegistryEvent
from switch.eventlog.journal import PartitionClaimed, PartitionReleased, UnknownEvent

RegistryLogEvent = RegistryEvent | PartitionClaimed | PartitionReleased


class RegistryRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What one decision changed, whole or not at all.

    `claim_id` names the writer (the void rule looks at nothing else), `actor` who asked for it;
    `at` is epoch milliseconds, UTC.
    """

    claim_id: str
    at: int
    actor: str
    events: tuple[RegistryLogEvent, ...]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(RegistryRecord)

encode_registry_record = _encoder.encode


def measure_event(event: RegistryEvent) -> int:
    """Return how many bytes an event takes in a record, its comma included."""
    return len(_encoder.encode(event)) + 1


def decode_registry_record(value: bytes) -> RegistryRecord:
    """
    Read one record of the registry log.

    Raises:
        UnknownEvent: an unknown tag or an impossible shape; a newer program wrote this log.
    """
    try:
        return _decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise UnknownEvent(f"cannot read a record of the registry log: {error}") from error

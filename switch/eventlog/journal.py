"""The journal's envelope: one decision, one record (docs/adr, the journal is the arbiter)."""

import msgspec

from switch.domain.cases.events import CaseEvent
from switch.domain.payment.events import Event, PaymentEvent
from switch.domain.terminal.events import TerminalEvent


class PartitionClaimed(Event, frozen=True, kw_only=True, tag="partition-claimed.v1"):
    """`owner` takes the partition under a random claim id; this record's offset is its epoch."""

    owner: str
    claim_id: str
    at: int


class PartitionReleased(Event, frozen=True, kw_only=True, tag="partition-released.v1"):
    """The owner has drained the partition; a successor may claim at once."""

    owner: str
    at: int


class PositionNoted(Event, frozen=True, kw_only=True, tag="position-noted.v1"):
    """A quiet partition notes how far its inbound log was read (the record's watermark)."""

    at: int


class InboundParked(Event, frozen=True, kw_only=True, tag="inbound-parked.v1"):
    """
    Deciding this inbound record raised; it is set aside as a case so that others go on.

    `mark` is the same for a request and its repeats: they are one case. A record that cannot even
    be read has none.
    """

    inbound_offset: int
    inbound_id: str
    fault: str
    at: int
    mark: str = ""


JournalEvent = (
    PaymentEvent
    | TerminalEvent
    | CaseEvent
    | PartitionClaimed
    | PartitionReleased
    | PositionNoted
    | InboundParked
)


class JournalRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    One decision with its cause, whole or not at all.

    `claim_id` names the writer (the void rule looks at nothing else). `inbound_offset` is the
    inbound record that caused it, -1 if a timer or an issuer did. `registry_position` is the
    registry offset below which all events were known. `watermark` is the inbound offset below
    which everything was decided by acknowledged records or needed no record. `at`: epoch
    milliseconds, UTC.
    """

    claim_id: str
    at: int
    watermark: int
    registry_position: int
    events: tuple[JournalEvent, ...]
    inbound_offset: int = -1
    inbound_id: str = ""
    traceparent: str = ""


class UnknownEvent(Exception):
    """The journal holds a record that this program cannot read; it must stop, not guess."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(JournalRecord)

encode_record = _encoder.encode


def decode_record(value: bytes) -> JournalRecord:
    """
    Read one journal record.

    Raises:
        UnknownEvent: an unknown tag or an impossible shape; a newer program wrote this journal.
    """
    try:
        return _decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise UnknownEvent(f"cannot read a journal record: {error}") from error

"""What travels between a gateway and the handlers: requests in, replies out."""

import hashlib

import msgspec

from switch.domain.card import Card
from switch.eventlog.port import REPLIES_PARTITION_COUNT


class RequestReceived(
    msgspec.Struct, frozen=True, kw_only=True, tag="request-received.v1", tag_field="type", gc=False
):
    """
    One message as it arrived, normalised and immutable.

    `fields` are the message's elements by standard name, as text, without card secrets (no pan,
    tracks, PIN block, chip data, MAC). `sealed_message` is the whole message (ISO: from MTI to its
    last byte, without TPDU and header; JSON: empty) under the minute key `minute_key_id`, with
    `inbound_id` as associated data. Times are epoch milliseconds, UTC.
    """

    inbound_id: str  # "<gateway incarnation>-<number>", unique for ever
    gateway: str  # the incarnation that holds the connection (`make_incarnation`)
    channel: str  # dialect name, or "json"
    acquirer: str
    partition_key: str
    mti: str  # as sent; empty for JSON
    fields: dict[str, str]
    received_at: int
    start_before: int
    deadline_at: int
    card: Card | None = None
    minute_key_id: str = ""
    sealed_message: bytes = b""
    has_mac: bool = False  # the MAC element was present
    has_chip: bool = False  # DE 55 was present
    has_secrets: bool = False  # track, PIN block or chip data were present
    has_track: bool = False  # DE 35 or 36 was present
    has_pin: bool = False  # DE 52 was present


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag="reply.v1", tag_field="type", gc=False):
    """
    An answer on its way back to the one request that still waits for it.

    ISO: `sealed_answer` is the answer message (MTI to MAC) under the request's minute key with
    `inbound_id + "/reply"` as associated data. JSON: `body` is the HTTP body, `status` its code.
    `processing_requirement` is the header digit that tells a UnionPay terminal what to do next.
    `ends_wait_of` names another waiting inbound id that must now never be answered (an 0400 ends
    the wait of its original).
    """

    gateway: str
    inbound_id: str
    minute_key_id: str = ""
    sealed_answer: bytes = b""
    status: int = 0
    body: bytes = b""
    processing_requirement: int = 0
    ends_wait_of: str = ""


def make_incarnation(ordinal: int, token: str) -> str:
    """Name one run of a gateway: its ordinal, which says where its answers go, and what is new."""
    return f"{ordinal:02d}.{token}"


def reply_partition_of(gateway: str) -> int:
    """
    Return the partition of the replies log that a gateway incarnation reads.

    Two gateways may read the same: each takes what names its own incarnation.
    """
    ordinal, _, token = gateway.partition(".")
    is_named = bool(token) and ordinal.isascii() and ordinal.isdecimal()
    return int(ordinal) % REPLIES_PARTITION_COUNT if is_named else 0


def traceparent_of(inbound_id: str) -> str:
    """
    Return the W3C trace context of a request: the same for whoever knows its inbound id.

    So the trace goes through every log without being carried in any record.
    """
    digest = hashlib.blake2s(inbound_id.encode(), digest_size=24).hexdigest()
    return f"00-{digest[:32]}-{digest[32:]}-01"


encode_request = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(RequestReceived).decode
encode_reply = msgspec.json.Encoder().encode
decode_reply = msgspec.json.Decoder(Reply).decode

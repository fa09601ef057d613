"""What the gateway asks of the shell around it: four kinds of action, carried out in order."""

import enum

import msgspec


class CloseCause(enum.Enum):
    """Why the gateway ends a connection; the value is a metric's label."""

    CONNECTION_BOUND = "connection-bound"
    BAD_FRAME = "bad-frame"
    UNREADABLE = "unreadable"
    NOT_A_REQUEST = "not-a-request"
    SLOW_FRAME = "slow-frame"
    LEFT_IN_FRAME = "left-in-frame"
    IDLE = "idle"
    NOT_READING = "not-reading"
    REFUSALS = "refusals"
    UNPROVEN = "unproven"
    STOPPING = "stopping"


class Send(msgspec.Struct, frozen=True, gc=False):
    """Write these bytes to a connection."""

    connection_id: int
    frame: bytes


class Close(msgspec.Struct, frozen=True):
    """
    End a connection and write one log line with `reason` (place and rule, never content).

    With `is_abort` what is still buffered for the client is thrown away.
    """

    connection_id: int
    cause: CloseCause
    reason: str
    is_abort: bool = False


class Append(msgspec.Struct, frozen=True, gc=False):
    """
    Append `value` to a partition of the inbound log under the partition key `key`.

    A failure comes back through `Gateway.append_failed` with the same `inbound_id`.
    """

    partition: int
    inbound_id: str
    key: bytes
    value: bytes


class AnswerJson(msgspec.Struct, frozen=True):
    """Answer the HTTP request that `request_json` turned into `inbound_id`."""

    inbound_id: str
    status: int
    body: bytes


Action = Send | Close | Append | AnswerJson

"""One connection of a terminal, as small as 10,000 idle ones ask for."""

from typing import NamedTuple

from switch.codec import Message
from switch.codec.framing import Framer, frame_bytes
from switch.codec.tpdu import Transport, answer_transport
from switch.gateway.limits import ListenerProfile


class Session:
    """
    What the gateway remembers of one connection.

    It is *unproven* until a handler's answer to one of its requests showed that its sender holds
    a terminal's key (or the dialect knows none); until then its refusals are counted.
    """

    __slots__ = (
        "connection_id",
        "framer",
        "handed_count",
        "is_proven",
        "profile",
        "refusal_count",
        "seen_boot_ms",
        "unread_bytes",
        "waits",
    )

    def __init__(
        self, connection_id: int, profile: ListenerProfile, framer: Framer, seen_boot_ms: int
    ) -> None:
        self.connection_id = connection_id
        self.profile = profile
        self.framer = framer
        self.seen_boot_ms = seen_boot_ms  # when it last said anything
        self.waits: set[str] = set()  # inbound ids that this connection waits for
        self.is_proven = False
        self.refusal_count = 0
        self.handed_count = 0  # requests handed over before it was proven
        self.unread_bytes = -1  # what was written since it stopped reading; -1 while it reads


class Arrival(NamedTuple):
    """A message as it came in: over which connection, behind which transport, as which bytes."""

    session: Session
    transport: Transport | None
    raw: bytes
    message: Message


def frame_answer(
    profile: ListenerProfile,
    transport: Transport | None,
    answer: bytes,
    processing_requirement: int,
) -> bytes:
    """Put before an answer what came before its request, and the length."""
    if transport is not None:
        answer = answer_transport(transport, processing_requirement) + answer
    return frame_bytes(profile.prefix, answer)

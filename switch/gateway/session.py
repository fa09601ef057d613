"""One connection of a terminal, as small as 10,000 idle ones ask for."""

from switch.codec.framing import Framer
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

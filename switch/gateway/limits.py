"""What a gateway may wait for, hold and bear; every bound has a defined answer behind it."""

from typing import Final

import msgspec

from switch.codec import Dialect
from switch.codec.framing import Prefix

REPEAT_WINDOW_MS: Final = 60_000  # a terminal waits no longer for an answer (docs/iso8583.md 5)


class GatewayLimits(msgspec.Struct, frozen=True, kw_only=True):
    """
    The bounds of one gateway; `apps` fills them from the settings of the same names.

    A request is answered by `terminal_deadline_ms` or never; a handler starts no debit for it once
    only `issuer_timeout_ms + clock_skew_max_ms` are left of that.
    """

    terminal_deadline_ms: int = 45_000
    issuer_timeout_ms: int = 40_000
    clock_skew_max_ms: int = 250
    connection_count_max: int = 20_000
    in_flight_count_max: int = 5_000
    connection_in_flight_count_max: int = 1_000
    frame_bytes_max: int = 4_096
    frame_deadline_ms: int = 10_000
    idle_timeout_ms: int = 3_600_000
    write_buffer_bytes_max: int = 65_536
    read_timeout_ms: int = 30_000  # a client that takes no byte of its answers for so long is gone
    refusal_count_max: int = 10  # refusals of one connection before its first proven answer
    unproven_count_max: int = 1_000  # requests taken from a connection that has proven nothing yet
    sign_on_count_max: int = 20  # 08xx, and as many 05xx (no MAC), of one terminal in a minute

    def __post_init__(self) -> None:
        """
        Check that the times are in order.

        Raises:
            ValueError: no time would be left in which a debit may start.
        """
        if self.issuer_timeout_ms + self.clock_skew_max_ms >= self.terminal_deadline_ms:
            raise ValueError(
                "terminal_deadline_ms must be more than issuer_timeout_ms + clock_skew_max_ms,"
                " or no payment could ever start"
            )

    @property
    def start_allowance_ms(self) -> int:
        """How long after its receipt a request may still be routed (docs/rules.md 3)."""
        return self.terminal_deadline_ms - self.issuer_timeout_ms - self.clock_skew_max_ms


class ListenerProfile(msgspec.Struct, frozen=True, kw_only=True):
    """How the terminals of one listener speak, and on whose behalf they come."""

    dialect: Dialect
    channel: str  # the dialect's name, as RequestReceived.channel gives it
    acquirer: str
    prefix: Prefix = "binary-2"  # framing, as `switch.codec.framing` names it
    has_transport: bool = False  # TPDU and header between the length and the message

"""What a partition needs to know from its configuration."""

import msgspec

from switch.domain.payment.rules import DecisionRules
from switch.handlers.lanes import LaneSettings


class PartitionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting of a partition; the unit is the last word of its name."""

    partition_count: int
    institution_id: str = "00000000001"  # DE 32 towards terminals and issuers
    issuer_timeout_ms: int = 40_000  # below the terminal's deadline, or its answer comes too late
    send_window_ms: int = 500
    send_margin_ms: int = 250  # a successor waits window + margin before it calls a debit unknown
    registry_age_max_ms: int = 1_000  # an older registry view declines rather than guesses
    position_note_ms: int = 5_000
    rules: DecisionRules = DecisionRules()
    lanes: LaneSettings = LaneSettings()

"""What can be measured, by name: known to the command line before anything heavy is imported."""

from typing import Final

NAMES: Final = (
    *("codec", "embedded", "pipe", "latency", "rebuild", "restart", "idle"),
    # `all` leaves these out: ten minutes each, and a profile that is no figure
    *("memory", "kafka", "profile", "all"),
)
KAFKA_PARTS: Final = ("rate", "latency", "takeover", "snapshot", "projector", "growth")

"""What a running projector says about itself: for health, metrics and people."""

from typing import Final

import msgspec

STARTING: Final = "starting"
RUNNING: Final = "running"
RETRYING: Final = "retrying"  # the database or the log is away; it goes on by itself
STOPPED: Final = "stopped"  # it cannot go on: an event it does not know, a bug


class PartitionStatus(msgspec.Struct, kw_only=True):
    """One partition: how far its rows are, and how far the journal is (-1: not known yet)."""

    next_offset: int = -1
    end_offset: int = -1
    void_count: int = 0
    at_ms: int = 0  # time of the last record applied

    @property
    def lag_count(self) -> int:
        """How many records are not in the rows yet."""
        return max(0, self.end_offset - max(self.next_offset, 0))


class ProjectionStatus(msgspec.Struct, kw_only=True):
    """One projection."""

    name: str
    state: str = STARTING
    error: str = ""  # why it is retrying or stopped, and what to do
    applied_count: int = 0  # records since the start of this process
    transaction_count: int = 0
    retry_count: int = 0
    partitions: dict[int, PartitionStatus] = {}

    @property
    def lag_count(self) -> int:
        """How many records are not in the rows yet, over all partitions."""
        return sum(partition.lag_count for partition in self.partitions.values())


class ProjectorStatus(msgspec.Struct, kw_only=True):
    """All projections of one projector; read it at any time from the same event loop."""

    projections: dict[str, ProjectionStatus] = {}

    @property
    def lag_count(self) -> int:
        """The largest lag."""
        return max((one.lag_count for one in self.projections.values()), default=0)

    @property
    def faults(self) -> tuple[str, ...]:
        """Why it is not well, empty if it is."""
        return tuple(
            f"projection {one.name} is {one.state}: {one.error}"
            for one in self.projections.values()
            if one.state in {RETRYING, STOPPED}
        )

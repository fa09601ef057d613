"""Who proposes which partitions to this process; the journal decides who has them."""

from collections.abc import Callable, Iterable
from typing import ClassVar, Protocol

from switch.adapters.kafka_log import KafkaLog
from switch.adapters.kafka_membership import GroupProposer
from switch.adapters.telemetry import Logger
from switch.apps.log_settings import OwnershipSettings
from switch.apps.settings_sources import SettingsError
from switch.eventlog.port import EventLog

OnProposed = Callable[[frozenset[int]], None]


class Proposer(Protocol):
    """Says which partitions this process is to take; no more than a proposal."""

    @property
    def waits_for_members(self) -> bool:
        """Whether an owner that is a member is given time; else who is proposed claims at once."""
        ...

    @property
    def absence_ms(self) -> int:
        """How long an owner must be missing from the members before it counts as gone."""
        ...

    async def start(self, owner: str, on_proposed: OnProposed) -> None:
        """Begin: `on_proposed` gets all that is proposed to `owner`, each time it changes."""
        ...

    async def find_members(self) -> frozenset[str] | None:
        """Return the owners that are members now; None if it cannot be told."""
        ...

    async def retire(self) -> None:
        """Ask to be proposed for nothing, and stay a member; wait a bounded time until it is so."""
        ...

    async def stop(self) -> None:
        """Be a member no more."""
        ...


class StaticProposer:
    """Proposes the same partitions for ever: ordinals, or the one process of an embedded log."""

    waits_for_members: ClassVar[bool] = False
    absence_ms: ClassVar[int] = 0

    def __init__(self, partitions: Iterable[int]) -> None:
        self._partitions = frozenset(partitions)

    async def start(self, owner: str, on_proposed: OnProposed) -> None:
        """Propose them."""
        del owner
        on_proposed(self._partitions)

    async def find_members(self) -> frozenset[str] | None:
        """Nobody knows of anybody."""
        return None

    async def retire(self) -> None:
        """Whoever stops is not proposed anywhere else by this."""

    async def stop(self) -> None:
        """There is nothing to leave."""


def parse_partitions(text: str, partition_count: int) -> frozenset[int]:
    """
    Read `0-3,7`; empty: all of them.

    Raises:
        SettingsError: it names none, or one that the log does not have.
    """
    if not text:
        return frozenset(range(partition_count))
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    if not found or max(found) >= partition_count:
        raise SettingsError(
            f"ownership.partitions: {text!r} must name partitions from 0 to {partition_count - 1}"
        )
    return frozenset(found)


def make_proposer(settings: OwnershipSettings, event_log: EventLog, log: Logger) -> Proposer:
    """
    Make the proposer that the settings want: over an embedded log one process owns everything.

    Raises:
        SettingsError: ownership.partitions names what the log does not have.
    """
    if not isinstance(event_log, KafkaLog):
        return StaticProposer(range(event_log.partition_count))
    if settings.proposer == "static":
        return StaticProposer(parse_partitions(settings.partitions, event_log.partition_count))
    return GroupProposer(event_log, session_timeout_ms=settings.session_timeout_ms, log=log)
